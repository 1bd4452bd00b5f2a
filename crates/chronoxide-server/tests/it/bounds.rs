//! What bounds a remote write: each limit, what is answered at it, and what is counted.

use crate::running::{Running, now_ms};
use crate::wire::{V1_HEADERS, compress, series, v1_body};
use crate::wire_v2::push_bytes;

pub(crate) fn assert_metric(server: &Running, line: &str) {
    let metrics = server.get("/metrics").body;
    assert!(
        metrics.lines().any(|found| found == line),
        "{line}\n{metrics}"
    );
}

#[test]
fn labels_over_a_limit_are_refused_by_name_and_counted() {
    let server = Running::start_with(&[
        ("ingest.labels-limit", "4"),
        ("ingest.label-name-limit", "16B"),
        ("ingest.label-value-limit", "32B"),
        ("ingest.labels-size-limit", "64B"),
    ]);
    let now = now_ms();
    let (long_name, long_value) = ("n".repeat(17), "v".repeat(33));
    let medium = "m".repeat(30);
    let body = v1_body(&[
        series(&[("__name__", "good"), ("job", "a")], now, 1.0),
        series(
            &[
                ("__name__", "many"),
                ("a", "1"),
                ("b", "1"),
                ("c", "1"),
                ("d", "1"),
            ],
            now,
            1.0,
        ),
        series(&[("__name__", "named"), (&long_name, "1")], now, 1.0),
        series(&[("__name__", "valued"), ("a", &long_value)], now, 1.0),
        series(
            &[("__name__", "summed"), ("a", &medium), ("b", &medium)],
            now,
            1.0,
        ),
    ]);
    let answer = server.post("/api/v1/write", &V1_HEADERS, &body);
    assert_eq!(answer.status, 400);
    for (name, reason) in [
        ("many", "too_many_labels"),
        ("named", "label_name_too_long"),
        ("valued", "label_value_too_long"),
        ("summed", "labels_too_long"),
    ] {
        let told =
            |line: &str| line.starts_with(name) && line.contains(reason) && line.contains("limit");
        assert!(answer.body.lines().any(told), "{name}: {}", answer.body);
        assert_metric(
            &server,
            &format!(
                "chronoxide_ingest_rejected_samples_total{{protocol=\"remote_write\",reason=\"{reason}\"}} 1"
            ),
        );
    }
    assert_eq!(server.query("good", now)["result"][0]["value"][1], "1");
    assert_metric(
        &server,
        "chronoxide_ingest_samples_total{protocol=\"remote_write\"} 1",
    );
}

#[test]
fn how_far_in_the_future_samples_may_lie_is_a_setting() {
    let server = Running::start_with(&[("ingest.future-limit", "2h")]);
    let now = now_ms();
    server.write(&[series(&[("__name__", "soon")], now + 3_600_000, 1.0)]);
    let late = v1_body(&[series(&[("__name__", "late")], now + 3 * 3_600_000, 1.0)]);
    let answer = server.post("/api/v1/write", &V1_HEADERS, &late);
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("too_far_in_future"), "{}", answer.body);
    // A sample of the future does not move the window for those of today.
    server.write(&[series(&[("__name__", "soon")], now, 1.0)]);
}

#[test]
fn requests_that_stand_for_far_more_than_their_bytes_are_refused() {
    let server = Running::start_with(&[("remote-write.size-limit", "1MiB")]);
    // A series with half a million empty histograms.
    let mut message = Vec::new();
    push_bytes(&mut message, 1, &[0x22, 0].repeat(500_000));
    let answer = server.post("/api/v1/write", &V1_HEADERS, &compress(&message));
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert!(answer.body.contains("memory"), "{}", answer.body);
    assert_metric(&server, "chronoxide_memory_used_bytes{user=\"requests\"} 0");
    let line = "chronoxide_ingest_requests_total{protocol=\"remote_write\",format=\"1.0\",result=\"unread\"} 1";
    assert_metric(&server, line);
}

#[test]
fn other_methods_are_refused_with_the_one_that_is_allowed() {
    let server = Running::start();
    for path in crate::remote_write::PATHS {
        let answer = server.get(path);
        let told = (answer.status, answer.header("allow"));
        assert_eq!(told, (405, "POST"), "{path}");
        assert_eq!(server.put_form(path, "").status, 405, "{path}");
    }
}

#[test]
fn agents_that_ask_how_to_send_are_told() {
    let server = Running::start();
    let answer = server.post("/api/v1/write?get_vm_proto_version=1", &[], b"");
    assert_eq!((answer.status, answer.body.as_str()), (200, "1"));
}

#[test]
fn otlp_requests_that_stand_for_far_more_than_their_bytes_are_refused() {
    let server = Running::start_with(&[("otlp.size-limit", "1MiB")]);
    let json = [("content-type", "application/json")];
    let request = |metric: &str| {
        format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{metric}]}}]}}]}}"#)
    };
    let points = vec!["{}"; 300_000].join(",");
    let empties = request(&format!(
        r#"{{"name":"e","exponentialHistogram":{{"dataPoints":[{points}]}}}}"#
    ));
    let answer = server.post("/v1/metrics", &json, empties.as_bytes());
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert!(answer.body.contains("memory"), "{}", answer.body);
    assert_metric(&server, "chronoxide_memory_used_bytes{user=\"requests\"} 0");
    // One long name for many points is refused once, and takes nothing.
    let time = now_ms() * 1_000_000;
    let point = format!(r#"{{"timeUnixNano":"{time}","asInt":"1"}}"#);
    let points = vec![point; 290].join(",");
    let long = request(&format!(
        r#"{{"name":"{}","gauge":{{"dataPoints":[{points}]}}}}"#,
        "n".repeat(900_000)
    ));
    let answer = server.post("/v1/metrics", &json, long.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["partialSuccess"]["rejectedDataPoints"], "290");
    assert!(
        answer.body.contains("label_value_too_long"),
        "{}",
        answer.body
    );
    let line = "chronoxide_ingest_rejected_samples_total{protocol=\"otlp\",reason=\"label_value_too_long\"} 290";
    assert_metric(&server, line);
    let line =
        "chronoxide_ingest_requests_total{protocol=\"otlp\",format=\"json\",result=\"unread\"} 1";
    assert_metric(&server, line);
}
