//! Queries: parameters, shapes, numbers, errors.

use serde_json::json;

use crate::running::{Running, escaped};
use crate::wire::series;

/// The time of most samples here.
const T: i64 = 1_700_000_000_000;

fn server() -> Running {
    Running::start_with(&[("retention.time", "100y")])
}

#[test]
fn grafanas_health_check_is_answered() {
    let server = server();
    for answer in [
        server.post_form("/api/v1/query", "query=1%2B1&time=4"),
        server.get("/api/v1/query?query=1%2B1&time=4"),
        server.get("/prometheus/api/v1/query?query=1%2B1&time=4"),
    ] {
        assert_eq!(
            answer.body,
            r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#
        );
    }
}

#[test]
fn values_come_back_in_the_forms_of_prometheus() {
    let server = server();
    let values = [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (0.1, "0.1"),
        (1e-6, "0.000001"),
        (9.99e-7, "9.99e-07"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (f64::MAX, "1.7976931348623157e+308"),
        (5e-324, "5e-324"),
        (123_456_789.123_456_79, "123456789.12345679"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
    ];
    let written: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(index, (value, _))| {
            series(
                &[("__name__", "number"), ("index", &format!("{index:02}"))],
                T,
                *value,
            )
        })
        .collect();
    server.write(&written);
    let result = server.query("sort_by_label(number, \"index\")", T)["result"].take();
    for (index, (_, text)) in values.iter().enumerate() {
        assert_eq!(result[index]["metric"]["index"], format!("{index:02}"));
        assert_eq!(result[index]["value"], json!([1_700_000_000, text]));
    }
    for (text, expected) in [
        ("1e21", "1000000000000000000000"),
        ("1e-7", "0.0000001"),
        ("Inf", "+Inf"),
    ] {
        assert_eq!(server.query(text, T)["result"][1], *expected);
    }
}

#[test]
fn times_have_milliseconds_only_where_there_are_some() {
    let server = server();
    server.write(&[series(&[("__name__", "x")], T + 730, 1.5)]);
    let answer = server.get("/api/v1/query?query=x&time=1700000000.730");
    assert!(
        answer.body.contains(r#""value":[1700000000.730,"1.5"]"#),
        "{}",
        answer.body
    );
    let answer = server.get("/api/v1/query?query=x&time=1700000001");
    assert!(
        answer.body.contains(r#""value":[1700000001,"1.5"]"#),
        "{}",
        answer.body
    );
    let answer = server.get("/api/v1/query?query=1&time=1700000000.730");
    assert!(
        answer.body.contains(r#"[1700000000.73,"1"]"#),
        "{}",
        answer.body
    );
    let answer = server.get("/api/v1/query?query=x[1m]&time=1700000001");
    assert_eq!(
        answer.body,
        "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":\
         [{\"metric\":{\"__name__\":\"x\"},\"values\":[[1700000000.730,\"1.5\"]]}]}}"
    );
}

#[test]
fn a_range_includes_both_ends() {
    let server = server();
    server.write(&[series(&[("__name__", "x"), ("job", "a")], T, 1.0)]);
    let form = "query=x&start=1700000000&end=1700000030&step=15";
    let expected = "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":\
        {\"__name__\":\"x\",\"job\":\"a\"},\"values\":[[1700000000,\"1\"],[1700000015,\"1\"],[1700000030,\"1\"]]}]}}";
    assert_eq!(server.post_form("/api/v1/query_range", form).body, expected);
    assert_eq!(
        server.get(&format!("/api/v1/query_range?{form}")).body,
        expected
    );
    // The body wins over the URL.
    assert_eq!(
        server
            .post_form("/api/v1/query_range?query=none&step=1", form)
            .body,
        expected
    );
    let iso = "query=x&start=2023-11-14T22:13:20Z&end=2023-11-14T22:13:50.000Z&step=15s";
    assert_eq!(server.post_form("/api/v1/query_range", iso).body, expected);
    let scalar = server
        .post_form("/api/v1/query_range", "query=1&start=0&end=1&step=1")
        .data();
    assert_eq!(
        scalar["result"],
        json!([{"metric": {}, "values": [[0, "1"], [1, "1"]]}])
    );
}

#[test]
fn eleven_thousand_and_one_points_pass() {
    let server = server();
    let answer = server
        .get("/api/v1/query_range?query=1&start=0&end=11000&step=1")
        .data();
    assert_eq!(
        answer["result"][0]["values"].as_array().unwrap().len(),
        11_001
    );
    let (kind, text) = server
        .get("/api/v1/query_range?query=1&start=0&end=11001&step=1")
        .error();
    assert_eq!(kind, "bad_data");
    assert!(
        text.starts_with("exceeded maximum resolution of 11,000 points per timeseries."),
        "{text}"
    );
}

#[test]
fn errors_have_the_texts_and_statuses_that_clients_know() {
    let server = server();
    for (path, status, kind, text) in [
        (
            "query?query=up&time=abc",
            400,
            "bad_data",
            "invalid parameter \"time\": invalid time value for 'time': cannot parse \"abc\" to a valid timestamp",
        ),
        (
            "query_range?query=1&start=2&end=1&step=1",
            400,
            "bad_data",
            "end timestamp must not be before start time",
        ),
        (
            "query_range?query=1&start=1&end=2&step=0",
            400,
            "bad_data",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ),
        (
            "query_range?query=1&start=1&end=2&step=-1",
            400,
            "bad_data",
            "zero or negative query resolution",
        ),
        (
            "query_range?query=1&start=1&end=2",
            400,
            "bad_data",
            "invalid parameter \"step\": cannot parse \"\"",
        ),
        (
            "query?query=sum(&time=1",
            400,
            "bad_data",
            "invalid parameter \"query\": 1:",
        ),
        (
            "query?query=&time=1",
            400,
            "bad_data",
            "invalid parameter \"query\": ",
        ),
        (
            "query?query=no_such_function(x)",
            400,
            "bad_data",
            "unknown function",
        ),
        (
            "query?query=up&limit=-1",
            400,
            "bad_data",
            "limit must be non-negative",
        ),
        (
            "query?query=up&timeout=soon",
            400,
            "bad_data",
            "invalid parameter \"timeout\": cannot parse \"soon\"",
        ),
        (
            "query?query=up&lookback_delta=x",
            400,
            "bad_data",
            "error parsing lookback delta duration",
        ),
        (
            "query?query=%zz",
            400,
            "bad_data",
            "error parsing form values: invalid URL escape \"%zz\"",
        ),
        (
            "query_range?query=x[1m]&start=1&end=2&step=1",
            400,
            "bad_data",
            "invalid expression type \"range vector\"",
        ),
        ("series", 400, "bad_data", "no match[] parameter provided"),
        ("series?match[]=%7B%7D", 400, "bad_data", "match[]"),
        (
            "series?match[]=%7Ba%3D%22%22%7D",
            400,
            "bad_data",
            "match[] must contain at least one non-empty matcher",
        ),
        ("labels?match[]=sum(x)", 400, "bad_data", "parse error"),
        ("label/%ff/values", 400, "bad_data", "invalid label name"),
        (
            "labels?start=x",
            400,
            "bad_data",
            "invalid time value for 'start'",
        ),
    ] {
        let answer = server.get(&format!("/api/v1/{path}"));
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, "application/json"),
            "{path}"
        );
        let (found_kind, found_text) = answer.error();
        assert_eq!(found_kind, kind, "{path}");
        assert!(found_text.contains(text), "{path}: {found_text}");
    }
}

#[test]
fn a_query_that_cannot_be_computed_is_unprocessable() {
    let server = server();
    server.write(&[
        series(&[("__name__", "left"), ("a", "1"), ("side", "x")], T, 1.0),
        series(&[("__name__", "left"), ("a", "1"), ("side", "y")], T, 1.0),
        series(&[("__name__", "right"), ("a", "1")], T, 1.0),
    ]);
    let query = escaped("left * on(a) right");
    let answer = server.get(&format!("/api/v1/query?query={query}&time=1700000000"));
    assert_eq!(
        (answer.status, answer.error().0.as_str()),
        (422, "execution")
    );
    let server = Running::start_with(&[("retention.time", "100y"), ("query.max-samples", "1")]);
    server.write(&[
        series(&[("__name__", "x")], T, 1.0),
        series(&[("__name__", "x"), ("a", "1")], T, 1.0),
    ]);
    let answer = server.get("/api/v1/query?query=x&time=1700000000");
    assert_eq!(answer.status, 422);
    assert!(
        answer
            .error()
            .1
            .starts_with("query processing would load too many samples into memory in ")
    );
}

#[test]
fn a_query_that_would_hold_too_much_memory_is_an_execution_error() {
    let server = Running::start_with(&[("query.max-memory", "1MiB")]);
    let query = escaped("sum_over_time(vector(1)[100h:1s])");
    let answer = server.get(&format!("/api/v1/query?query={query}&time=1700000000"));
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.error(),
        (
            "execution".to_owned(),
            "query processing would take too much memory in query execution: more than 1048576 bytes; \
             ask for fewer series or steps, or raise --query.max-memory"
                .to_owned()
        )
    );
    let query = escaped("sum_over_time(vector(1)[1h:1s])");
    let answer = server.get(&format!("/api/v1/query?query={query}&time=1700000000"));
    assert_eq!(answer.status, 200);
}

#[test]
fn limits_cut_series_and_say_so() {
    let server = server();
    server.write(&[
        series(&[("__name__", "x")], T, 1.0),
        series(&[("__name__", "x"), ("a", "1")], T, 1.0),
    ]);
    for path in [
        "query?query=x&time=1700000000",
        "query_range?query=x&start=1700000000&end=1700000000&step=1",
    ] {
        let answer = server.get(&format!("/api/v1/{path}&limit=1")).json();
        assert_eq!(answer["data"]["result"].as_array().unwrap().len(), 1);
        assert_eq!(
            answer["warnings"],
            json!(["results truncated due to limit"])
        );
        let answer = server.get(&format!("/api/v1/{path}&limit=2")).json();
        assert_eq!(answer["data"]["result"].as_array().unwrap().len(), 2);
        assert!(answer.get("warnings").is_none());
    }
}

#[test]
fn lookback_can_be_chosen_by_query() {
    let server = server();
    server.write(&[series(&[("__name__", "x")], T, 1.0)]);
    let count = |more: &str| {
        let answer = server
            .get(&format!("/api/v1/query?query=x&time=1700000060{more}"))
            .data();
        answer["result"].as_array().unwrap().len()
    };
    assert_eq!(
        (
            count(""),
            count("&lookback_delta=30s"),
            count("&lookback_delta=1m1s")
        ),
        (1, 0, 1)
    );
}

#[test]
fn statistics_are_answered_when_asked_for() {
    let server = server();
    server.write(&[series(&[("__name__", "x")], T, 1.0)]);
    let answer = server
        .get("/api/v1/query?query=x&time=1700000000&stats=all")
        .json();
    let samples = &answer["data"]["stats"]["samples"];
    assert_eq!(samples["samplesRead"], 1);
    assert_eq!(samples["totalQueryableSamples"], 1);
    assert!(answer.get("warnings").is_none());
    let answer = server
        .get("/api/v1/query?query=x&time=1700000000&stats=on")
        .json();
    assert_eq!(
        answer["warnings"][0],
        "value \"on\" for parameter \"stats\" is deprecated and will be rejected in the next major release, \
         use \"true\" or \"all\""
    );
}

#[test]
fn the_times_of_a_query_add_up() {
    let server = server();
    let many: Vec<_> = (0..50)
        .map(|index| index.to_string())
        .map(|id| series(&[("__name__", "x"), ("id", &id)], T, 1.0))
        .collect();
    server.write(&many);
    for path in [
        "/api/v1/query?query=x&time=1700000000&stats=all",
        "/api/v1/query?query=x[5m]&time=1700000000&stats=true",
        "/api/v1/query_range?query=x&start=1700000000&end=1700000900&step=1&stats=all",
    ] {
        let stats = server.get(path).data()["stats"].take();
        let timings = stats["timings"].as_object().unwrap();
        let seconds = |name: &str| timings[name].as_f64().unwrap();
        assert_eq!(timings.len(), 6, "{stats}");
        let parts = ["queryPreparationTime", "innerEvalTime", "resultSortTime"];
        assert!(parts.iter().all(|name| seconds(name) > 0.0), "{stats}");
        let sum: f64 = parts.iter().map(|name| seconds(name)).sum();
        assert!(sum <= seconds("evalTotalTime"), "{stats}");
        let sum = seconds("execQueueTime") + seconds("evalTotalTime");
        assert!((sum - seconds("execTotalTime")).abs() < 1e-9, "{stats}");
    }
}

#[test]
fn queries_as_jaeger_writes_them_are_understood() {
    let server = server();
    let query = "histogram_quantile(0.95, sum(rate(traces_span_metrics_duration_bucket{service_name =~ \"a|b\", }[10m])) \
                 by (service_name,le))";
    let form = format!(
        "query={}&start=1700000000&end=1700000060&step=60",
        escaped(query)
    );
    assert_eq!(
        server.post_form("/api/v1/query_range", &form).data()["resultType"],
        "matrix"
    );
}

#[test]
fn a_query_is_written_the_usual_way() {
    let server = server();
    let text = "sum by(a)(x{b='c'})/foo";
    for answer in [
        server.get(&format!("/api/v1/format_query?query={}", escaped(text))),
        server.post_form("/api/v1/format_query", &format!("query={}", escaped(text))),
    ] {
        assert_eq!(answer.data(), "sum by (a) (x{b=\"c\"}) / foo");
    }
    let wrong = server.get("/api/v1/format_query?query=sum(");
    assert_eq!((wrong.status, wrong.error().0.as_str()), (400, "bad_data"));
}

#[test]
fn a_timeout_that_has_passed_is_unavailable() {
    let server = server();
    server.write(&[series(&[("__name__", "x")], T, 1.0)]);
    let answer = server.get("/api/v1/query?query=x&time=1700000000&timeout=0");
    assert_eq!(
        (answer.status, answer.error().0.as_str()),
        (503, "timeout"),
        "{}",
        answer.body
    );
}

#[test]
fn parts_of_the_language_can_be_turned_off() {
    let some = Running::start_with(&[("promql.enable", "duration-expressions")]);
    let none = Running::start_with(&[("promql.enable", "none")]);
    let all = Running::start();
    for (text, in_some) in [
        ("x[5m * 2]", true),
        ("limitk(1, x)", false),
        ("rate(x[5m] anchored)", false),
        ("x + fill (0) y", false),
    ] {
        for endpoint in ["query", "format_query"] {
            let path = format!("/api/v1/{endpoint}?query={}", escaped(text));
            assert_eq!(all.get(&path).status, 200, "{text}");
            let status = if in_some { 200 } else { 400 };
            assert_eq!(some.get(&path).status, status, "{text}");
            let refused = none.get(&path);
            assert_eq!(refused.status, 400, "{text}");
            let (kind, message) = refused.error();
            assert_eq!(kind, "bad_data");
            assert!(message.contains("enabled"), "{message}");
        }
    }
}

#[test]
fn the_tree_of_a_query_is_told() {
    let server = Running::start();
    let path = format!("/api/v1/parse_query?query={}", escaped("sum(up)"));
    let tree = server.get(&path).data();
    assert_eq!(tree["type"], "aggregation");
    assert_eq!(tree["expr"]["name"], "up");
    let form = format!("query={}", escaped("sum(up)"));
    assert_eq!(server.post_form("/api/v1/parse_query", &form).data(), tree);
    for text in ["", "sum(", "up + +"] {
        let refused = server.get(&format!("/api/v1/parse_query?query={}", escaped(text)));
        assert_eq!(
            (refused.status, refused.error().0.as_str()),
            (400, "bad_data")
        );
    }
    // As deep as the parser goes, and a tree that leans to one side.
    for text in [
        format!("{}1{}", "(".repeat(100), ")".repeat(100)),
        format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        vec!["1"; 100_000].join("+"),
    ] {
        let answer = server.post_form("/api/v1/parse_query", &format!("query={}", escaped(&text)));
        assert!([200, 400].contains(&answer.status), "{}", answer.status);
    }
    assert_eq!(server.get(&path).data(), tree);
}

#[test]
fn the_ends_of_time_in_the_words_of_go_can_be_evaluated_at() {
    let server = server();
    for (time, expected) in [
        ("-292273086-05-16T16:47:06Z", -9_223_309_901_257_974_i64),
        ("292277025-08-18T07:12:54.999999999Z", 9_223_309_901_257_974),
    ] {
        for query in ["1%2B1", "vector(2)", "up", "rate(up%5B5m%5D)"] {
            let path = format!("/api/v1/query?query={query}&time={time}");
            let data = server.get(&path).data();
            if query == "1%2B1" {
                let at = data["result"][0].as_f64().unwrap();
                assert!((at - expected as f64).abs() < 2000.0, "{data}");
                assert_eq!(data["result"][1], "2");
            }
        }
    }
}

#[test]
fn steps_are_counted_as_exactly_as_they_are_given() {
    let server = server();
    let points = |end: &str, step: &str| {
        let path = format!("/api/v1/query_range?query=1&start=0&end={end}&step={step}");
        server.get(&path).status
    };
    // 11,005 s hold fewer than 11,000 such steps, but more than 11,000 whole seconds.
    assert_eq!(points("11005", "1.0005"), 200);
    assert_eq!(points("11006.6", "1.0005"), 400);
}
