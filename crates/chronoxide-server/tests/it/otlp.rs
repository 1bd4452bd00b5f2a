//! OTLP over HTTP: what is sent, what is answered, and what queries find afterwards.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use serde_json::{Value, json};

use crate::bounds::assert_metric;
use crate::running::{Running, now_ms};

const PROTOBUF: [(&str, &str); 1] = [("content-type", "application/x-protobuf")];
const JSON: [(&str, &str); 1] = [("content-type", "application/json; charset=utf-8")];

/// A request with `metrics` of the service `shop/checkout`.
fn request(metrics: &Value) -> Value {
    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    json!({"resourceMetrics": [{
        "resource": {"attributes": [
            attribute("service.namespace", "shop"),
            attribute("service.name", "checkout"),
        ]},
        "scopeMetrics": [{"scope": {"name": "test"}, "metrics": metrics}],
    }]})
}

/// The same request in protobuf, by way of the published message types.
fn protobuf(request: &Value) -> Vec<u8> {
    let message: ExportMetricsServiceRequest = serde_json::from_value(request.clone()).unwrap();
    prost::Message::encode_to_vec(&message)
}

fn gauge(name: &str, time_ms: i64, value: f64) -> Value {
    json!({"name": name, "gauge": {"dataPoints": [
        {"timeUnixNano": (time_ms * 1_000_000).to_string(), "asDouble": value}
    ]}})
}

/// One metric of each common kind.
fn kinds(time_ms: i64) -> Value {
    let time = (time_ms * 1_000_000).to_string();
    let route = json!([{"key": "http.route", "value": {"stringValue": "/cart"}}]);
    json!([
        gauge("queue.size", time_ms, 7.5),
        {"name": "http.requests", "unit": "{request}", "description": "Requests served.", "sum": {
            "aggregationTemporality": 2, "isMonotonic": true,
            "dataPoints": [{"timeUnixNano": time, "startTimeUnixNano": "1", "asInt": "42", "attributes": route}],
        }},
        {"name": "latency", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [
            {"timeUnixNano": time, "count": "10", "sum": 33.5, "bucketCounts": ["1", "2", "3", "4"],
             "explicitBounds": [0.1, 1.0, 10.0]}
        ]}},
    ])
}

