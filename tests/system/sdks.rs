//! Services measured by OpenTelemetry's own SDKs, queried by the names that a Prometheus user expects.

use std::thread;

use chronoxide_tests::{Answer, Sdk, Server, query};
use opentelemetry_sdk::metrics::Temporality;

use crate::rust_sdk::{self, Transport};

/// The ways of the Rust SDK, each with the instance it says it is.
const RUST: [(Transport, Temporality, &str); 4] = [
    (
        Transport::Grpc,
        Temporality::Cumulative,
        "rust-grpc-cumulative",
    ),
    (Transport::Grpc, Temporality::Delta, "rust-grpc-delta"),
    (
        Transport::Http,
        Temporality::Cumulative,
        "rust-http-cumulative",
    ),
    (Transport::Http, Temporality::Delta, "rust-http-delta"),
];

/// What an SDK sends, and what it is called here.
struct Sender {
    sdk: Sdk,
    arguments: Vec<String>,
    instance: String,
}

/// Every way to send that is at hand, and the reasons why others are not.
fn senders(server: &str) -> (Vec<Sender>, Vec<String>) {
    let (mut senders, mut missing) = (Vec::new(), Vec::new());
    for temporality in ["cumulative", "delta"] {
        for (name, sdk, protocol) in [
            ("python-grpc", Sdk::python(), Some("grpc")),
            ("python-http", Sdk::python(), Some("http")),
            ("node-json", Sdk::node(), None),
        ] {
            let instance = format!("{name}-{temporality}");
            let arguments = [protocol, Some(server), Some(temporality), Some(&instance)];
            match sdk {
                Ok(sdk) => senders.push(Sender {
                    sdk,
                    arguments: arguments.into_iter().flatten().map(str::to_owned).collect(),
                    instance,
                }),
                Err(reason) => missing.push(format!("{instance}: {reason}")),
            }
        }
    }
    (senders, missing)
}

fn number(server: &Server, text: &str) -> Option<f64> {
    query(&server.url(), text).unwrap().single()
}

