//! Names, values and series.

use serde_json::json;

use crate::running::{Running, escaped};
use crate::wire::{V1_HEADERS, series, v1_metadata_body};

const T: i64 = 1_700_000_000_000;

fn server() -> Running {
    let server = Running::start_with(&[("retention.time", "100y")]);
    server.write(&[
        series(
            &[("__name__", "up"), ("job", "node"), ("instance", "a:1")],
            T,
            1.0,
        ),
        series(
            &[("__name__", "up"), ("job", "api"), ("instance", "b:1")],
            T,
            1.0,
        ),
        series(
            &[
                ("__name__", "http.requests"),
                ("http.status_code", "200"),
                ("a/b", "slash"),
            ],
            T,
            1.0,
        ),
    ]);
    server
}

#[test]
fn label_names_are_sorted_and_can_be_narrowed() {
    let server = server();
    let all = json!(["__name__", "a/b", "http.status_code", "instance", "job"]);
    assert_eq!(server.get("/api/v1/labels").data(), all);
    assert_eq!(
        server.post_form("/api/v1/labels", "match%5B%5D=up").data(),
        json!(["__name__", "instance", "job"])
    );
    let two = "/api/v1/labels?match[]=up&match[]=%7B%22http.requests%22%7D&start=1699999999&end=1700000001";
    assert_eq!(server.get(two).data(), all);
    let limited = server.get("/api/v1/labels?limit=2").json();
    assert_eq!(limited["data"], json!(["__name__", "a/b"]));
    assert_eq!(
        limited["warnings"],
        json!(["results truncated due to limit"])
    );
    assert_eq!(server.get("/api/v1/labels?match[]=none").data(), json!([]));
}

#[test]
fn label_values_are_found_under_escaped_names() {
    let server = server();
    for (name, expected) in [
        ("job", json!(["api", "node"])),
        ("__name__", json!(["http.requests", "up"])),
        ("U__http_2e_status__code", json!(["200"])),
        ("http.status_code", json!(["200"])),
        ("U__a_2f_b", json!(["slash"])),
        ("unheard_of", json!([])),
    ] {
        for prefix in ["", "/prometheus"] {
            let answer = server.get(&format!("{prefix}/api/v1/label/{name}/values"));
            assert_eq!(answer.data(), expected, "{name}");
        }
    }
    let narrowed = server.get(&format!(
        "/api/v1/label/instance/values?match[]={}",
        escaped("up{job=\"api\"}")
    ));
    assert_eq!(narrowed.data(), json!(["b:1"]));
    let union = "/api/v1/label/job/values?match[]=up%7Bjob%3D%22api%22%7D&match[]=up";
    assert_eq!(server.get(union).data(), json!(["api", "node"]));
}

#[test]
fn series_are_the_union_of_all_selectors() {
    let server = server();
    let node = json!({"__name__": "up", "instance": "a:1", "job": "node"});
    let api = json!({"__name__": "up", "instance": "b:1", "job": "api"});
    let answer = server
        .get("/api/v1/series?match[]=up%7Bjob%3D%22node%22%7D")
        .data();
    assert_eq!(answer, json!([node]));
    let answer = server
        .post_form(
            "/api/v1/series",
            "match[]=up&match[]=up%7Bjob%3D%22node%22%7D&limit=40000",
        )
        .data();
    // In label order: instance stands before job.
    assert_eq!(answer, json!([node, api]));
    let all = server
        .get(&format!(
            "/api/v1/series?match[]={}&limit=1",
            escaped("{__name__!=\"\"}")
        ))
        .json();
    assert_eq!(all["data"].as_array().unwrap().len(), 1);
    assert_eq!(all["warnings"], json!(["results truncated due to limit"]));
    let go_times = "start=-292273086-05-16T16:47:06Z&end=292277025-08-18T07:12:54.999999999Z";
    assert_eq!(
        server
            .get(&format!("/api/v1/series?match[]=up&{go_times}"))
            .data()
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_label_without_a_name_is_refused() {
    let server = server();
    for path in ["/api/v1/label//values", "/api/v1/label/U__/values"] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.error().0.as_str()),
            (400, "bad_data"),
            "{path}"
        );
    }
}

