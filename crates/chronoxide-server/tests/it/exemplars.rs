//! What the compliance suite sends with exemplars, and what else brings them: exact counts, read back.

use serde_json::json;

use crate::bounds::assert_metric;
use crate::compliance::{HOUR_MS, accepted, basic, custom, refused, up_named, value};
use crate::running::{Running, escaped, now_ms};
use crate::wire::{V1_HEADERS, V2_HEADERS};
use crate::wire_v2::{Entry, v2_body};

#[test]
fn exemplars_of_every_shape_are_counted() {
    let (server, now) = (Running::start(), now_ms());
    for (index, labels) in [
        &[("trace_id", "abc")][..],
        &[("trace_id", "abc"), ("span_id", "1")],
        &[("user_id", "u")],
        &[("trace_id", "abc"), ("a", "1"), ("b", "2")],
        &[],
        &[("trace-id", "a-b.c_d"), ("x.y", "z")],
        &[("😀", "smile"), ("trace_id", "追跡")],
    ]
    .iter()
    .enumerate()
    {
        let name = format!("exemplified_{index}_total");
        let entry = Entry::named(&name)
            .sample(now, 1.0)
            .exemplar(labels, now, 0.5);
        accepted(&server, &[entry], [1, 0, 1]);
    }
    let series = ["a", "b", "c"].map(|name| {
        let entry = Entry::named(name).sample(now, 1.0);
        entry.exemplar(&[("trace_id", name)], now, 1.0)
    });
    accepted(&server, &series, [3, 0, 3]);
    let created = Entry::named("created_total")
        .sample(now, 1.0)
        .created(now - 2 * HOUR_MS);
    accepted(
        &server,
        &[created.exemplar(&[("trace_id", "t")], now, 1.0)],
        [1, 0, 1],
    );
    assert_eq!(
        value(&server, "count({__name__=~\"exemplified.*\"})", now),
        "7"
    );
    let path = format!(
        "/api/v1/query_exemplars?query={}&start=0&end={}",
        escaped("{__name__=~\".+_total|a|b|c\"}"),
        now / 1000 + 60
    );
    let stored = server.get(&path).data();
    assert_eq!(stored.as_array().unwrap().len(), 11, "{stored}");
    for series in stored.as_array().unwrap() {
        // Sent twice, stored once.
        assert_eq!(series["exemplars"].as_array().unwrap().len(), 1, "{series}");
    }
    let by_name = |name: &str| {
        let mut all = stored.as_array().unwrap().iter();
        let found = all.find(|series| series["seriesLabels"]["__name__"] == name);
        found.unwrap()["exemplars"][0].clone()
    };
    assert_eq!(
        by_name("exemplified_6_total"),
        json!({"labels": {"😀": "smile", "trace_id": "追跡"}, "value": "0.5", "timestamp": now / 1000})
    );
    assert_eq!(by_name("exemplified_4_total")["labels"], json!({}));
}

#[test]
fn exemplars_and_samples_may_come_out_of_order_and_again() {
    let (server, now) = (Running::start(), now_ms());
    let times = [now - HOUR_MS, now - 60_000, now];
    let entries = times.map(|time| {
        let entry = Entry::named("timed_total").sample(time, 1.0);
        entry.exemplar(&[("trace_id", &time.to_string())], time, 1.0)
    });
    accepted(&server, &entries, [3, 0, 3]);
    assert_eq!(value(&server, "count_over_time(timed_total[2h])", now), "3");
    let mixed = [
        Entry::named("early").sample(now - HOUR_MS, 1.0).exemplar(
            &[("t", "1")],
            now - HOUR_MS / 2,
            1.0,
        ),
        Entry::named("late").sample(now, 1.0),
    ];
    accepted(&server, &mixed, [2, 0, 1]);
}

#[test]
fn exemplars_do_not_save_series_without_a_name() {
    let (server, now) = (Running::start(), now_ms());
    let exemplified = |entry: Entry| entry.sample(now, 1.0).exemplar(&[("t", "1")], now, 1.0);
    let nameless = exemplified(Entry::new(&[("job", "test")]));
    refused(&server, &[nameless], [0; 3], "missing_metric_name");
    refused(
        &server,
        &[exemplified(Entry::named(""))],
        [0; 3],
        "missing_metric_name",
    );
    accepted(&server, &[exemplified(Entry::named("valid"))], [1, 0, 1]);
}

