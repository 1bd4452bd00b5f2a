//! When counters began, as remote write 2.0 says it: kept with each sample and read back.

use serde_json::{Value, json};

use crate::bounds::assert_metric;
use crate::compliance::{HOUR_MS, accepted, basic, value};
use crate::running::{Running, escaped, now_ms};
use crate::wire_v2::{Entry, float_histogram, started};

/// Seconds as PromQL shows them.
fn seconds(time_ms: i64) -> Value {
    json!((time_ms / 1000).to_string())
}

fn start(server: &Running, name: &str, time_ms: i64) -> Value {
    value(server, &format!("start_timestamp({name})"), time_ms)
}

#[test]
fn start_times_come_back_with_each_sample_after_a_restart_too() {
    let now = now_ms();
    let began = now - HOUR_MS;
    let mut server = Running::start();
    let entries = [
        // The counter began anew between its two samples.
        Entry::named("requests_total")
            .started(now - 60_000, 7.0, began)
            .started(now, 3.0, now - 30_000),
        Entry::named("unknown_total").sample(now, 1.0),
        Entry::named("ints").histogram(started(basic(now), began)),
        Entry::named("floats").histogram(started(float_histogram(now, 1.0, &[1.0]), began)),
    ];
    accepted(&server, &entries, [3, 2, 0]);
    for round in ["head", "part"] {
        let expected = [
            ("requests_total", now - 1000, began),
            ("requests_total", now, now - 30_000),
            ("unknown_total", now, 0),
            ("ints", now, began),
            ("floats", now, began),
        ];
        for (name, at_ms, start_ms) in expected {
            let found = start(&server, name, at_ms);
            assert_eq!(found, seconds(start_ms), "{round}: {name} at {at_ms}");
        }
        let export = server.get(&format!(
            "/api/v1/export?match[]={}",
            escaped("requests_total")
        ));
        let line: Value = serde_json::from_str(export.body.trim()).unwrap();
        assert_eq!(line["start_timestamps"], json!([began, now - 30_000]));
        server = Running::start_in(server.stop(), &[]);
    }
}

#[test]
fn start_times_after_their_sample_are_left_out_and_counted() {
    let (server, now) = (Running::start(), now_ms());
    let entries = [
        Entry::named("x_total").started(now, 1.0, now + 1),
        Entry::named("h").histogram(started(basic(now), now + 1)),
        Entry::named("at_once_total").started(now, 1.0, now),
    ];
    let answer = server.post(
        "/api/v1/write",
        &crate::wire::V2_HEADERS,
        &crate::wire_v2::v2_body(&entries),
    );
    assert_eq!(answer.status, 204, "{}", answer.body);
    for (name, start_ms) in [("x_total", 0), ("h", 0), ("at_once_total", now)] {
        assert_eq!(start(&server, name, now), seconds(start_ms), "{name}");
    }
    assert_metric(
        &server,
        "chronoxide_ingest_rejected_start_times_total{protocol=\"remote_write\",reason=\"after_sample\"} 2",
    );
}