/// Demands what two rounds of the service's measurements come to.
fn assert_measured(server: &Server, instance: &str) {
    let identity = format!(r#"job="shop/checkout",instance="{instance}""#);
    let route = format!(r#"{identity},http_route="/cart",http_response_status_code="200""#);
    for (text, expected) in [
        (format!("http_server_requests_total{{{route}}}"), 16.0),
        (format!("queue_length{{{identity}}}"), 6.0),
        (format!("cpu_utilization_ratio{{{identity}}}"), 0.25),
        (
            format!("http_server_request_duration_seconds_count{{{route}}}"),
            8.0,
        ),
        (
            format!(r#"http_server_request_duration_seconds_bucket{{{route},le="0.1"}}"#),
            2.0,
        ),
        (
            format!(r#"http_server_request_duration_seconds_bucket{{{route},le="10"}}"#),
            6.0,
        ),
        (
            format!(r#"http_server_request_duration_seconds_bucket{{{route},le="+Inf"}}"#),
            8.0,
        ),
        (
            format!("histogram_count(payload_size_bytes{{{identity}}})"),
            200.0,
        ),
        (
            format!("histogram_sum(payload_size_bytes{{{identity}}})"),
            10_100.0,
        ),
        (
            format!(r#"target_info{{{identity},host_arch="amd64",service_version="1.2.3"}}"#),
            1.0,
        ),
        (
            format!(
                r#"count(queue_length{{{identity},service_name="checkout",service_version="1.2.3"}})"#
            ),
            1.0,
        ),
    ] {
        assert_eq!(number(server, &text), Some(expected), "{text}");
    }
    let sum = number(
        server,
        &format!("http_server_request_duration_seconds_sum{{{route}}}"),
    );
    assert!(
        sum.is_some_and(|sum| (sum - 111.1).abs() < 1e-9),
        "{instance}: {sum:?}"
    );
    // Half of the sizes from 1 to 100 are below 50; buckets this narrow cannot be far off.
    let median = format!("histogram_quantile(0.5, payload_size_bytes{{{identity}}})");
    let median = number(server, &median);
    assert!(
        median.is_some_and(|median| (median - 50.0).abs() < 2.0),
        "{instance}: {median:?}"
    );
    let growth = format!("increase(http_server_requests_total{{{route}}}[5m])");
    let growth = number(server, &growth);
    assert!(
        growth.is_some_and(|growth| growth >= 8.0),
        "{instance}: {growth:?}"
    );
}

/// Demands the exemplars of both rounds on the counter and on each bucket: what was measured, and the span it was in.
fn assert_exemplars(server: &Server, instance: &str) {
    let now = number(server, "time()").unwrap();
    let (start, end) = ((now - 600.0).to_string(), (now + 60.0).to_string());
    let url = format!("{}/api/v1/query_exemplars", server.url());
    let bucket = "http_server_request_duration_seconds_bucket";
    for (metric, le, values) in [
        ("http_server_requests_total", None, &["3", "5"][..]),
        (bucket, Some("0.1"), &["0.05"]),
        (bucket, Some("1"), &["0.5"]),
        (bucket, Some("10"), &["5"]),
        (bucket, Some("+Inf"), &["50"]),
    ] {
        let le = le.map_or(String::new(), |le| format!(r#",le="{le}""#));
        let selector = format!(r#"{metric}{{instance="{instance}"{le}}}"#);
        let parameters = [("query", &*selector), ("start", &start), ("end", &end)];
        let answer = Answer::get(&url, &parameters).unwrap();
        let series = answer.body["data"].as_array().unwrap();
        let [series] = &series[..] else {
            panic!("{selector} has exemplars on one series: {}", answer.text);
        };
        assert_eq!(series["seriesLabels"]["__name__"], metric);
        let exemplars = series["exemplars"].as_array().unwrap();
        let spans: Vec<_> = exemplars
            .iter()
            .map(|exemplar| exemplar["labels"].clone())
            .collect();
        let span = |number: &str| serde_json::json!({"trace_id": number.repeat(16), "span_id": number.repeat(8)});
        assert_eq!(spans, [span("01"), span("02")], "{selector}");
        for exemplar in exemplars {
            let value = exemplar["value"].as_str().unwrap();
            assert!(values.contains(&value), "{selector}: {value}");
        }
    }
}

#[test]
fn services_are_found_by_their_prometheus_names() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let (senders, missing) = senders(&server.url());
    for reason in &missing {
        println!("skipped: {reason}");
    }
    let url = server.url();
    thread::scope(|scope| {
        for sender in &senders {
            scope.spawn(|| {
                let arguments: Vec<_> = sender.arguments.iter().map(String::as_str).collect();
                sender.sdk.run(&arguments);
            });
        }
        for (transport, temporality, instance) in RUST {
            let url = &url;
            scope.spawn(move || rust_sdk::run(transport, url, temporality, instance));
        }
    });
    for sender in &senders {
        assert_measured(&server, &sender.instance);
        // The SDKs of Node and Rust make none.
        if sender.instance.starts_with("python") {
            assert_exemplars(&server, &sender.instance);
        }
    }
    for (_, _, instance) in RUST {
        assert_measured(&server, instance);
    }
    let url = format!("{}/api/v1/metadata", server.url());
    let metadata = Answer::get(&url, &[]).unwrap().body;
    for (metric, kind, help) in [
        ("http_server_requests_total", "counter", "Requests served."),
        ("queue_length", "gauge", "Items that wait."),
        ("payload_size_bytes", "histogram", ""),
    ] {
        let described = &metadata["data"][metric][0];
        assert_eq!(
            (&described["type"], &described["help"]),
            (&kind.into(), &help.into()),
            "{metric}"
        );
    }
}
