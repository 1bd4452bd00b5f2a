//! The server's own metrics: shown, and stored.

use crate::running::{Running, now_ms};
use crate::wire::series;

/// The own series `up`, as soon as it can be asked for.
fn own_up(server: &Running) -> serde_json::Value {
    // The first scrape is under way when the server is ready; it needs one commit to be seen.
    let found = (0..500).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        let mut answer = server.query("up", now_ms() + 1000);
        answer["result"].get_mut(0).map(serde_json::Value::take)
    });
    found.expect("an own sample comes within five seconds")
}

#[test]
fn own_metrics_are_there_from_the_start() {
    let server = Running::start_with(&[("self-metrics.interval", "15s")]);
    let up = own_up(&server);
    assert_eq!(up["metric"]["job"], "chronoxide");
    assert_eq!(up["metric"]["instance"], server.address.as_str());
    assert_eq!(up["value"][1], "1");
    let metadata = server
        .get("/api/v1/metadata?metric=chronoxide_series")
        .data();
    assert_eq!(metadata["chronoxide_series"][0]["type"], "gauge");
}

#[test]
fn own_metrics_of_a_server_on_all_addresses_carry_the_hosts_name() {
    let settings = [
        ("self-metrics.interval", "15s"),
        ("http.listen", "0.0.0.0:0"),
    ];
    let server = Running::start_with(&settings);
    let up = own_up(&server);
    let host = server.get("/api/v1/status/runtimeinfo").data();
    let host = host["hostname"].as_str().unwrap();
    let port = server.address.strip_prefix("0.0.0.0:").unwrap();
    assert_eq!(up["metric"]["instance"], format!("{host}:{port}").as_str());
}

#[test]
fn requests_and_samples_are_counted() {
    let server = Running::start();
    server.write(&[
        series(&[("__name__", "x")], now_ms(), 1.0),
        series(&[("__name__", "y")], now_ms(), 1.0),
    ]);
    let refused = crate::wire::v1_body(&[series(&[("job", "nameless")], now_ms(), 1.0)]);
    assert_eq!(
        server
            .post("/api/v1/write", &crate::wire::V1_HEADERS, &refused)
            .status,
        400
    );
    server.query("x", now_ms());
    let metrics = server.get("/metrics");
    assert_eq!(
        metrics.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    for line in [
        "# TYPE chronoxide_http_requests_total counter",
        "chronoxide_http_requests_total{handler=\"/api/v1/write\",code=\"204\"} 1",
        "chronoxide_http_requests_total{handler=\"/api/v1/query\",code=\"200\"} 1",
        "chronoxide_http_request_duration_seconds_count{handler=\"/api/v1/query\"} 1",
        "chronoxide_ingest_samples_total{protocol=\"remote_write\"} 2",
        "chronoxide_ingest_rejected_samples_total{protocol=\"remote_write\",reason=\"missing_metric_name\"} 1",
        "chronoxide_series 2",
        "# TYPE process_resident_memory_bytes gauge",
    ] {
        assert!(
            metrics.body.lines().any(|found| found == line),
            "{line}\n{}",
            metrics.body
        );
    }
    assert_eq!(
        server.query("up", now_ms())["result"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

#[test]
fn metric_names_follow_one_pattern() {
    let server = Running::start();
    let metrics = server.get("/metrics").body;
    let mut families = std::collections::BTreeSet::new();
    for line in metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
    {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(
            name.starts_with("chronoxide_") || name.starts_with("process_"),
            "{name}"
        );
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name} {kind}");
        assert!(families.insert(name), "{name} twice");
    }
    assert!(families.len() > 30, "{families:?}");
}

#[test]
fn syncs_of_the_log_and_their_time_rise_with_writes() {
    let server = Running::start();
    let read = || {
        let metrics = server.get("/metrics").body;
        let value = |name: &str| -> f64 {
            let line = metrics
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("no {name}\n{metrics}"))
                .parse()
                .unwrap()
        };
        (
            value("chronoxide_wal_syncs_total"),
            value("chronoxide_wal_sync_duration_seconds_total"),
        )
    };
    let mut before = read();
    for value in 0..5 {
        let at_ms = now_ms() + value;
        server.write(&[series(&[("__name__", "x")], at_ms, value as f64)]);
        let after = read();
        assert!(
            after.0 > before.0 && after.1 > before.1,
            "{before:?} {after:?}"
        );
        before = after;
    }
}

#[test]
fn scrapers_that_prefer_open_metrics_get_it() {
    let server = Running::start();
    // What Prometheus sends.
    let accept = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                  text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    server.query("1", now_ms());
    let metrics = server.get_with("/metrics", &[("accept", accept)]);
    assert_eq!(
        metrics.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(metrics.body.ends_with("\n# EOF\n"));
    for line in [
        "# TYPE chronoxide_http_requests counter",
        "chronoxide_http_requests_total{handler=\"/api/v1/query\",code=\"200\"} 1",
        "# TYPE chronoxide_series gauge",
    ] {
        assert!(
            metrics.body.lines().any(|found| found == line),
            "{line}\n{}",
            metrics.body
        );
    }
}

#[test]
fn the_table_names_every_metric_and_no_other() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../METRICS.md");
    let table = std::fs::read_to_string(path).unwrap();
    let rows = table.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.splitn(5, " | ");
        let name = cells.next()?.trim_end_matches('`').to_owned();
        let kind = cells.next()?.to_owned();
        let (meaning, advice) = (cells.next()?, cells.next()?);
        assert!(meaning.len() > 3 && !advice.is_empty(), "{line}");
        Some((name, kind))
    });
    let told: Vec<(String, String)> = rows.collect();
    let mut sorted = told.clone();
    sorted.sort();
    assert_eq!(told, sorted, "in order of their names");
    let server = Running::start();
    server.write(&[series(&[("__name__", "x")], now_ms(), 1.0)]);
    let metrics = server.get("/metrics").body;
    let mut exposed: Vec<(String, String)> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    exposed.sort();
    let missing: Vec<_> = exposed.iter().filter(|row| !told.contains(row)).collect();
    assert!(missing.is_empty(), "METRICS.md lacks {missing:?}");
    let gone: Vec<_> = told.iter().filter(|row| !exposed.contains(row)).collect();
    assert!(gone.is_empty(), "METRICS.md tells of {gone:?}");
}
