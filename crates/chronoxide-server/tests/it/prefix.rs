//! Everything below a path, for reverse proxies that pass it on.

use crate::running::{Running, now_ms};
use crate::wire::{V1_HEADERS, series, v1_body};

#[test]
fn everything_lies_below_the_prefix_and_nothing_beside_it() {
    let server = Running::start_with(&[("http.route-prefix", "/metrics-store/")]);
    let body = v1_body(&[series(&[("__name__", "x")], now_ms(), 1.0)]);
    let written = server.post("/metrics-store/api/v1/write", &V1_HEADERS, &body);
    assert_eq!(written.status, 204, "{}", written.body);
    for path in [
        "/metrics-store/",
        "/metrics-store/-/healthy",
        "/metrics-store/metrics",
        "/metrics-store/federate",
        "/metrics-store/api/v1/query?query=x",
        "/metrics-store/prometheus/api/v1/query?query=x",
        "/metrics-store/api/v1/label/__name__/values",
    ] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    let found = server.get("/metrics-store/api/v1/label/__name__/values");
    assert_eq!(found.data(), serde_json::json!(["x"]));
    for path in [
        "/-/healthy",
        "/api/v1/query?query=x",
        "/metrics-store2/-/healthy",
        "/metrics-storeapi/v1/labels",
        "/metrics-store/nothing",
    ] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (404, "404 page not found\n"),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.headers.contains_key("vary"), "{path}");
    }
    for path in ["/", "/metrics-store"] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.header("location")),
            (302, "/metrics-store/"),
            "{path}"
        );
    }
}

#[test]
fn requests_are_counted_without_the_prefix() {
    let server = Running::start_with(&[("http.route-prefix", "/p")]);
    server.get("/p/api/v1/query?query=1");
    let metrics = server.get("/p/metrics").body;
    let line = "chronoxide_http_requests_total{handler=\"/api/v1/query\",code=\"200\"} 1";
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
    server.get("/outside");
    let metrics = server.get("/p/metrics").body;
    let line = "chronoxide_http_requests_total{handler=\"other\",code=\"404\"} 1";
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
}