fn assert_kinds_are_found(server: &Running, time_ms: i64) {
    let seconds = time_ms / 1000;
    let labels = |name: &str| {
        json!({"__name__": name, "job": "shop/checkout", "service_name": "checkout",
               "service_namespace": "shop"})
    };
    assert_eq!(
        server.query("queue_size", time_ms)["result"],
        json!([{"metric": labels("queue_size"), "value": [seconds, "7.5"]}])
    );
    let mut counter = labels("http_requests_total");
    counter["http_route"] = json!("/cart");
    assert_eq!(
        server.query("http_requests_total", time_ms)["result"],
        json!([{"metric": counter, "value": [seconds, "42"]}])
    );
    let value = |text: &str| server.query(text, time_ms)["result"][0]["value"][1].take();
    assert_eq!(value(r#"latency_seconds_bucket{le="10"}"#), "6");
    assert_eq!(value(r#"latency_seconds_bucket{le="+Inf"}"#), "10");
    assert_eq!(value("latency_seconds_sum"), "33.5");
    let metadata = server.get("/api/v1/metadata?metric=http_requests_total");
    let described = &metadata.data()["http_requests_total"][0];
    assert_eq!(described["type"], "counter");
    assert_eq!(described["help"], "Requests served.");
}

#[test]
fn protobuf_is_stored_under_the_names_that_prometheus_users_expect() {
    let server = Running::start();
    let now = now_ms();
    let answer = server.post("/v1/metrics", &PROTOBUF, &protobuf(&request(&kinds(now))));
    assert_eq!((answer.status, answer.bytes.len()), (200, 0), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/x-protobuf");
    assert_kinds_are_found(&server, now);
    let metrics = server.get("/metrics").body;
    // A gauge, a counter, and six series of the histogram.
    let line = "chronoxide_ingest_samples_total{protocol=\"otlp\"} 8";
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
}

#[test]
fn json_is_stored_alike() {
    let server = Running::start();
    let now = now_ms();
    let body = request(&kinds(now)).to_string();
    let answer = server.post("/v1/metrics", &JSON, body.as_bytes());
    assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
    assert_eq!(answer.header("content-type"), "application/json");
    assert_kinds_are_found(&server, now);
}

#[test]
fn every_path_is_served_on_both_ports() {
    let server = Running::start_with(&[("otlp.http.listen", "127.0.0.1:0")]);
    for path in [
        "/v1/metrics",
        "/api/v1/otlp",
        "/api/v1/otlp/v1/metrics",
        "/opentelemetry/v1/metrics",
        "/opentelemetry/api/v1/push",
        "/otlp/v1/metrics",
    ] {
        for path in [
            path.to_owned(),
            format!("{path}/"),
            format!("/prometheus{path}"),
        ] {
            assert_eq!(server.post(&path, &PROTOBUF, b"").status, 200, "{path}");
            assert_eq!(
                server.post_otlp(&path, &PROTOBUF, b"").status,
                200,
                "{path}"
            );
        }
    }
    assert_eq!(server.get("/v1/metrics").status, 405);
    assert_eq!(
        server.post_otlp("/api/v1/write", &PROTOBUF, b"").status,
        404
    );
    for path in ["/v1/traces", "/v1/logs", "/v1/traces/"] {
        let answer = server.post_otlp(path, &PROTOBUF, b"");
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("metrics only"), "{}", answer.body);
    }
}

#[test]
fn compressed_bodies_are_read_within_the_limit() {
    let server = Running::start_with(&[("otlp.size-limit", "64KiB")]);
    let now = now_ms();
    let body = protobuf(&request(&kinds(now)));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&body).unwrap();
    let headers = [PROTOBUF[0], ("content-encoding", "gzip")];
    let answer = server.post("/v1/metrics", &headers, &gzip.finish().unwrap());
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_kinds_are_found(&server, now);
    let mut bomb = ZlibEncoder::new(Vec::new(), Compression::default());
    bomb.write_all(&vec![0; 1 << 20]).unwrap();
    let headers = [JSON[0], ("content-encoding", "deflate")];
    let answer = server.post("/v1/metrics", &headers, &bomb.finish().unwrap());
    assert_eq!(
        (answer.status, answer.json()["code"].as_i64()),
        (413, Some(8))
    );
    let answer = server.post("/v1/metrics", &JSON, &vec![b' '; (64 << 10) + 1]);
    assert_eq!(answer.status, 413);
    let answer = server.post("/v1/metrics", &headers, b"not compressed at all");
    assert_eq!(
        (answer.status, answer.json()["code"].as_i64()),
        (400, Some(3))
    );
}

#[test]
fn a_bad_point_is_told_of_and_the_others_stored() {
    let server = Running::start();
    let now = now_ms();
    let metrics = json!([
        gauge("good", now, 1.0),
        gauge("timeless", 0, 1.0),
        gauge("old", 1000, 1.0)
    ]);
    let body = request(&metrics);
    let answer = server.post("/v1/metrics", &JSON, body.to_string().as_bytes());
    assert_eq!(answer.status, 200);
    let partial = &answer.json()["partialSuccess"];
    assert_eq!(partial["rejectedDataPoints"], "2", "{}", answer.body);
    let message = partial["errorMessage"].as_str().unwrap();
    assert!(
        message.contains("timeless") && message.contains("too_old"),
        "{message}"
    );
    let answer = server.post("/v1/metrics", &PROTOBUF, &protobuf(&body));
    // Field 1, and in it field 1 with the number.
    assert_eq!(
        (answer.status, answer.bytes[0], &answer.bytes[3..5]),
        (200, 0x0a, &[0x08, 2][..])
    );
    assert_eq!(server.query("good", now)["result"][0]["value"][1], "1");
    let metrics = server.get("/metrics").body;
    for line in [
        "chronoxide_ingest_rejected_samples_total{protocol=\"otlp\",reason=\"missing_time\"} 2",
        "chronoxide_ingest_rejected_samples_total{protocol=\"otlp\",reason=\"too_old\"} 2",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}\n{metrics}"
        );
    }
}

#[test]
fn what_is_no_request_is_refused_for_good_in_its_own_format() {
    let server = Running::start();
    let answer = server.post("/v1/metrics", &JSON, b"{\"resourceMetrics\": 7}");
    assert_eq!(
        (answer.status, answer.json()["code"].as_i64()),
        (400, Some(3))
    );
    assert!(answer.body.contains("JSON"), "{}", answer.body);
    let answer = server.post("/v1/metrics", &PROTOBUF, b"\xff\xff\xff");
    assert_eq!((answer.status, &answer.bytes[..2]), (400, &[0x08, 3][..]));
    assert_eq!(answer.header("content-type"), "application/x-protobuf");
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[PROTOBUF[0], ("content-encoding", "br")],
    ] {
        let answer = server.post("/v1/metrics", headers, b"");
        assert_eq!(answer.status, 415, "{headers:?}");
        assert!(answer.header("content-type").starts_with("text/plain"));
    }
    let page = [("origin", "http://evil.example"), JSON[0]];
    assert_eq!(server.post("/v1/metrics", &page, b"{}").status, 403);
}

