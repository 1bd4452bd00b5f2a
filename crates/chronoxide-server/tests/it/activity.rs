//! What happened lately, as the server's own page asks for it.

use serde_json::json;

use crate::deltas;
use crate::running::{Running, escaped, now_ms};
use crate::wire::{V1_HEADERS, series, v1_body};

#[test]
fn refused_samples_are_listed_with_their_reason() {
    let server = Running::start();
    assert_eq!(server.get("/api/v1/status/rejections").data(), json!([]));
    for _ in 0..2 {
        let old = series(&[("__name__", "late"), ("job", "x")], 1_000_000, 1.0);
        server.post("/api/v1/write", &V1_HEADERS, &v1_body(&[old]));
    }
    let data = server.get("/api/v1/status/rejections").data();
    assert_eq!(data.as_array().unwrap().len(), 1, "{data}");
    assert_eq!(data[0]["reason"], "too_old");
    assert_eq!(data[0]["samples"], 2);
    assert_eq!(data[0]["protocol"], "remote_write");
    assert!(
        data[0]["series"].as_str().unwrap().contains("late"),
        "{data}"
    );
    assert!(!data[0]["detail"].as_str().unwrap().is_empty());
    assert!(data[0]["time"].as_f64().unwrap() * 1000.0 >= now_ms() as f64 - 60_000.0);
}

#[test]
fn refused_data_points_are_listed_by_their_metric() {
    let server = Running::start();
    let (start, end) = (now_ms() - 3000, now_ms() - 1000);
    for (end, value) in [(end, 5), (end - 1000, 1), (end - 1000, 1)] {
        deltas::send(&server, start, end, value);
    }
    let data = server.get("/api/v1/status/rejections").data();
    assert_eq!(data.as_array().unwrap().len(), 1, "{data}");
    assert_eq!(data[0]["reason"], "delta_out_of_order");
    assert_eq!(data[0]["samples"], 2);
    assert_eq!(data[0]["protocol"], "otlp");
    assert_eq!(data[0]["series"], "jobs");
    let detail = data[0]["detail"].as_str().unwrap();
    assert!(detail.contains("has come to"), "{detail}");
}

#[test]
fn queries_are_listed_with_what_they_read_or_why_they_failed() {
    let server = Running::start();
    let now = now_ms();
    let labelled = |n| series(&[("__name__", "a"), ("n", n)], now, 1.0);
    server.write(&[labelled("1"), labelled("2")]);
    server.query("a + 0", now);
    let (start, end) = (now / 1000 - 60, now / 1000);
    server
        .get(&format!(
            "/api/v1/query_range?query=a&start={start}&end={end}&step=15"
        ))
        .data();
    let many_to_many = "a * on() a";
    let failed = server.get(&format!("/api/v1/query?query={}", escaped(many_to_many)));
    assert_eq!(failed.status, 422, "{}", failed.body);
    let data = server.get("/api/v1/status/slow_queries").data();
    let list = data.as_array().unwrap();
    let of = |text: &str| list.iter().find(|query| query["query"] == text).unwrap();
    assert_eq!(of("a + 0")["kind"], "instant");
    assert_eq!(of("a + 0")["samples"], 2);
    assert_eq!(
        (&of("a")["kind"], &of("a")["step"]),
        (&json!("range"), &json!(15))
    );
    assert_eq!(of("a")["start"], start);
    assert!(of("a")["durationMs"].is_u64() && of("a")["queueMs"].is_u64());
    let reason = of(many_to_many)["error"].as_str().unwrap();
    assert!(reason.contains("matching"), "{reason}");
}

#[test]
fn partitions_are_weeks_with_their_bytes_and_samples_when_retention_is_long() {
    let settings = [("retention.time", "100y")];
    let server = Running::start_with(&settings);
    assert_eq!(server.get("/api/v1/status/partitions").data(), json!([]));
    let day_ms = 86_400_000;
    let samples = [10, 20].map(|day| series(&[("__name__", "a")], day * day_ms + 5, 1.0));
    server.write(&samples);
    // Closing flushes.
    let server = Running::start_in(server.stop(), &settings);
    let data = server.get("/api/v1/status/partitions").data();
    assert_eq!(data.as_array().unwrap().len(), 2, "{data}");
    // The Mondays before these days.
    for (partition, monday) in data.as_array().unwrap().iter().zip([4, 18]) {
        assert_eq!(partition["start"], monday * 86_400);
        assert_eq!(partition["end"], f64::from(monday + 7) * 86_400.0 - 0.001);
        assert_eq!(
            (&partition["parts"], &partition["samples"]),
            (&json!(1), &json!(1))
        );
        assert!(partition["bytes"].as_u64().unwrap() > 0);
    }
}

#[test]
fn the_memory_budget_stands_where_clients_look_for_it() {
    let server = Running::start_with(&[("memory.limit", "512MiB")]);
    let data = server.get("/api/v1/status/runtimeinfo").data();
    assert_eq!(data["GOMEMLIMIT"], 512 << 20);
}
