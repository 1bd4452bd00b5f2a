//! Status endpoints, and those that have nothing to tell.

use serde_json::json;

use crate::running::Running;
use crate::wire::{V1_HEADERS, series, v1_body};

#[test]
fn build_info_looks_like_a_plain_prometheus() {
    let server = Running::start();
    let data = server.get("/api/v1/status/buildinfo").data();
    assert_eq!(data["version"], "3.5.0");
    assert_eq!(data["chronoxideVersion"], env!("CARGO_PKG_VERSION"));
    for key in ["revision", "branch", "buildUser", "buildDate", "goVersion"] {
        assert!(data[key].is_string(), "{key}");
    }
    assert!(data.get("features").is_none() && data.get("application").is_none());
}

#[test]
fn rules_alerts_and_targets_are_empty() {
    let server = Running::start();
    // All that clients may ask for.
    let filtered = "rules?type=record&rule_name[]=a&rule_group[]=b&file[]=c&exclude_alerts=true&match[]=up&group_limit=10";
    for path in [filtered, "rules?type=alert", "rules?type=", "rules"] {
        let answer = server.get(&format!("/api/v1/{path}"));
        assert_eq!(answer.data(), json!({"groups": []}), "{path}");
    }
    assert_eq!(server.get("/api/v1/alerts").data(), json!({"alerts": []}));
    assert_eq!(
        server.get("/api/v1/targets").data()["activeTargets"],
        json!([])
    );
    assert_eq!(
        server.get("/api/v1/alertmanagers").data()["activeAlertmanagers"],
        json!([])
    );
}