/// As with Prometheus, which tells its log of them and not the sender.
#[test]
fn exemplars_beyond_the_future_limit_are_dropped_without_an_error_and_counted() {
    let (server, now) = (Running::start(), now_ms());
    let ahead = |entry: Entry| entry.exemplar(&[("t", "1")], now + HOUR_MS, 1.0);
    accepted(
        &server,
        &[ahead(Entry::named("x").sample(now, 1.0))],
        [1, 0, 0],
    );
    accepted(&server, &[ahead(Entry::named("x"))], [0; 3]);
    accepted(&server, &[ahead(Entry::named("y"))], [0; 3]);
    let query = escaped("{__name__!=\"\"}");
    let path = format!("/api/v1/query_exemplars?query={query}&start=0&end=99999999999");
    let stored = server.get(&path);
    assert_eq!(stored.data(), json!([]));
    assert_metric(
        &server,
        "chronoxide_ingest_rejected_exemplars_total{protocol=\"remote_write\",reason=\"not_kept\"} 6",
    );
    assert_metric(&server, "chronoxide_series 1");
}

#[test]
fn special_values_are_taken_in_samples_and_exemplars() {
    let now = now_ms();
    for special in [
        0.0,
        -0.0,
        5e-324,
        -1.0,
        1e10,
        1e-10,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ] {
        let server = Running::start();
        let entry = Entry::named("special").sample(now, special);
        accepted(
            &server,
            &[entry.exemplar(&[("trace_id", "t")], now, special)],
            [1, 0, 1],
        );
        let read = value(&server, "special", now);
        let text = read.as_str().unwrap().replace("Inf", "inf");
        let read: f64 = text.parse().unwrap();
        let same = read.to_bits() == special.to_bits() || (read.is_nan() && special.is_nan());
        assert!(same, "{special}: {text}");
    }
}

#[test]
fn everything_may_come_together() {
    let (server, now) = (Running::start(), now_ms());
    let traced = |entry: Entry| entry.exemplar(&[("trace_id", "t")], now, 0.5);
    let sample = |name: &str| up_named(name, now).metadata(1, "S.", "");
    let histogram = |name: &str, bytes| Entry::named(name).histogram(bytes).metadata(3, "H.", "s");
    accepted(&server, &[traced(sample("s_total"))], [1, 0, 1]);
    accepted(&server, &[traced(histogram("h", basic(now)))], [0, 1, 1]);
    accepted(&server, &[traced(histogram("n", custom(now)))], [0, 1, 1]);
    accepted(
        &server,
        &[traced(sample("a_total")), sample("b")],
        [2, 0, 1],
    );
    let two = [
        traced(histogram("ha", basic(now))),
        histogram("hb", custom(now)),
    ];
    accepted(&server, &two, [0, 2, 1]);
    let labels = [
        ("__name__", "big"),
        ("a", "1"),
        ("b", "2"),
        ("c", "3"),
        ("d", "4"),
        ("e", "5"),
        ("f", "6"),
    ];
    let many_labels = Entry::new(&labels)
        .histogram(basic(now))
        .metadata(3, "B.", "");
    accepted(&server, &[many_labels], [0, 1, 0]);
    let special = Entry::new(&[("__name__", "special"), ("😀", "✓")]).sample(now, 1.0);
    accepted(
        &server,
        &[traced(special.metadata(2, "Hälp \"x\"\n", "°C"))],
        [1, 0, 1],
    );
}

#[test]
fn many_series_with_all_that_belongs_to_them_are_counted_exactly() {
    let (server, now) = (Running::start(), now_ms());
    let traced = |entry: Entry, index: i32| {
        let entry = entry.exemplar(&[("trace_id", &index.to_string())], now, 1.0);
        entry.metadata(1, "Many.", "")
    };
    let samples: Vec<Entry> = (0..50)
        .map(|index| traced(up_named(&format!("many_{index}_total"), now), index))
        .collect();
    accepted(&server, &samples, [50, 0, 50]);
    let histograms: Vec<Entry> = (0..50)
        .map(|index| {
            let bytes = if index % 2 == 0 {
                basic(now)
            } else {
                custom(now)
            };
            let name = format!("many_{index}_seconds");
            traced(Entry::named(&name).histogram(bytes), index)
        })
        .collect();
    accepted(&server, &histograms, [0, 50, 50]);
    assert_eq!(
        value(&server, "count({__name__=~\"many_.*_total\"})", now),
        "50"
    );
    assert_eq!(
        value(&server, "count({__name__=~\"many_.*_seconds\"})", now),
        "50"
    );
}

