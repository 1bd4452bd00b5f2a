//! Delta streams across restarts and crashes: totals go on where they were.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::bounds::assert_metric;
use crate::running::{Answer, Running, now_ms};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// Sends what a counter came to between two times.
pub(crate) fn send(server: &Running, start_ms: i64, end_ms: i64, value: i64) -> Answer {
    let point = json!({
        "startTimeUnixNano": (start_ms * 1_000_000).to_string(),
        "timeUnixNano": (end_ms * 1_000_000).to_string(),
        "asInt": value,
    });
    let sum = json!({"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [point]});
    let body = json!({"resourceMetrics": [{
        "scopeMetrics": [{"scope": {"name": "test"}, "metrics": [{"name": "jobs", "sum": sum}]}],
    }]});
    server.post("/v1/metrics", &JSON, body.to_string().as_bytes())
}

fn total(server: &Running, time_ms: i64) -> String {
    let data = server.query("jobs_total", time_ms);
    let value = data["result"][0]["value"][1].as_str();
    value.expect("the counter is there").to_owned()
}

/// What the directory holds at this moment, as after the end of a process that had no time to close anything.
fn copied(from: &Path) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }
    let directory = tempfile::tempdir().unwrap();
    copy(&from.join("data"), &directory.path().join("data"));
    directory
}

#[test]
fn totals_go_on_after_a_crash_and_after_a_restart() {
    let now = now_ms();
    let at = |seconds: i64| now - 60_000 + seconds * 1000;
    let server = Running::start();
    for second in 0..20 {
        assert_eq!(send(&server, at(second), at(second + 1), 5).body, "{}");
    }
    let crashed = Running::start_in(copied(server.directory()), &[]);
    let stopped = Running::start_in(server.stop(), &[]);
    for server in [crashed, stopped] {
        assert_eq!(total(&server, at(20)), "100");
        for second in 20..40 {
            assert_eq!(send(&server, at(second), at(second + 1), 5).body, "{}");
        }
        assert_eq!(total(&server, at(40)), "200");
        // One more, to be sure that what was stored after a restart is found after the next.
        let server = Running::start_in(server.stop(), &[]);
        assert_eq!(send(&server, at(40), at(41), 5).body, "{}");
        let value = |text: &str| {
            let data = server.query(text, at(41));
            data["result"][0]["value"][1].as_str().map(str::to_owned)
        };
        assert_eq!(value("resets(jobs_total[50s])").as_deref(), Some("0"));
        let rise = value("max_over_time(jobs_total[50s]) - min_over_time(jobs_total[50s])");
        assert_eq!(rise.as_deref(), Some("200"));
        assert_eq!(total(&server, at(41)), "205");
    }
}

#[test]
fn a_delta_from_before_a_restart_is_out_of_order_after_it() {
    let now = now_ms();
    let server = Running::start();
    assert_eq!(send(&server, now - 3000, now - 1000, 5).body, "{}");
    let server = Running::start_in(server.stop(), &[]);
    let answer = send(&server, now - 3000, now - 2000, 5);
    assert_eq!(answer.json()["partialSuccess"]["rejectedDataPoints"], "1");
    assert_eq!(total(&server, now), "5");
}

#[test]
fn a_server_whose_saved_totals_are_damaged_starts_and_counts_from_zero() {
    let now = now_ms();
    let server = Running::start();
    assert_eq!(send(&server, now - 3000, now - 2000, 5).body, "{}");
    let directory = server.stop();
    let state = directory.path().join("data/STATE");
    let mut bytes = fs::read(&state).unwrap();
    let checkpoint = bytes.windows(8).position(|part| part == b"CXDELTA1");
    bytes[checkpoint.unwrap()] ^= 1;
    fs::write(&state, bytes).unwrap();
    let server = Running::start_in(directory, &[]);
    assert_eq!(send(&server, now - 2000, now - 1000, 7).body, "{}");
    assert_eq!(total(&server, now), "7");
}

