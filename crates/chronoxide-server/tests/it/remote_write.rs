//! Remote write: vectors of bytes, statuses, and what is there afterwards.

use serde_json::json;

use crate::running::{Running, now_ms};
use crate::wire::{
    self, Series, V1_HEADERS, V2_HEADERS, compress, hex, series, v1_body, v1_message,
};
use crate::wire_v2::{Entry, v2_body};

const V1_A: &str = "2eb40a2c0a0e0a085f5f6e616d655f5f120275700a080a036a6f62120161121009000000000000f03f1080d095ffbc31";
const V1_B: &str = "2eb40a2c0a0e0a085f5f6e616d655f5f120275700a080a036a6f62120161121009020000000000f07f1098c596ffbc31";
const V2_A: &str = "32c4220022085f5f6e616d655f5f2202757022036a6f622201612a180a0401020304121009000000000000f03f1080d095ffbc31";
const V2_ODD: &str = "31c0220022085f5f6e616d655f5f2202757022036a6f622201612a170a03010203121009000000000000f03f1080d095ffbc31";
const V2_OUT_OF_RANGE: &str = "30bc220022085f5f6e616d655f5f2202757022036a6f622201612a160a020163121009000000000000f03f1080d095ffbc31";
const V2_CUSTOM_BUCKETS: &str = "40f03f220022085f5f6e616d655f5f2201682a2f0a0201021a29080319000000000000124020695a0408001002620202027880d095ffbc31820108000000000000f03f";

/// The time of the vectors' samples.
const T: i64 = 1_700_000_000_000;

/// A server that keeps samples from 2023.
fn server() -> Running {
    Running::start_with(&[("retention.time", "100y")])
}

/// Where senders send, in the habits of several products.
pub(crate) const PATHS: [&str; 5] = [
    "/api/v1/write",
    "/api/v1/push",
    "/api/prom/push",
    "/api/v1/receive",
    "/api/v1/prom/remote/write",
];

#[test]
fn every_path_takes_version_1() {
    let server = server();
    for prefix in ["", "/prometheus"] {
        for path in PATHS {
            let path = format!("{prefix}{path}");
            let body = v1_body(&[series(&[("__name__", "sent"), ("to", &path)], T, 1.0)]);
            for body in [hex(V1_A), body] {
                let answer = server.post(&path, &V1_HEADERS, &body);
                assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{path}");
                assert!(
                    !answer
                        .headers
                        .contains_key("x-prometheus-remote-write-samples-written")
                );
            }
            let sent = server.query(&format!("sent{{to=\"{path}\"}}"), T);
            assert_eq!(sent["result"][0]["value"][1], "1", "{path}");
        }
    }
    assert_eq!(
        server.query("up", T)["result"],
        json!([{"metric": {"__name__": "up", "job": "a"}, "value": [1_700_000_000, "1"]}])
    );
}

