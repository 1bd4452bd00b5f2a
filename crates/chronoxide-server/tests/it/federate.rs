//! The newest samples as text, for another server to scrape.

use prost::Message as _;

use crate::running::{Answer, Running, escaped, now_ms};
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
    // The error as it is, without the name of a parameter before it.
    assert!(wrong.body.starts_with("1:"), "{}", wrong.body);
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

/// Answers in protobuf, as Prometheus asks for them where native histograms are scraped.
const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
    encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

#[derive(Clone, PartialEq, prost::Message)]
struct Family {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(message, repeated, tag = "4")]
    metrics: Vec<Metric>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, optional, tag = "5")]
    untyped: Option<Untyped>,
    #[prost(int64, tag = "6")]
    timestamp_ms: i64,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Untyped {
    #[prost(double, tag = "1")]
    value: f64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Histogram {
    #[prost(double, tag = "2")]
    sum: f64,
    #[prost(message, repeated, tag = "3")]
    buckets: Vec<Bucket>,
    #[prost(double, tag = "4")]
    count: f64,
    #[prost(sint32, tag = "5")]
    schema: i32,
    #[prost(double, tag = "8")]
    zero_count: f64,
    #[prost(message, repeated, tag = "12")]
    positive_spans: Vec<Span>,
    #[prost(double, repeated, packed = "false", tag = "14")]
    positive_counts: Vec<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Bucket {
    #[prost(double, tag = "2")]
    upper_bound: f64,
    #[prost(double, tag = "4")]
    cumulative_count: f64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Span {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

/// A server with an exponential histogram, a gauge of that kind, and two of custom buckets.
fn with_histograms(now: i64) -> Running {
    let server = Running::start();
    let line = |name: &str, reset: &str, shape: &str| {
        format!(
            r#"{{"metric":{{"__name__":"{name}"}},"histograms":[{{"reset":"{reset}",{shape},"negative_spans":[]}}],"histogram_timestamps":[{now}]}}"#
        )
    };
    let exponential = r#""schema":2,"zero_threshold":0.5,"sum":12.5,"positive_spans":[[-1,2]],"counts":{"integer":{"count":6,"zero_count":1,"positive":[3,2],"negative":[]}}"#;
    let custom = r#""schema":-53,"zero_threshold":0,"sum":4000000,"positive_spans":[[0,3]],"counts":{"integer":{"count":6,"zero_count":0,"positive":[1,2,3],"negative":[]}},"custom_bounds":[0.5,5000000]"#;
    let only_infinity = r#""schema":-53,"zero_threshold":0,"sum":9,"positive_spans":[[0,1]],"counts":{"integer":{"count":4,"zero_count":0,"positive":[4],"negative":[]}},"custom_bounds":[]"#;
    let body = [
        line("exponential", "unknown", exponential),
        line("gauge", "gauge", exponential),
        line("custom", "unknown", custom),
        line("only_infinity", "unknown", only_infinity),
        // A name that has floats as well.
        format!(r#"{{"metric":{{"__name__":"custom","a":"1"}},"values":[53317632],"timestamps":[{now}]}}"#),
    ]
    .join("\n");
    let answer = server.post("/api/v1/import", &[], body.as_bytes());
    assert!(answer.status < 300, "{}", answer.body);
    server
}

#[test]
fn custom_buckets_become_classic_ones_and_kinds_stand_apart() {
    let now = now_ms();
    let server = with_histograms(now);
    assert_eq!(
        federated(&server, "{__name__=~\".+\"}"),
        format!(
            "# TYPE custom untyped\ncustom{{a=\"1\",instance=\"\"}} 5.3317632e+07 {now}\n\
             # TYPE custom histogram\n\
             custom_bucket{{instance=\"\",le=\"0.5\"}} 1 {now}\n\
             custom_bucket{{instance=\"\",le=\"5e+06\"}} 3 {now}\n\
             custom_bucket{{instance=\"\",le=\"+Inf\"}} 6 {now}\n\
             custom_sum{{instance=\"\"}} 4e+06 {now}\n\
             custom_count{{instance=\"\"}} 6 {now}\n\
             # TYPE only_infinity histogram\n\
             only_infinity_bucket{{instance=\"\",le=\"+Inf\"}} 4 {now}\n\
             only_infinity_sum{{instance=\"\"}} 9 {now}\n\
             only_infinity_count{{instance=\"\"}} 4 {now}\n"
        )
    );
}

fn families(answer: &Answer) -> Vec<Family> {
    let mut bytes = &answer.bytes[..];
    let mut families = Vec::new();
    while !bytes.is_empty() {
        families.push(Family::decode_length_delimited(&mut bytes).unwrap());
    }
    families
}

#[test]
fn a_family_is_one_message_under_a_name_that_the_reader_knows() {
    let server = Running::start();
    let now = now_ms();
    let codes: Vec<String> = (0..300).map(|code| code.to_string()).collect();
    let mut all = vec![series(&[("__name__", "z")], now, 1.0)];
    all.extend(codes.iter().map(|code| {
        let labels = [("__name__", "http.status"), ("http.code", code)];
        series(&labels, now, 2.0)
    }));
    server.write(&all);
    let path = format!("/federate?match[]={}", escaped("{__name__=~\".+\"}"));
    let utf8 = PROTOBUF.replace("=delimited", "=delimited;escaping=allow-utf-8");
    for (accept, name, label) in [
        (PROTOBUF, "http_status", "http_code"),
        (&utf8, "http.status", "http.code"),
    ] {
        let families = families(&server.get_with(&path, &[("accept", accept)]));
        let found: Vec<_> = families
            .iter()
            .map(|family| (family.name.as_str(), family.metrics.len()))
            .collect();
        assert_eq!(found, [(name, 300), ("z", 1)]);
        assert_eq!(families[0].metrics[0].labels[0].name, label);
    }
}

#[test]
fn exponential_histograms_are_told_in_protobuf() {
    let now = now_ms();
    let server = with_histograms(now);
    let path = format!("/federate?match[]={}", escaped("{__name__=~\".+\"}"));
    let answer = server.get_with(&path, &[("accept", PROTOBUF)]);
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .starts_with("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"),
        "{}",
        answer.header("content-type")
    );
    let families = families(&answer);
    let kinds: Vec<_> = families
        .iter()
        .map(|family| (family.name.as_str(), family.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            ("custom", 3),
            ("custom", 4),
            ("exponential", 4),
            ("gauge", 5),
            ("only_infinity", 4)
        ]
    );
    let float = &families[0].metrics[0];
    assert_eq!(
        float.untyped,
        Some(Untyped {
            value: 53_317_632.0
        })
    );
    let labels: Vec<_> = float
        .labels
        .iter()
        .map(|label| (label.name.as_str(), label.value.as_str()))
        .collect();
    assert_eq!(labels, [("a", "1"), ("instance", "")]);
    let classic = families[1].metrics[0].histogram.as_ref().unwrap();
    let buckets: Vec<_> = classic
        .buckets
        .iter()
        .map(|bucket| (bucket.upper_bound, bucket.cumulative_count))
        .collect();
    assert_eq!(buckets, [(0.5, 1.0), (5_000_000.0, 3.0)]);
    let native = families[2].metrics[0].histogram.as_ref().unwrap();
    assert_eq!(families[2].metrics[0].timestamp_ms, now);
    assert_eq!((native.count, native.sum), (6.0, 12.5));
    assert_eq!((native.schema, native.zero_count), (2, 1.0));
    let span = Span {
        offset: -1,
        length: 2,
    };
    assert_eq!(native.positive_spans, [span]);
    assert_eq!(native.positive_counts, [3.0, 2.0]);
}