#[test]
fn lookups_of_a_time_without_samples_find_nothing() {
    let server = server();
    let before = "start=2023-10-01T00:00:00Z&end=1696200000";
    for path in [
        format!("/api/v1/labels?{before}"),
        format!("/api/v1/label/job/values?{before}"),
        format!("/api/v1/series?match[]=up&{before}"),
    ] {
        assert_eq!(server.get(&path).data(), json!([]), "{path}");
    }
    let during = "start=1699999990&end=1700000000.000";
    for (path, count) in [
        (format!("/api/v1/labels?{during}"), 5),
        (format!("/api/v1/label/job/values?{during}"), 2),
        (format!("/api/v1/series?match[]=up&{during}"), 2),
    ] {
        assert_eq!(
            server.get(&path).data().as_array().unwrap().len(),
            count,
            "{path}"
        );
    }
}

#[test]
fn metadata_is_limited_in_metrics_and_in_types_of_each() {
    let server = Running::start();
    for (name, kind, help) in [
        ("a_total", 1, "Said first."),
        ("a_total", 2, "Said last."),
        ("b", 5, ""),
    ] {
        let body = v1_metadata_body(name, kind, help, "");
        assert_eq!(server.post("/api/v1/write", &V1_HEADERS, &body).status, 204);
    }
    let counter = json!({"type": "counter", "help": "Said first.", "unit": ""});
    let gauge = json!({"type": "gauge", "help": "Said last.", "unit": ""});
    let summary = json!({"type": "summary", "help": "", "unit": ""});
    for (form, expected) in [
        ("", json!({"a_total": [gauge, counter], "b": [summary]})),
        ("limit=1", json!({"a_total": [gauge, counter]})),
        (
            "limit=-1&limit_per_metric=1",
            json!({"a_total": [gauge], "b": [summary]}),
        ),
        ("metric=b", json!({"b": [summary]})),
        (
            "metric=a_total&limit_per_metric=1",
            json!({"a_total": [gauge]}),
        ),
        ("metric=unheard_of", json!({})),
        ("limit=0", json!({})),
    ] {
        let found = server.get(&format!("/api/v1/metadata?{form}")).data();
        assert_eq!(found, expected, "{form}");
    }
    for name in ["limit", "limit_per_metric"] {
        let answer = server.get(&format!("/api/v1/metadata?{name}=few"));
        assert_eq!(
            answer.error(),
            ("bad_data".to_owned(), format!("{name} must be a number"))
        );
    }
}

#[test]
fn what_lies_outside_the_range_is_not_found() {
    let server = server();
    let day = 86_400;
    for (path, inside) in [
        ("labels?match[]=up", json!(["__name__", "instance", "job"])),
        ("label/job/values?match[]=up", json!(["api", "node"])),
        (
            "series?match[]=up%7Bjob%3D%22api%22%7D",
            json!([{"__name__": "up", "instance": "b:1", "job": "api"}]),
        ),
    ] {
        let between = |start: i64, end: i64| {
            let answer = server.get(&format!("/api/v1/{path}&start={start}&end={end}"));
            answer.data()
        };
        let at = T / 1000;
        assert_eq!(between(at, at), inside, "{path}");
        // Ranges are honoured to partitions, which are a week long at most.
        assert_eq!(between(at + 8 * day, at + 9 * day), json!([]), "{path}");
        assert_eq!(between(at - 9 * day, at - 8 * day), json!([]), "{path}");
        let open = server.get(&format!("/api/v1/{path}&end={}", at - 8 * day));
        assert_eq!(open.data(), json!([]), "{path}");
    }
}

#[test]
fn a_range_that_ends_before_it_starts_has_nothing() {
    let server = server();
    for path in [
        "labels?match[]=up",
        "label/job/values?match[]=up",
        "series?match[]=up",
    ] {
        let answer = server.get(&format!("/api/v1/{path}&start=1700000001&end=1700000000"));
        assert_eq!(answer.data(), json!([]), "{path}");
    }
    let answer = server.get("/api/v1/query_exemplars?query=up&start=2&end=1");
    let expected = "end timestamp must not be before start timestamp".to_owned();
    assert_eq!(answer.error(), ("bad_data".to_owned(), expected));
}

#[test]
fn a_limit_that_is_not_reached_cuts_nothing() {
    let server = server();
    for (limit, found, is_cut) in [(1, 1, true), (2, 2, false), (3, 2, false), (0, 2, false)] {
        let path =
            format!("/api/v1/series?match[]=up&match[]=up%7Bjob%3D~%22.%2B%22%7D&limit={limit}");
        let answer = server.get(&path).json();
        assert_eq!(answer["data"].as_array().unwrap().len(), found, "{limit}");
        assert_eq!(answer.get("warnings").is_some(), is_cut, "{limit}");
    }
}