#[test]
fn a_stale_marker_ends_the_series() {
    let server = server();
    server.post("/api/v1/write", &V1_HEADERS, &hex(V1_A));
    assert_eq!(
        server.post("/api/v1/write", &V1_HEADERS, &hex(V1_B)).status,
        204
    );
    assert_eq!(
        server.query("up", T + 14_999)["result"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(server.query("up", T + 15_000)["result"], json!([]));
}

#[test]
fn version_2_is_told_apart_and_counts_what_was_written() {
    let server = server();
    let written = |answer: &crate::running::Answer| {
        ["samples", "histograms", "exemplars"].map(|kind| {
            answer
                .header(&format!("x-prometheus-remote-write-{kind}-written"))
                .to_owned()
        })
    };
    let answer = server.post("/api/v1/write", &V2_HEADERS, &hex(V2_A));
    assert_eq!(
        (answer.status, written(&answer)),
        (204, ["1", "0", "0"].map(str::to_owned))
    );
    let answer = server.post("/api/v1/write", &V2_HEADERS, &hex(V2_CUSTOM_BUCKETS));
    assert_eq!(
        (answer.status, written(&answer)),
        (204, ["0", "1", "0"].map(str::to_owned)),
        "{}",
        answer.body
    );
    for vector in [V2_ODD, V2_OUT_OF_RANGE] {
        let answer = server.post("/api/v1/write", &V2_HEADERS, &hex(vector));
        assert_eq!(
            (answer.status, written(&answer)),
            (400, ["0", "0", "0"].map(str::to_owned)),
            "{}",
            answer.body
        );
    }
    let spaced = (
        "content-type",
        "application/x-protobuf; proto=io.prometheus.write.v2.Request",
    );
    let answer = server.post("/api/v1/write", &[spaced, V2_HEADERS[1]], &hex(V2_A));
    assert_eq!(
        (answer.status, written(&answer)),
        (204, ["1", "0", "0"].map(str::to_owned))
    );
    assert_eq!(
        server.query("up{job=\"a\"}", T)["result"][0]["value"][1],
        "1"
    );
    assert_eq!(
        server.query("h", T)["result"][0]["histogram"][1],
        json!({"count": "3", "sum": "4.5", "buckets": [[3, "-Inf", "1", "1"], [0, "1", "+Inf", "2"]]})
    );
}

#[test]
fn version_2_bytes_under_the_name_of_version_1_store_nothing() {
    let server = server();
    let answer = server.post("/api/v1/write", &V1_HEADERS, &hex(V2_A));
    assert_eq!(answer.status, 204);
    assert!(
        !answer
            .headers
            .contains_key("x-prometheus-remote-write-samples-written")
    );
    assert_eq!(server.query("up", T)["result"], json!([]));
}

#[test]
fn unsupported_types_are_refused_before_the_body_is_read() {
    let server = server();
    for content_type in [
        "application/json",
        "image/png",
        "text/plain",
        "application/x-protobuf;proto=other.Message",
        "application/x-protobuf;foo",
    ] {
        let answer = server.post(
            "/api/v1/write",
            &[("content-type", content_type)],
            b"\0corrupt",
        );
        assert_eq!(answer.status, 415, "{content_type}");
        assert!(
            answer.body.contains("application/x-protobuf"),
            "{}",
            answer.body
        );
    }
    for encoding in ["gzip", "deflate", "identity"] {
        let headers = [V1_HEADERS[0], ("content-encoding", encoding)];
        assert_eq!(
            server.post("/api/v1/write", &headers, b"\0corrupt").status,
            415,
            "{encoding}"
        );
    }
    // Nothing of the declared body ever comes, and yet there is an answer.
    let request = "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\
                   Connection: close\r\n\r\n";
    assert!(server.raw(request.as_bytes()).starts_with("HTTP/1.1 415"));
}

#[test]
fn sizes_are_checked_before_memory_is_taken() {
    let server = Running::start_with(&[("remote-write.size-limit", "64KiB")]);
    for (body, status) in [
        ("ffffffff0f", 413),
        ("8080808004", 413),
        ("818004", 413),
        ("00", 204),
        ("", 400),
    ] {
        let answer = server.post("/api/v1/write", &V1_HEADERS, &hex(body));
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    let large = server.post("/api/v1/write", &V1_HEADERS, &vec![0; (64 << 10) + 1]);
    assert_eq!(large.status, 413);
    assert!(large.body.contains("65536"), "{}", large.body);
}

#[test]
fn undecodable_bodies_are_bad_requests_with_the_reason() {
    let server = server();
    let mut corrupt = hex(V1_A);
    corrupt[0] = b'0';
    let framed = b"\xff\x06\x00\x00sNaPpY".to_vec();
    for body in [corrupt, framed, compress(b"\xff\xff\xff"), vec![0xff; 20]] {
        let answer = server.post("/api/v1/write", &V1_HEADERS, &body);
        assert_eq!(answer.status, 400);
        assert!(
            answer.body.len() > 10 && answer.header("content-type").starts_with("text/plain"),
            "{}",
            answer.body
        );
    }
}

#[test]
fn bad_series_are_named_and_the_others_stored() {
    let server = Running::start();
    let now = now_ms();
    let raw = |labels: &[(&[u8], &[u8])]| Series {
        labels: labels
            .iter()
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .collect(),
        samples: vec![(now, 1.0)],
    };
    let body = v1_body(&[
        series(
            &[("__name__", "good"), ("b", "2"), ("a", "1"), ("empty", "")],
            now,
            1.0,
        ),
        series(&[("job", "nameless")], now, 1.0),
        series(&[("__name__", "empty_label"), ("", "x")], now, 1.0),
        series(&[("__name__", "twice"), ("a", "1"), ("a", "2")], now, 1.0),
        raw(&[(b"__name__", b"utf8"), (b"bad", b"\xff\xfe")]),
        series(&[("__name__", "too_old")], 1000, 1.0),
        series(&[("__name__", "from_tomorrow")], now + 86_400_000, 1.0),
        series(&[("__name__", "also_good")], now, 2.0),
    ]);
    let answer = server.post("/api/v1/write", &V1_HEADERS, &body);
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(
        answer.body.starts_with("6 samples refused, 2 stored\n"),
        "{}",
        answer.body
    );
    for (culprit, reason) in [
        ("nameless", "missing_metric_name"),
        ("empty_label", "empty_label_name"),
        ("twice", "duplicate_label_name"),
        ("utf8", "invalid_utf8"),
        ("too_old", "too_old"),
        ("from_tomorrow", "too_far_in_future"),
    ] {
        let mut lines = answer.body.lines();
        let line = lines.find(|line| line.contains(culprit)).unwrap_or("");
        assert!(
            line.contains(reason),
            "{culprit}, {reason}: {}",
            answer.body
        );
    }
    assert_eq!(
        server.query("good", now)["result"],
        json!([{"metric": {"__name__": "good", "a": "1", "b": "2"}, "value": [now / 1000, "1"]}])
    );
    assert_eq!(server.query("also_good", now)["result"][0]["value"][1], "2");
    assert_eq!(
        server.query("{__name__=~\".+\"}", now)["result"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_repeated_sample_changes_nothing_and_a_new_value_replaces_it() {
    let server = server();
    let body = |value| v1_body(&[series(&[("__name__", "x")], T, value)]);
    for value in [1.0, 1.0, 2.0] {
        assert_eq!(
            server
                .post("/api/v1/write", &V1_HEADERS, &body(value))
                .status,
            204
        );
    }
    assert_eq!(server.query("x", T)["result"][0]["value"][1], "2");
    assert_eq!(
        server.query("count_over_time(x[1h])", T)["result"][0]["value"][1],
        "1"
    );
    let earlier = v1_body(&[series(&[("__name__", "x")], T - 60_000, 9.0)]);
    assert_eq!(
        server.post("/api/v1/write", &V1_HEADERS, &earlier).status,
        204
    );
    assert_eq!(
        server.query("count_over_time(x[1h])", T)["result"][0]["value"][1],
        "2"
    );
}

#[test]
fn pages_in_a_browser_cannot_write() {
    let server = server();
    let headers = [
        ("origin", "http://evil.example"),
        V1_HEADERS[0],
        V1_HEADERS[1],
    ];
    assert_eq!(
        server.post("/api/v1/write", &headers, &hex(V1_A)).status,
        403
    );
    assert_eq!(server.query("up", T)["result"], json!([]));
}

#[test]
fn acknowledged_samples_outlive_a_restart() {
    let server = server();
    assert_eq!(
        server.post("/api/v1/write", &V1_HEADERS, &hex(V1_A)).status,
        204
    );
    let directory = server.stop();
    let server = Running::start_in(directory, &[("retention.time", "100y")]);
    assert_eq!(server.query("up", T)["result"][0]["value"][1], "1");
}

#[test]
fn many_senders_at_once_lose_nothing() {
    let server = server();
    std::thread::scope(|scope| {
        for sender in 0..8 {
            let server = &server;
            scope.spawn(move || {
                for sample in 0..20 {
                    let labels = [("__name__", "load"), ("sender", &sender.to_string())];
                    let body = v1_body(&[series(&labels, T + sample * 1000, sample as f64)]);
                    assert_eq!(server.post("/api/v1/write", &V1_HEADERS, &body).status, 204);
                }
            });
        }
    });
    let counts = server.query("sum(count_over_time(load[1m]))", T + 20_000);
    assert_eq!(counts["result"][0]["value"][1], "160");
}

#[test]
fn a_message_cut_short_anywhere_is_refused_or_smaller() {
    let server = server();
    let message = v1_message(&[series(&[("__name__", "cut"), ("job", "a")], T, 1.0)]);
    for end in 0..message.len() {
        let answer = server.post("/api/v1/write", &V1_HEADERS, &compress(&message[..end]));
        assert!(
            [204, 400].contains(&answer.status),
            "{end}: {}",
            answer.body
        );
    }
    assert_eq!(server.query("cut", T)["result"], json!([]));
    assert_eq!(
        server
            .post("/api/v1/write", &V1_HEADERS, &compress(&message))
            .status,
        204
    );
    assert_eq!(
        server.query("cut", T)["result"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn metadata_alone_is_taken_and_answered() {
    let server = server();
    let body = wire::v1_metadata_body(
        "http_requests_total",
        1,
        "Requests \"answered\".",
        "requests",
    );
    let says_nothing = wire::v1_metadata_body("http_requests_total", 0, "", "");
    for body in [body, says_nothing] {
        assert_eq!(server.post("/api/v1/write", &V1_HEADERS, &body).status, 204);
        assert_eq!(
            server.get("/api/v1/metadata").data(),
            json!({"http_requests_total": [{"type": "counter", "help": "Requests \"answered\".", "unit": "requests"}]})
        );
    }
    assert_eq!(
        server.get("/api/v1/metadata?metric=unheard_of").data(),
        json!({})
    );
    assert_eq!(server.get("/api/v1/metadata?limit=0").data(), json!({}));
    let (kind, text) = server.get("/api/v1/metadata?limit=x").error();
    assert_eq!(
        (kind.as_str(), text.as_str()),
        ("bad_data", "limit must be a number")
    );
}

#[test]
fn a_full_disk_asks_senders_to_come_back_and_answers_queries() {
    let server = Running::start_with(&[("storage.min-free", "1000TiB")]);
    let now = now_ms();
    let v1 = v1_body(&[series(&[("__name__", "x")], now, 1.0)]);
    let v2 = v2_body(&[Entry::named("y").sample(now, 2.0)]);
    let requests = [(&V1_HEADERS, &v1), (&V2_HEADERS, &v2)];
    for (headers, body) in requests {
        let answer = server.post("/api/v1/write", headers, body);
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, "5"),
            "{}",
            answer.body
        );
    }
    assert_eq!(
        server.query("{__name__=~\"x|y\"}", now)["result"],
        json!([])
    );
    assert!(
        server
            .get("/metrics")
            .body
            .contains("chronoxide_out_of_space 1")
    );
    assert_eq!(server.get("/-/ready").status, 200);
    // With room again, the same requests are taken.
    let server = Running::start_in(server.stop(), &[]);
    for (headers, body) in requests {
        let answer = server.post("/api/v1/write", headers, body);
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
    assert_eq!(
        server.query("x + on() y", now)["result"][0]["value"][1],
        "3"
    );
}

#[test]
fn new_series_beyond_the_limit_are_refused_and_known_ones_go_on() {
    let server = Running::start_with(&[("series.limit", "1")]);
    let now = now_ms();
    server.write(&[series(&[("__name__", "known")], now, 1.0)]);
    let body = v1_body(&[
        series(&[("__name__", "known")], now + 1000, 2.0),
        series(&[("__name__", "one_too_many")], now, 1.0),
    ]);
    let answer = server.post("/api/v1/write", &V1_HEADERS, &body);
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.contains("one_too_many: series_limit") && answer.body.contains("1 stored"),
        "{}",
        answer.body
    );
    assert_eq!(
        server.query("known", now + 1000)["result"][0]["value"][1],
        "2"
    );
}

#[test]
fn zstd_bodies_are_read_as_vmagent_sends_them() {
    let server = Running::start_with(&[("remote-write.size-limit", "64KiB")]);
    let now = now_ms();
    let headers = [
        V1_HEADERS[0],
        ("content-encoding", "zstd"),
        ("x-victoriametrics-remote-write-version", "1"),
    ];
    let message = v1_message(&[series(&[("__name__", "up"), ("job", "a")], now, 1.0)]);
    let zstd = |bytes: &[u8]| zstd::bulk::compress(bytes, 1).unwrap();
    let answer = server.post("/api/v1/write", &headers, &zstd(&message));
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(server.query("up", now)["result"][0]["value"][1], "1");
    let bomb = server.post("/api/v1/write", &headers, &zstd(&vec![0; 1 << 20]));
    assert_eq!(bomb.status, 413, "{}", bomb.body);
    // An agent that finds 400 for zstd sends the same in snappy.
    let foreign = server.post("/api/v1/write", &headers, &compress(&message));
    assert_eq!(foreign.status, 400, "{}", foreign.body);
}