#[test]
fn pages_of_listed_origins_may_send() {
    let ask = |server: &Running, method: &str, path: &str, origin: &str| {
        server.raw(
            format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\nConnection: close\r\n\
                 Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type,x-a\r\n\
                 Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
            )
            .as_bytes(),
        )
    };
    let server = Running::start_with(&[("otlp.http.cors-origins", "https://*.shop.example")]);
    let page = "https://www.shop.example";
    for path in ["/v1/metrics", "/api/v1/otlp/v1/metrics"] {
        let answer = ask(&server, "OPTIONS", path, page);
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
        for line in [
            "access-control-allow-origin: https://www.shop.example\r\n",
            "access-control-allow-headers: content-type,x-a\r\n",
            "access-control-allow-methods: POST, OPTIONS\r\n",
            "access-control-allow-credentials: true\r\n",
        ] {
            assert!(answer.contains(line), "{line}: {answer}");
        }
        let answer = ask(&server, "POST", path, page);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("access-control-allow-origin: https://www.shop.example\r\n"));
        for method in ["OPTIONS", "POST"] {
            let answer = ask(&server, method, path, "https://evil.example");
            assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
            assert!(!answer.contains("allow-credentials"), "{answer}");
        }
    }
    let unasked = Running::start();
    let answer = ask(&unasked, "OPTIONS", "/v1/metrics", page);
    assert!(
        answer.starts_with("HTTP/1.1 403") && answer.contains("cors-origins"),
        "{answer}"
    );
}

#[test]
fn temporary_trouble_asks_exporters_to_come_back() {
    let server = Running::start_with(&[("storage.min-free", "1000TiB")]);
    let body = request(&json!([gauge("x", now_ms(), 1.0)])).to_string();
    let answer = server.post("/v1/metrics", &JSON, body.as_bytes());
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"));
    assert_eq!(answer.json()["code"], 14);
}

