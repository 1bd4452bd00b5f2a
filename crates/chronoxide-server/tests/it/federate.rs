//! The newest samples as text, for another server to scrape.

use crate::running::{Running, escaped, now_ms};
use crate::wire::{Series, series};

const STALE: u64 = 0x7ff0_0000_0000_0002;

fn federated(server: &Running, selector: &str) -> String {
    let answer = server.get(&format!("/federate?match[]={}", escaped(selector)));
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "text/plain; version=0.0.4; charset=utf-8"),
        "{}",
        answer.body
    );
    answer.body
}

#[test]
fn the_newest_sample_of_each_series_is_told_with_its_time() {
    let server = Running::start();
    let now = now_ms();
    let mut up = series(
        &[("__name__", "up"), ("job", "p"), ("instance", "x")],
        now - 9_000,
        0.0,
    );
    up.samples.push((now - 5_000, 1.0));
    server.write(&[
        up,
        series(&[("__name__", "a"), ("job", "\"q\"\n\\")], now - 1_000, 2.5),
        series(&[("__name__", "old")], now - 301_000, 1.0),
        Series {
            samples: vec![(now - 3_000, 1.0), (now - 2_000, f64::from_bits(STALE))],
            ..series(&[("__name__", "ended")], 0, 0.0)
        },
        series(&[("__name__", "special"), ("v", "nan")], now, f64::NAN),
        series(
            &[("__name__", "special"), ("v", "pinf")],
            now,
            f64::INFINITY,
        ),
    ]);
    let expected = format!(
        "# TYPE a untyped\na{{job=\"\\\"q\\\"\\n\\\\\",instance=\"\"}} 2.5 {}\n\
         # TYPE special untyped\nspecial{{v=\"nan\",instance=\"\"}} NaN {now}\n\
         special{{v=\"pinf\",instance=\"\"}} +Inf {now}\n\
         # TYPE up untyped\nup{{instance=\"x\",job=\"p\"}} 1 {}\n",
        now - 1_000,
        now - 5_000
    );
    assert_eq!(federated(&server, "{__name__=~\".+\"}"), expected);
    let union = server.get("/prometheus/federate?match[]=up&match[]=up%7Bjob%3D%22p%22%7D");
    assert_eq!(union.body.lines().count(), 2, "{}", union.body);
}

#[test]
fn nothing_is_selected_without_a_selector_and_a_wrong_one_is_refused() {
    let server = Running::start();
    let none = server.get("/federate");
    assert_eq!((none.status, none.body.as_str()), (200, ""));
    let wrong = server.get("/federate?match[]=up%7B");
    assert_eq!(wrong.status, 400);
    assert!(wrong.header("content-type").starts_with("text/plain"));
    assert!(wrong.body.contains("parse error"), "{}", wrong.body);
    assert_eq!(server.post_form("/federate", "match[]=up").status, 405);
}

#[test]
fn names_beyond_the_classic_alphabet_are_quoted_only_when_asked_for() {
    let server = Running::start();
    let now = now_ms();
    server.write(&[series(
        &[
            ("__name__", "http.requests"),
            ("status.code", "200"),
            ("instance", "x"),
        ],
        now,
        1.0,
    )]);
    let selector = "{\"http.requests\"}";
    assert_eq!(
        federated(&server, selector),
        format!(
            "# TYPE http_requests untyped\nhttp_requests{{instance=\"x\",status_code=\"200\"}} 1 {now}\n"
        )
    );
    let path = format!("/federate?match[]={}", escaped(selector));
    let accept = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1";
    let quoted = server.get_with(&path, &[("accept", accept)]);
    assert_eq!(
        quoted.body,
        format!(
            "# TYPE \"http.requests\" untyped\n{{\"http.requests\",instance=\"x\",\"status.code\"=\"200\"}} 1 {now}\n"
        )
    );
    assert!(
        quoted
            .header("content-type")
            .contains("escaping=allow-utf-8")
    );
}

#[test]
fn the_lookback_of_queries_is_that_of_federation() {
    let server = Running::start_with(&[("query.lookback-delta", "1m")]);
    server.write(&[series(&[("__name__", "x")], now_ms() - 62_000, 1.0)]);
    assert_eq!(federated(&server, "x"), "");
    let server = Running::start();
    server.write(&[series(&[("__name__", "x")], now_ms() - 62_000, 1.0)]);
    assert!(federated(&server, "x").contains("x{instance=\"\"} 1 "));
}
