//! What clients ask in a row when they start, byte for byte as they send it.

use serde_json::json;

use crate::running::{Running, now_ms};
use crate::wire::series;

/// A server with the series that dashboards of a node have.
fn server(now: i64) -> Running {
    let server = Running::start();
    let mut written = Vec::new();
    for step in 0..5 {
        let at = now - step * 15_000;
        written.push(series(
            &[("__name__", "up"), ("instance", "a:1"), ("job", "node")],
            at,
            1.0,
        ));
        written.push(series(
            &[
                ("__name__", "traces_span_metrics_duration_bucket"),
                ("le", "+Inf"),
                ("service_name", "a"),
                ("span_kind", "SPAN_KIND_SERVER"),
                ("span_name", "GET /"),
                ("status_code", "STATUS_CODE_ERROR"),
            ],
            at,
            (10 - step) as f64,
        ));
    }
    server.write(&written);
    server
}

#[test]
fn grafana_saves_and_tests_a_data_source() {
    let server = Running::start();
    let answer = server.post_form("/api/v1/query", "query=1%2B1&time=4");
    assert_eq!(
        answer.body,
        r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#
    );
    assert_eq!(answer.header("content-type"), "application/json");
    let build = server.get("/api/v1/status/buildinfo");
    assert!(
        build
            .body
            .starts_with(r#"{"status":"success","data":{"version":"3."#),
        "{}",
        build.body
    );
    // Either of these would make Grafana take the server for another product.
    assert!(!build.body.contains("features") && !build.body.contains("application"));
}

#[test]
fn grafana_loads_a_data_source() {
    let now = now_ms();
    let server = server(now);
    let seconds = now / 1000;
    assert_eq!(
        server.get("/api/v1/rules").body,
        r#"{"status":"success","data":{"groups":[]}}"#
    );
    // The probe sends milliseconds where seconds belong.
    let probe = format!(
        "/api/v1/query_exemplars?query=test&start={}&end={now}",
        now - 1_800_000
    );
    assert_eq!(server.get(&probe).body, r#"{"status":"success","data":[]}"#);
    let names = format!(
        "/api/v1/label/__name__/values?start={}&end={seconds}&limit=40000",
        seconds - 3600
    );
    assert_eq!(
        server.get(&names).body,
        r#"{"status":"success","data":["traces_span_metrics_duration_bucket","up"]}"#
    );
    assert_eq!(
        server.get("/api/v1/metadata").body,
        r#"{"status":"success","data":{}}"#
    );
    let form = format!("start={}&end={seconds}", seconds - 3600);
    let labels = r#"{"status":"success","data":["__name__","instance","job","le","service_name","span_kind","span_name","status_code"]}"#;
    assert_eq!(server.post_form("/api/v1/labels", &form).body, labels);
    assert_eq!(server.get(&format!("/api/v1/labels?{form}")).body, labels);
}

#[test]
fn grafana_draws_a_dashboard() {
    let now = now_ms() / 60_000 * 60_000;
    let server = server(now);
    let (start, end) = (now / 1000 - 30, now / 1000);
    let form = format!(
        "end={end}&query=up%7Bjob%3D~%22node%7Capi%22%7D&start={start}&step=15&timeout=30s"
    );
    let expected = format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{{\"metric\":\
         {{\"__name__\":\"up\",\"instance\":\"a:1\",\"job\":\"node\"}},\"values\":[[{start},\"1\"],[{},\"1\"],[{end},\"1\"]]}}]}}}}",
        start + 15
    );
    std::thread::scope(|scope| {
        // Panels are asked for all at once.
        let asked: Vec<_> = (0..20)
            .map(|_| scope.spawn(|| server.post_form("/api/v1/query_range", &form).body))
            .collect();
        for answer in asked {
            assert_eq!(answer.join().unwrap(), expected);
        }
    });
    let variable = format!("/api/v1/label/instance/values?match[]=up&start={start}&end={end}");
    assert_eq!(
        server.get(&variable).body,
        r#"{"status":"success","data":["a:1"]}"#
    );
    let all = format!("match%5B%5D=%7B__name__%21%3D%22%22%7D&start={start}&end={end}&limit=40000");
    let found = server.post_form("/api/v1/series", &all).data();
    assert_eq!(found.as_array().unwrap().len(), 2);
    let instant = server.post_form("/api/v1/query", &format!("query=up&time={end}"));
    assert_eq!(
        instant.body,
        format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{{\"metric\":\
             {{\"__name__\":\"up\",\"instance\":\"a:1\",\"job\":\"node\"}},\"value\":[{end},\"1\"]}}]}}}}"
        )
    );
}

#[test]
fn grafana_explores_one_expression_in_both_forms() {
    let now = now_ms() / 60_000 * 60_000;
    let server = server(now);
    let (start, end) = (now / 1000 - 15, now / 1000);
    let labels = r#"{"__name__":"up","instance":"a:1","job":"node"}"#;
    let instant = server.post_form("/api/v1/query", &format!("query=up&time={end}"));
    assert_eq!(
        instant.body,
        format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{{\"metric\":{labels},\
             \"value\":[{end},\"1\"]}}]}}}}"
        )
    );
    let times = format!("query=up&start={start}&end={end}");
    let range = server.post_form("/api/v1/query_range", &format!("{times}&step=15"));
    assert_eq!(
        range.body,
        format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{{\"metric\":{labels},\
             \"values\":[[{start},\"1\"],[{end},\"1\"]]}}]}}}}"
        )
    );
    assert_eq!(
        server.post_form("/api/v1/query_exemplars", &times).body,
        r#"{"status":"success","data":[]}"#
    );
}

#[test]
fn prometheus_own_page_shows_what_the_server_is() {
    let server = server(now_ms());
    for (page, member) in [
        ("runtimeinfo", "storageRetention"),
        ("buildinfo", "goVersion"),
        ("flags", "storage.path"),
        ("config", "yaml"),
        ("tsdb?limit=10", "seriesCountByMetricName"),
        ("walreplay", "current"),
    ] {
        let path = format!("/api/v1/status/{page}");
        let answer = server.get_with(&path, &[("Cache-Control", "no-store")]);
        let data = answer.data();
        assert!(data.get(member).is_some(), "{page}: {data}");
    }
}

#[test]
fn jaeger_fills_its_monitor_tab() {
    let now = now_ms();
    let server = server(now);
    let (start, end) = (now / 1000 - 60, now / 1000);
    for query in [
        "histogram_quantile(0.95, sum(rate(traces_span_metrics_duration_bucket{service_name =~ \"a|b\", }[1m])) by (service_name,le))",
        "sum(rate(traces_span_metrics_duration_bucket{service_name =~ \"a\", status_code = \"STATUS_CODE_ERROR\", span_kind =~ \"SPAN_KIND_SERVER\"}[1m])) by (service_name,span_name) / sum(rate(traces_span_metrics_duration_bucket{service_name =~ \"a\", span_kind =~ \"SPAN_KIND_SERVER\"}[1m])) by (service_name,span_name)",
    ] {
        let form = format!(
            "query={}&start={start}&end={end}&step=15",
            crate::running::escaped(query)
        );
        let data = server.post_form("/api/v1/query_range", &form).data();
        assert_eq!(data["resultType"], "matrix", "{query}");
        assert_eq!(data["result"].as_array().unwrap().len(), 1, "{query}");
    }
}

#[test]
fn prometheus_own_page_completes_names() {
    let now = now_ms();
    let server = server(now);
    let iso = "start=2023-11-14T22:13:20.000Z&end=2099-11-14T22:13:20.000Z";
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("cache-control", "no-store"),
    ];
    let series = server.post(
        "/api/v1/series",
        &headers,
        format!("{iso}&match%5B%5D=up").as_bytes(),
    );
    assert_eq!(
        series.body,
        r#"{"status":"success","data":[{"__name__":"up","instance":"a:1","job":"node"}]}"#
    );
    let labels = server.post(
        "/api/v1/labels",
        &headers,
        format!("{iso}&match%5B%5D=up").as_bytes(),
    );
    assert_eq!(
        labels.body,
        r#"{"status":"success","data":["__name__","instance","job"]}"#
    );
    let flags = server.get_with("/api/v1/status/flags", &[("cache-control", "no-store")]);
    assert_eq!(flags.data()["query.lookback-delta"], "5m");
}

#[test]
fn the_adapter_of_kubernetes_finds_series_and_asks_for_them() {
    let now = now_ms();
    let server = server(now);
    let start = now / 1000 - 60;
    let found = server.get(&format!(
        "/api/v1/series?match%5B%5D=%7B__name__%3D~%22%5Eup.%2A%22%7D&start={start}.123"
    ));
    assert_eq!(found.data().as_array().unwrap().len(), 1);
    let query = "sum%28up%7Bjob%3D%22node%22%7D%29+by+%28instance%29";
    let data = server
        .get(&format!("/api/v1/query?query={query}&time={}", now / 1000))
        .data();
    assert_eq!(data["result"][0]["metric"], json!({"instance": "a:1"}));
}