#[test]
fn deltas_are_added_up_or_refused_as_configured() {
    let now = now_ms();
    let delta = |start_ms: i64, time_ms: i64, value: i64| {
        request(&json!([{"name": "jobs", "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [
            {"startTimeUnixNano": (start_ms * 1_000_000).to_string(),
             "timeUnixNano": (time_ms * 1_000_000).to_string(), "asInt": value}
        ]}}])).to_string()
    };
    let server = Running::start();
    for (start, end, value) in [(now - 2000, now - 1000, 5), (now - 1000, now, 3)] {
        let body = delta(start, end, value);
        let answer = server.post("/v1/metrics", &JSON, body.as_bytes());
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
    }
    assert_eq!(
        server.query("jobs_total", now)["result"][0]["value"][1],
        "8"
    );
    let strict = Running::start_with(&[("otlp.delta", "reject")]);
    let answer = strict.post("/v1/metrics", &JSON, delta(now - 1000, now, 5).as_bytes());
    assert_eq!(answer.json()["partialSuccess"]["rejectedDataPoints"], "1");
}

#[test]
fn names_are_previewed() {
    let server = Running::start();
    let answer = server.get("/api/v1/otlp/preview?name=http.server.duration&unit=ms&type=histogram&attribute=http.route&attribute=_");
    assert_eq!(
        answer.data(),
        json!({
            "strategy": "UnderscoreEscapingWithSuffixes",
            "metrics": [{
                "type": "histogram",
                "metric": "http_server_duration_milliseconds",
                "series": [
                    "http_server_duration_milliseconds_bucket",
                    "http_server_duration_milliseconds_count",
                    "http_server_duration_milliseconds_sum",
                ],
                "metadata": {"type": "histogram", "unit": "milliseconds"},
            }],
            "labels": {"http.route": "http_route", "_": "key_"},
        })
    );
    let every = server.get("/api/v1/otlp/preview?name=load&unit=1").data();
    let names: Vec<_> = every["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| &kind["metric"])
        .collect();
    assert_eq!(
        names,
        ["load_ratio", "load_total", "load", "load", "load", "load"]
    );
    for query in ["", "?name=x&type=speedometer"] {
        let (kind, _) = server.get(&format!("/api/v1/otlp/preview{query}")).error();
        assert_eq!(kind, "bad_data");
    }
}

#[test]
fn a_query_for_a_name_of_otlp_is_told_the_name_here() {
    let server = Running::start();
    let now = now_ms();
    let body = request(&kinds(now)).to_string();
    assert_eq!(
        server.post("/v1/metrics", &JSON, body.as_bytes()).body,
        "{}"
    );
    let infos = |query: &str| {
        let path = format!("/api/v1/query?query={}", crate::running::escaped(query));
        server.get(&path).json()["infos"].take()
    };
    let told = infos(r#"rate({"http.requests"}[5m])"#);
    assert!(
        told[0]
            .as_str()
            .unwrap()
            .contains("but \"http_requests_total\" has"),
        "{told}"
    );
    let told = infos("sum(http_requests)");
    assert!(
        told[0]
            .as_str()
            .unwrap()
            .contains("\"http_requests_total\""),
        "{told}"
    );
    for query in [
        "http_requests_total",
        r#"http_requests_total{a="b"}"#,
        "nothing_like_it",
        "1",
    ] {
        assert_eq!(infos(query), json!(null), "{query}");
    }
}

#[test]
fn names_and_labels_follow_the_settings() {
    let server = Running::start_with(&[
        ("otlp.translation", "UnderscoreEscapingWithoutSuffixes"),
        ("otlp.promote", "none"),
        ("otlp.histograms", "native"),
        ("otlp.scope-labels", "on"),
        ("otlp.type-and-unit-labels", "on"),
        ("otlp.keep-identifying-attributes", "on"),
    ]);
    let now = now_ms();
    let body = request(&kinds(now)).to_string();
    assert_eq!(
        server.post("/v1/metrics", &JSON, body.as_bytes()).body,
        "{}"
    );
    assert_eq!(
        server.query("http_requests", now)["result"][0]["metric"],
        json!({"__name__": "http_requests", "__type__": "counter", "job": "shop/checkout",
               "http_route": "/cart", "otel_scope_name": "test"})
    );
    let count = server.query("histogram_count(latency)", now);
    assert_eq!(count["result"][0]["value"][1], "10");
}

/// A metric of one kind with one point, of value `value` and with text attributes.
fn counted(name: &str, time_ms: i64, value: i64, attributes: &[(&str, &str)]) -> Value {
    let attributes = attributes
        .iter()
        .map(|(key, value)| json!({"key": key, "value": {"stringValue": value}}));
    json!({"name": name, "gauge": {"dataPoints": [{
        "timeUnixNano": (time_ms * 1_000_000).to_string(),
        "asInt": value.to_string(),
        "attributes": attributes.collect::<Vec<_>>(),
    }]}})
}

/// Streams that are told apart by what labels do not show: the first stands, the others are refused and told of.
#[test]
fn s56_streams_that_meet_in_one_series_keep_the_first_value() {
    let now = now_ms();
    let other = |value: i64| counted("other", now, value, &[]);
    let histogram = |count: i64| {
        json!({"name": "lat", "histogram": {"aggregationTemporality": 2, "dataPoints": [
            {"timeUnixNano": (now * 1_000_000).to_string(), "count": count, "sum": 1.5}
        ]}})
    };
    let integer = json!({"name": "m", "gauge": {"dataPoints": [{
        "timeUnixNano": (now * 1_000_000).to_string(),
        "asInt": "2",
        "attributes": [{"key": "a", "value": {"intValue": "7"}}],
    }]}});
    let m = |key: &str, value: i64| counted("m", now, value, &[(key, "7")]);
    for (case, metrics, query, first, refused) in [
        (
            "one point twice",
            json!([m("a", 1), m("a", 2), other(1)]),
            "m",
            "1",
            "1",
        ),
        (
            "the same value twice",
            json!([m("a", 1), m("a", 1), other(1)]),
            "m",
            "1",
            "",
        ),
        (
            "names",
            json!([
                counted("m.x", now, 1, &[]),
                counted("m_x", now, 2, &[]),
                other(1)
            ]),
            "m_x",
            "1",
            "1",
        ),
        (
            "attributes",
            json!([m("a.b", 1), m("a_b", 2), m("a-b", 3), other(1)]),
            "m",
            "1",
            "2",
        ),
        (
            "kinds of values",
            json!([m("a", 1), integer, other(1)]),
            "m",
            "1",
            "1",
        ),
        (
            "identity",
            json!([
                counted("m", now, 1, &[]),
                counted("m", now, 2, &[("job", "x")]),
                other(1)
            ]),
            "m",
            "1",
            "1",
        ),
        (
            "a histogram's series",
            json!([histogram(4), counted("lat.count", now, 9, &[]), other(1)]),
            "lat_count",
            "4",
            "1",
        ),
        (
            "a histogram after one of its series",
            json!([counted("lat.count", now, 9, &[]), histogram(4), other(1)]),
            "lat_count",
            "9",
            "1",
        ),
        (
            "histograms",
            json!([histogram(4), histogram(5), other(1)]),
            "lat_count",
            "4",
            "1",
        ),
    ] {
        let server = Running::start();
        // The second time all series are known.
        for _ in 0..2 {
            let body = request(&metrics).to_string();
            let answer = server.post("/v1/metrics", &JSON, body.as_bytes());
            assert_eq!(answer.status, 200, "{case}");
            let partial = &answer.json()["partialSuccess"];
            let rejected = partial["rejectedDataPoints"].as_str();
            assert_eq!(
                rejected.unwrap_or_default(),
                refused,
                "{case}: {}",
                answer.body
            );
            if !refused.is_empty() {
                let message = partial["errorMessage"].as_str().unwrap();
                let told = format!("{query}{{");
                assert!(
                    message.contains("duplicate") && message.contains(&told),
                    "{case}: {message}"
                );
            }
        }
        let value = |text: &str| server.query(text, now)["result"][0]["value"][1].take();
        assert_eq!(value(query), first, "{case}");
        assert_eq!(value("other"), "1", "{case}");
        if !refused.is_empty() {
            let line =
                "chronoxide_ingest_rejected_samples_total{protocol=\"otlp\",reason=\"duplicate\"}";
            let metrics = server.get("/metrics").body;
            assert!(
                metrics.lines().any(|found| found.starts_with(line)),
                "{metrics}"
            );
        }
    }
}

/// Points of one stream at several times are no repetition.
#[test]
fn points_of_one_stream_at_several_times_are_all_stored() {
    let server = Running::start();
    let now = now_ms();
    let points = (0..5).map(|index| {
        let time_ms = now - 4000 + index * 1000;
        json!({"timeUnixNano": (time_ms * 1_000_000).to_string(), "asInt": index.to_string()})
    });
    let points = points.collect::<Vec<_>>();
    let metrics = json!([{"name": "m", "gauge": {"dataPoints": points}}, gauge("other", now, 1.0)]);
    let answer = server.post(
        "/v1/metrics",
        &JSON,
        request(&metrics).to_string().as_bytes(),
    );
    assert_eq!(answer.body, "{}");
    let stored = &server.query("m[10s]", now)["result"][0]["values"];
    assert_eq!(stored.as_array().unwrap().len(), 5);
}

#[test]
fn refused_points_are_counted_as_points_and_target_info_is_none() {
    let server = Running::start();
    let old = 1_000;
    let mut body = request(&kinds(old));
    let attributes = body["resourceMetrics"][0]["resource"]["attributes"].as_array_mut();
    attributes
        .unwrap()
        .push(json!({"key": "host.arch", "value": {"stringValue": "arm64"}}));
    let answer = server.post("/v1/metrics", &JSON, body.to_string().as_bytes());
    let partial = &answer.json()["partialSuccess"];
    // A gauge, a counter, and a histogram of six series.
    assert_eq!(partial["rejectedDataPoints"], "3", "{}", answer.body);
    assert!(!answer.body.contains("target_info"), "{}", answer.body);
}

#[test]
fn what_is_left_out_of_points_is_told_and_counted() {
    let server = Running::start();
    let now = now_ms();
    let time = (now * 1_000_000).to_string();
    let metrics = json!([
        {"name": "no.data"},
        {"name": "c", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [{
            "timeUnixNano": time, "asInt": "1",
            "attributes": [{"key": "\u{65e5}\u{672c}", "value": {"stringValue": "x"}}],
            "exemplars": [{"timeUnixNano": time}],
        }]}},
    ]);
    let answer = server.post(
        "/v1/metrics",
        &JSON,
        request(&metrics).to_string().as_bytes(),
    );
    assert_eq!(answer.status, 200);
    let partial = &answer.json()["partialSuccess"];
    assert_eq!(partial["rejectedDataPoints"], "0", "{}", answer.body);
    assert!(answer.body.contains("no.data"), "{}", answer.body);
    assert_eq!(server.query("c_total", now)["result"][0]["value"][1], "1");
    for line in [
        "chronoxide_ingest_dropped_attributes_total{protocol=\"otlp\",reason=\"unusable_name\"} 1",
        "chronoxide_ingest_rejected_exemplars_total{protocol=\"otlp\",reason=\"refused\"} 1",
        "chronoxide_ingest_metadata_total{protocol=\"otlp\"} 1",
    ] {
        assert_metric(&server, line);
    }
}

#[test]
fn requests_of_unknown_type_are_counted() {
    let server = Running::start();
    let answer = server.post("/v1/metrics", &[("content-type", "text/plain")], b"x");
    assert_eq!(answer.status, 415);
    let line = "chronoxide_ingest_requests_total{protocol=\"otlp\",format=\"unknown\",result=\"unread\"} 1";
    assert_metric(&server, line);
}