/// Each of several clients adds to a counter of its own, and all resend a delta of one that they share: requests are in
/// flight together, and no delta is lost or counted twice.
#[test]
fn concurrent_deltas_add_up_and_survive_a_crash() {
    const CLIENTS: i64 = 8;
    const STEPS: i64 = 12;
    let base = now_ms() - 60_000;
    let at = |step: i64| base + step * 1000;
    let body = |client: &str, step: i64, value: i64| {
        let point = json!({
            "startTimeUnixNano": (at(step) * 1_000_000).to_string(),
            "timeUnixNano": (at(step + 1) * 1_000_000).to_string(),
            "asInt": value,
            "attributes": [{"key": "client", "value": {"stringValue": client}}],
        });
        let sum = json!({"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [point]});
        json!({"resourceMetrics": [{
            "scopeMetrics": [{"scope": {"name": "test"}, "metrics": [{"name": "jobs", "sum": sum}]}],
        }]})
        .to_string()
    };
    let server = Running::start();
    let (taken, total) = (AtomicI64::new(0), AtomicI64::new(0));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (server, body, taken, total) = (&server, &body, &taken, &total);
            scope.spawn(move || {
                for step in 0..STEPS {
                    let own = body(&client.to_string(), step, 5);
                    let answer = server.post("/v1/metrics", &JSON, own.as_bytes());
                    assert_eq!(answer.body, "{}", "client {client}, step {step}");
                    // Each with a value of its own: the same delta once more would be taken as the repeat it is.
                    let shared = body("shared", step, 100 + client);
                    let answer = server.post("/v1/metrics", &JSON, shared.as_bytes());
                    assert_eq!(answer.status, 200);
                    if answer.body == "{}" {
                        taken.fetch_add(1, Ordering::Relaxed);
                        total.fetch_add(100 + client, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (taken, shared_total) = (taken.into_inner(), total.into_inner());
    assert!((1..=STEPS).contains(&taken), "{taken}");
    let end = at(STEPS);
    let crashed = Running::start_in(copied(server.directory()), &[]);
    for server in [server, crashed] {
        let value = |query: &str| {
            let data = server.query(query, end);
            data["result"][0]["value"][1].as_str().map(str::to_owned)
        };
        let own = format!("count(jobs_total{{client!=\"shared\"}} == {})", STEPS * 5);
        assert_eq!(value(&own), Some(CLIENTS.to_string()));
        assert_eq!(
            value("jobs_total{client=\"shared\"}"),
            Some(shared_total.to_string())
        );
        // The totals in memory are those that are stored.
        let next = server.post("/v1/metrics", &JSON, body("shared", STEPS, 5).as_bytes());
        assert_eq!(next.body, "{}");
        let data = server.query("jobs_total{client=\"shared\"}", at(STEPS + 1));
        let total = data["result"][0]["value"][1].as_str();
        assert_eq!(total, Some((shared_total + 5).to_string().as_str()));
    }
}

#[test]
fn a_delta_that_is_not_stored_does_not_count_even_after_a_crash() {
    let now = now_ms();
    let server = Running::start();
    for end_ms in [now + 3_600_000, now - 40 * 24 * 3_600_000] {
        let answer = send(&server, end_ms - 1000, end_ms, 1000);
        assert_eq!(answer.json()["partialSuccess"]["rejectedDataPoints"], "1");
    }
    assert_eq!(send(&server, now - 3000, now - 2000, 3).body, "{}");
    assert_eq!(total(&server, now), "3");
    let crashed = Running::start_in(copied(server.directory()), &[]);
    assert_eq!(send(&crashed, now - 2000, now - 1000, 4).body, "{}");
    assert_eq!(total(&crashed, now), "7");
}

#[test]
fn a_delta_sent_again_is_taken_as_the_repeat_it_is() {
    let now = now_ms();
    let server = Running::start();
    assert_eq!(send(&server, now - 3000, now - 2000, 3).body, "{}");
    let server = Running::start_in(server.stop(), &[]);
    assert_eq!(send(&server, now - 3000, now - 2000, 3).body, "{}");
    let other = send(&server, now - 3000, now - 2000, 4);
    assert_eq!(other.json()["partialSuccess"]["rejectedDataPoints"], "1");
    assert_eq!(total(&server, now), "3");
}

#[test]
fn a_full_table_forgets_idle_streams_for_new_ones() {
    let now = now_ms();
    let settings = [
        ("otlp.delta-streams-limit", "1"),
        ("otlp.delta-idle", "1ms"),
    ];
    let server = Running::start_with(&settings);
    let send = |name: &str, end_ms: i64| {
        let point = json!({"timeUnixNano": (end_ms * 1_000_000).to_string(), "asInt": 1});
        let sum = json!({"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [point]});
        let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": name, "sum": sum}]}]}]});
        server.post("/v1/metrics", &JSON, body.to_string().as_bytes())
    };
    assert_eq!(send("first", now).body, "{}");
    // The table is looked over once a second at most.
    let deadline = Instant::now() + Duration::from_secs(60);
    while send("second", now).body != "{}" {
        assert!(Instant::now() < deadline, "the table stays full");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_metric(&server, "chronoxide_otlp_delta_streams 1");
    assert_metric(&server, "chronoxide_otlp_delta_streams_limit 1");
    assert_metric(&server, "chronoxide_otlp_delta_streams_evicted_total 1");
}