#[test]
fn endpoints_without_content_are_empty_in_the_shape_that_pages_expect() {
    let server = Running::start();
    for (path, expected) in [
        ("targets/metadata", json!([])),
        ("scrape_pools", json!({"scrapePools": []})),
        ("notifications", json!([])),
        (
            "targets",
            json!({"activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {}}),
        ),
        (
            "alertmanagers",
            json!({"activeAlertmanagers": [], "droppedAlertmanagers": []}),
        ),
        // A new directory has no log to be read.
        (
            "status/walreplay",
            json!({"min": 0, "max": 0, "current": 0}),
        ),
    ] {
        assert_eq!(
            server.get(&format!("/api/v1/{path}")).data(),
            expected,
            "{path}"
        );
    }
    assert_eq!(server.get("/api/v1/notifications/live").status, 204);
    let version = server.get("/version").json();
    assert_eq!(version, server.get("/api/v1/status/buildinfo").data());
    let unknown = server.get("/api/v1/rules?type=page");
    assert_eq!(
        unknown.error(),
        (
            "bad_data".to_owned(),
            "invalid parameter \"type\": not supported value \"page\"".to_owned()
        )
    );
}

#[test]
fn the_configuration_is_told_as_yaml() {
    let server = Running::start_with(&[("query.lookback-delta", "3m")]);
    let data = server.get("/api/v1/status/config").data();
    let yaml = data["yaml"].as_str().unwrap();
    // Thanos reads external labels.
    assert!(
        yaml.starts_with("global:\n  external_labels: {}\n"),
        "{yaml}"
    );
    for line in [
        "chronoxide:",
        "  query.lookback-delta: \"3m\"",
        "  storage.durability: \"sync\"",
    ] {
        assert!(yaml.lines().any(|found| found == line), "{line}: {yaml}");
    }
}

#[test]
fn flags_are_strings_under_their_dotted_names() {
    let server = Running::start_with(&[("query.lookback-delta", "3m")]);
    let data = server.get("/api/v1/status/flags").data();
    assert_eq!(data["query.lookback-delta"], "3m");
    assert_eq!(data["storage.durability"], "sync");
    assert!(
        data.as_object()
            .unwrap()
            .values()
            .all(serde_json::Value::is_string)
    );
}

#[test]
fn runtime_info_tells_times_and_retention() {
    let server = Running::start();
    let data = server.get("/api/v1/status/runtimeinfo").data();
    assert_eq!(data["storageRetention"], "30d");
    assert_eq!(data["reloadConfigSuccess"], true);
    for key in ["startTime", "serverTime", "lastConfigTime"] {
        let text = data[key].as_str().unwrap();
        assert!(
            text.starts_with("20") && text.ends_with('Z'),
            "{key}: {text}"
        );
    }
    assert!(data["startTime"].as_str() <= data["serverTime"].as_str());
    assert_eq!(
        data["CWD"],
        server.directory().join("data").display().to_string()
    );
    assert!(!data["hostname"].as_str().unwrap().is_empty());
    for key in ["GOGC", "GODEBUG"] {
        assert!(data[key].is_string(), "{key}");
    }
    for key in ["goroutineCount", "timeSeriesCount", "corruptionCount"] {
        assert_eq!(data[key], 0, "{key}");
    }
    assert!(data["GOMAXPROCS"].as_u64().unwrap() >= 1);
}

#[test]
fn tsdb_status_counts_series_by_name_and_label() {
    let server = Running::start_with(&[("retention.time", "100y")]);
    let now = 1_700_000_000_000;
    server.write(&[
        series(&[("__name__", "a"), ("job", "x")], now, 1.0),
        series(&[("__name__", "a"), ("job", "y")], now, 1.0),
        series(&[("__name__", "b"), ("job", "x")], now, 1.0),
    ]);
    let data = server.get("/api/v1/status/tsdb").data();
    assert_eq!(data["headStats"]["numSeries"], 3);
    assert_eq!(data["headStats"]["numLabelPairs"], 4);
    assert_eq!(
        data["seriesCountByMetricName"],
        json!([{"name": "a", "value": 2}, {"name": "b", "value": 1}])
    );
    assert_eq!(data["labelValueCountByLabelName"][0]["value"], 2);
    assert_eq!(data["seriesCountByLabelValuePair"][0]["value"], 2);
    assert!(data["memoryInBytesByLabelName"].is_array());
    let limited = server.get("/api/v1/status/tsdb?limit=1").data();
    assert_eq!(
        limited["seriesCountByMetricName"],
        json!([{"name": "a", "value": 2}])
    );
    assert!(data["seriesCreatedLastHour"].as_u64().unwrap() >= 3);
    assert_eq!(data["seriesRejectedByMetricName"], json!([]));
    for (limit, text) in [
        ("0", "limit must be a positive number"),
        ("10001", "limit must not exceed 10000"),
    ] {
        let answer = server.get(&format!("/api/v1/status/tsdb?limit={limit}"));
        assert_eq!((answer.status, answer.error().1.as_str()), (400, text));
    }
}

#[test]
fn the_chunks_of_all_parts_are_counted() {
    let server = Running::start_with(&[("retention.time", "100y"), ("http.admin-api", "on")]);
    let now = 1_700_000_000_000;
    for id in ["1", "2", "3"] {
        server.write(&[series(&[("__name__", "a"), ("id", id)], now, 1.0)]);
    }
    let chunks = || server.get("/api/v1/status/tsdb").data()["headStats"]["chunkCount"].take();
    // Samples in memory are in none.
    assert_eq!(chunks(), 0);
    // Puts all samples into parts, here one.
    let answer = server.post_form("/api/v1/admin/tsdb/snapshot", "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(chunks(), 3);
}

#[test]
fn a_refused_series_is_counted_by_its_metric_and_label() {
    let server = Running::start_with(&[("retention.time", "100y"), ("series.limit", "4")]);
    let now = 1_700_000_000_000;
    for user in ["a", "b", "c", "d", "e", "f"] {
        let labels = [("__name__", "logins"), ("job", "x"), ("user", user)];
        let body = v1_body(&[series(&labels, now, 1.0)]);
        server.post("/api/v1/write", &V1_HEADERS, &body);
    }
    let data = server.get("/api/v1/status/tsdb").data();
    assert_eq!(data["headStats"]["numSeries"], 4);
    assert_eq!(data["seriesLimit"], 4);
    assert_eq!(
        data["seriesRejectedByMetricName"],
        json!([{"name": "logins", "label": "user", "value": 2}])
    );
    let metrics = server.get("/metrics").body;
    assert!(
        metrics.contains("chronoxide_series_rejected_total{metric=\"logins\",label=\"user\"} 2\n"),
        "{metrics}"
    );
}

#[test]
fn the_memory_budget_is_shown_by_user() {
    let server = Running::start_with(&[("memory.limit", "256MiB"), ("retention.time", "100y")]);
    server.write(&[series(&[("__name__", "a")], 1_700_000_000_000, 1.0)]);
    let metrics = server.get("/metrics").body;
    let value = |line: &str| -> f64 {
        let found = metrics.lines().find_map(|other| other.strip_prefix(line));
        let found = found.unwrap_or_else(|| panic!("no {line} in {metrics}"));
        found.trim().parse().unwrap()
    };
    assert_eq!(value("chronoxide_memory_budget_bytes "), 268_435_456.0);
    for user in [
        "requests",
        "series",
        "head",
        "queries",
        "exemplars",
        "metadata",
    ] {
        let limit = value(&format!(
            "chronoxide_memory_limit_bytes{{user=\"{user}\"}} "
        ));
        assert!(value(&format!("chronoxide_memory_used_bytes{{user=\"{user}\"}} ")) <= limit);
    }
    assert!(value("chronoxide_memory_used_bytes{user=\"series\"} ") > 0.0);
    assert!(value("chronoxide_memory_used_bytes{user=\"head\"} ") > 0.0);
}
