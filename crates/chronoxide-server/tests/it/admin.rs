//! Deletion and snapshots, and exemplars.

use serde_json::json;

use crate::running::{Running, now_ms};
use crate::wire::series;

const T: i64 = 1_700_000_000_000;
const ENDPOINTS: [&str; 3] = [
    "/api/v1/admin/tsdb/delete_series",
    "/api/v1/admin/tsdb/snapshot",
    "/api/v1/admin/tsdb/clean_tombstones",
];

fn server() -> Running {
    let server = Running::start_with(&[("retention.time", "100y"), ("http.admin-api", "on")]);
    for step in 0..3 {
        server.write(&[
            series(&[("__name__", "x"), ("a", "1")], T + step * 1_000, 1.0),
            series(&[("__name__", "x"), ("a", "2")], T + step * 1_000, 2.0),
            series(&[("__name__", "y")], T + step * 1_000, 3.0),
        ]);
    }
    server
}

fn counts(server: &Running) -> serde_json::Value {
    let answer = server.get(
        "/api/v1/query?query=sort(count_over_time(%7B__name__!%3D%22%22%7D%5B1h%5D))&time=1700000100",
    );
    let result = answer.data()["result"].take();
    result
        .as_array()
        .unwrap()
        .iter()
        .map(|series| series["value"][1].clone())
        .collect()
}

#[test]
fn administration_is_off_unless_it_is_turned_on() {
    let server = Running::start();
    for path in ENDPOINTS {
        let answer = server.post_form(path, "match[]=x");
        assert_eq!(
            (answer.status, answer.error().0.as_str()),
            (403, "unavailable"),
            "{path}"
        );
        assert!(
            answer.error().1.contains("--http.admin-api=on"),
            "{}",
            answer.body
        );
    }
}

#[test]
fn administration_is_not_for_pages_and_not_for_get() {
    let server = server();
    for path in ENDPOINTS {
        assert_eq!(
            server.get(&format!("{path}?match[]=x")).status,
            405,
            "{path}"
        );
        let headers = [
            ("origin", "http://evil.example"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        assert_eq!(
            server.post(path, &headers, b"match[]=x").status,
            403,
            "{path}"
        );
    }
    assert_eq!(counts(&server), json!(["3", "3", "3"]));
}

#[test]
fn deleted_samples_are_gone_at_once() {
    let server = server();
    let path = ENDPOINTS[0];
    for (form, status) in [
        ("", 400),
        ("match[]=%7B%7D", 400),
        ("match[]=x&start=2&end=1", 400),
        (
            "match[]=x%7Ba%3D%221%22%7D&start=1700000001&end=1700000001",
            204,
        ),
    ] {
        let answer = server.post_form(path, form);
        assert_eq!(answer.status, status, "{form}: {}", answer.body);
    }
    assert_eq!(counts(&server), json!(["2", "3", "3"]));
    let answer = server.put_form(path, "match[]=x&match[]=none");
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(counts(&server), json!(["3"]));
    assert_eq!(server.post_form(ENDPOINTS[2], "").status, 204);
    assert_eq!(counts(&server), json!(["3"]));
}

#[test]
fn a_snapshot_has_a_generated_name() {
    let server = server();
    let mut names = Vec::new();
    for form in ["", "skip_head=true", "skip_head=0"] {
        let data = server.post_form(ENDPOINTS[1], form).data();
        names.push(data["name"].as_str().unwrap().to_owned());
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 3);
    for name in &names {
        // The time in UTC and 16 hexadecimal digits.
        let (time, digits) = name.split_once('-').unwrap();
        assert!(
            time.len() == 16 && time.ends_with('Z') && &time[8..9] == "T",
            "{name}"
        );
        assert!(
            digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{name}"
        );
        let snapshot = server.directory().join("data/snapshots").join(name);
        assert!(snapshot.is_dir(), "{}", snapshot.display());
    }
    let answer = server.post_form(ENDPOINTS[1], "skip_head=perhaps");
    assert_eq!(
        (answer.status, answer.error().0.as_str()),
        (400, "bad_data")
    );
}

#[test]
fn exemplars_are_found_by_all_selectors_of_an_expression() {
    let server = Running::start();
    let now = now_ms();
    let text = format!(
        "# TYPE latency histogram\nlatency_bucket{{le=\"1\"}} 3 {0} # {{trace_id=\"abc\"}} 0.5 {0}.25\n\
         latency_bucket{{le=\"+Inf\"}} 4 {0} # {{}} 6 {0}\n# EOF\n",
        now / 1000
    );
    let headers = [(
        "content-type",
        "application/openmetrics-text; version=1.0.0",
    )];
    let imported = server.post("/api/v1/import/prometheus", &headers, text.as_bytes());
    assert_eq!(imported.status, 204, "{}", imported.body);
    assert_eq!(imported.header("x-chronoxide-import-exemplars"), "2");
    let expected = format!(
        "{{\"status\":\"success\",\"data\":[{{\"seriesLabels\":{{\"__name__\":\"latency_bucket\",\"le\":\"+Inf\"}},\
         \"exemplars\":[{{\"labels\":{{}},\"value\":\"6\",\"timestamp\":{0}}}]}},\
         {{\"seriesLabels\":{{\"__name__\":\"latency_bucket\",\"le\":\"1\"}},\
         \"exemplars\":[{{\"labels\":{{\"trace_id\":\"abc\"}},\"value\":\"0.5\",\"timestamp\":{0}.250}}]}}]}}",
        now / 1000
    );
    let form = format!(
        "query=histogram_quantile(0.9,rate(latency_bucket[5m]))%2Bnone&start={}&end={}",
        now / 1000 - 60,
        now / 1000 + 60
    );
    assert_eq!(
        server.get(&format!("/api/v1/query_exemplars?{form}")).body,
        expected
    );
    assert_eq!(
        server.post_form("/api/v1/query_exemplars", &form).body,
        expected
    );
    let all_time = server.get("/api/v1/query_exemplars?query=latency_bucket");
    assert_eq!(all_time.body, expected);
    for query in ["none", "1"] {
        let answer = server.get(&format!("/api/v1/query_exemplars?query={query}"));
        assert_eq!(answer.body, r#"{"status":"success","data":[]}"#, "{query}");
    }
    assert_eq!(server.get("/api/v1/query_exemplars?query=sum(").status, 400);
}

#[test]
fn nothing_of_a_request_is_looked_at_while_administration_is_off() {
    let server = Running::start();
    for path in ENDPOINTS {
        let answer = server.post_form(path, "a=%zz");
        assert_eq!(answer.status, 403, "{path}: {}", answer.body);
    }
}