#[test]
fn samples_histograms_exemplars_and_metadata_are_counted_by_what_became_of_them() {
    let (server, now) = (Running::start(), now_ms());
    let traced = |entry: Entry| entry.exemplar(&[("trace_id", "t")], now, 1.0);
    let long = "x".repeat(200);
    let entries = [
        traced(Entry::named("a_total").sample(now, 1.0)).metadata(1, "A.", ""),
        Entry::named("b_total")
            .sample(now, 1.0)
            .exemplar(&[("long", &long)], now, 1.0),
        Entry::named("h").histogram(crate::wire_v2::float_histogram(now, 1.0, &[1.0])),
        traced(Entry::new(&[("job", "nameless")]).sample(now, 1.0)),
    ];
    let answer = server.post("/api/v1/write", &V2_HEADERS, &v2_body(&entries));
    assert_eq!(answer.status, 400, "{}", answer.body);
    let nameless_metadata = crate::wire::v1_metadata_body("", 1, "", "");
    let answer = server.post("/api/v1/write", &V1_HEADERS, &nameless_metadata);
    assert_eq!(answer.status, 204, "{}", answer.body);
    let corrupt = server.post("/api/v1/write", &V1_HEADERS, b"\xff\xff");
    assert_eq!(corrupt.status, 400);
    let protocol = "{protocol=\"remote_write\"";
    for (name, labels, count) in [
        ("samples_total", "}", 3),
        ("histograms_total", "}", 1),
        ("exemplars_total", "}", 1),
        ("metadata_total", "}", 1),
        (
            "rejected_samples_total",
            ",reason=\"missing_metric_name\"}",
            1,
        ),
        ("rejected_exemplars_total", ",reason=\"not_kept\"}", 2),
        ("rejected_exemplars_total", ",reason=\"refused\"}", 0),
        (
            "rejected_metadata_total",
            ",reason=\"missing_metric_name\"}",
            1,
        ),
        ("requests_total", ",format=\"2.0\",result=\"refused\"}", 1),
        ("requests_total", ",format=\"1.0\",result=\"stored\"}", 1),
        ("requests_total", ",format=\"1.0\",result=\"refused\"}", 1),
    ] {
        assert_metric(
            &server,
            &format!("chronoxide_ingest_{name}{protocol}{labels} {count}"),
        );
    }
}

/// How many exemplars there are, one more sent at each of `times`.
fn kept_of(limits: &[(&str, &str)], times: std::ops::Range<i64>) -> (usize, Running) {
    let server = Running::start_with(limits);
    let now = now_ms();
    for time in times {
        let entry = Entry::named("bounded_total").sample(now + time, 1.0);
        let label = "t".repeat(100);
        let entry = entry.exemplar(&[("trace_id", &label)], now + time, time as f64);
        let body = v2_body(&[entry]);
        assert_eq!(server.post("/api/v1/write", &V2_HEADERS, &body).status, 204);
    }
    let found = server.get("/api/v1/query_exemplars?query=bounded_total");
    let series = found.data();
    let kept = series[0]["exemplars"].as_array().map_or(0, Vec::len);
    assert_metric(&server, &format!("chronoxide_exemplars {kept}"));
    (kept, server)
}

#[test]
fn settings_bound_how_many_exemplars_are_kept() {
    let (kept, server) = kept_of(&[("exemplars.series-limit", "3")], 0..5);
    assert_eq!(kept, 3);
    assert_metric(&server, "chronoxide_exemplars_evicted_total 2");
    let (kept, server) = kept_of(&[("exemplars.memory-limit", "2KiB")], 0..40);
    assert!((1..20).contains(&kept), "{kept}");
    assert_metric(
        &server,
        "chronoxide_memory_limit_bytes{user=\"exemplars\"} 2048",
    );
    let (kept, server) = kept_of(&[("exemplars.memory-limit", "0")], 0..2);
    assert_eq!(kept, 0);
    assert_metric(
        &server,
        "chronoxide_memory_used_bytes{user=\"exemplars\"} 0",
    );
}
