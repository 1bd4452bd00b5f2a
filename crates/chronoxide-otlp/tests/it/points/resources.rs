use chronoxide_model::HistogramCounts;
use chronoxide_otlp::{Options, Promotion, RefusalReason};

use crate::request::*;

fn translated(resource: &[(&str, &str)], options: &Options) -> Vec<String> {
    values(&translate(
        &request(resource, vec![gauge("m", "", vec![number(1.0)])]),
        options,
    ))
}

fn promoting(promote: Promotion) -> Options {
    Options { promote, ..plain() }
}

const DATA: &str = r#"m{instance="i-1", job="shop/checkout"} 1"#;
const TARGET: &str = r#"target_info{host_name="h1", instance="i-1", job="shop/checkout"} 1"#;

#[test]
fn s13_to_s15_identity_is_made_of_service_attributes() {
    assert_eq!(
        translated(&[("service.instance.id", "i-9")], &plain()),
        [r#"m{instance="i-9"} 1"#]
    );
    let empty_namespace = [("service.name", "checkout"), ("service.namespace", "")];
    assert_eq!(
        translated(&empty_namespace, &plain()),
        [r#"m{job="checkout"} 1"#]
    );
    assert_eq!(translated(&[("host.name", "h1")], &plain()), ["m 1"]);
}

#[test]
fn s16_to_s18_target_info_tells_what_identity_does_not() {
    assert_eq!(translated(&R0, &plain()), [DATA]);
    assert_eq!(translated(&r0_with_host(), &plain()), [DATA, TARGET]);
    let keeping = Options {
        keep_identifying_attributes: true,
        ..plain()
    };
    let all = r#"target_info{host_name="h1", instance="i-1", job="shop/checkout", service_instance_id="i-1", service_name="checkout", service_namespace="shop"} 1"#;
    assert_eq!(translated(&r0_with_host(), &keeping), [DATA, all]);
    assert_eq!(translated(&R0, &keeping), [DATA]);
}

#[test]
fn s19_target_info_covers_the_times_of_the_points() {
    let at = |seconds: u64| {
        let mut point = number(1.0);
        point.time_unix_nano = 1_700_000_000_000_000_000 + seconds * 1_000_000_000;
        point
    };
    let metrics = vec![gauge("m", "", vec![at(360), at(0)])];
    let translation = translate(&request(&r0_with_host(), metrics), &plain());
    let times: Vec<i64> = translation
        .batch
        .last_series()
        .unwrap()
        .samples
        .iter()
        .map(|sample| (sample.timestamp_ms - 1_700_000_000_000) / 1000)
        .collect();
    assert_eq!(times, [0, 150, 300, 360]);
}

#[test]
fn target_info_stays_small_however_far_apart_the_points_are() {
    let at = |time_unix_nano: u64| {
        let mut point = number(1.0);
        point.time_unix_nano = time_unix_nano;
        point
    };
    let metrics = vec![gauge("m", "", vec![at(1_000_000), at(u64::MAX)])];
    let translation = translate(&request(&r0_with_host(), metrics), &plain());
    let samples = translation.batch.last_series().unwrap().samples;
    assert!(samples.len() <= 5_000, "{} samples", samples.len());
    assert_eq!(
        samples.last().unwrap().timestamp_ms,
        i64::try_from(u64::MAX / 1_000_000).unwrap()
    );
}

#[test]
fn s20_s21_promoted_attributes_give_way_to_those_of_the_point() {
    let options = promoting(Promotion::List(vec!["host.name".to_owned()]));
    let promoted = r#"m{host_name="h1", instance="i-1", job="shop/checkout"} 1"#;
    assert_eq!(translated(&r0_with_host(), &options), [promoted, TARGET]);
    let mut point = number(1.0);
    point.attributes = texts(&[("host.name", "p")]);
    let translation = translate(
        &request(&r0_with_host(), vec![gauge("m", "", vec![point])]),
        &options,
    );
    assert_eq!(
        series(&translation)[0],
        r#"m{host_name="p", instance="i-1", job="shop/checkout"}"#
    );
}

#[test]
fn s22_everything_but_the_ignored_is_promoted_where_asked_for() {
    let options = promoting(Promotion::AllExcept(vec!["host.name".to_owned()]));
    let promoted = r#"m{instance="i-1", job="shop/checkout", service_instance_id="i-1", service_name="checkout", service_namespace="shop"} 1"#;
    assert_eq!(translated(&r0_with_host(), &options), [promoted, TARGET]);
}

#[test]
fn the_default_promotes_the_usual_descriptions_and_nothing_else() {
    let resource = [
        ("service.name", "checkout"),
        ("deployment.environment.name", "prod"),
        ("k8s.pod.name", "p1"),
        ("host.name", "h1"),
        ("process.pid", "1"),
    ];
    let promoted = r#"m{deployment_environment_name="prod", host_name="h1", job="checkout", k8s_pod_name="p1", service_name="checkout"} 1"#;
    assert_eq!(translated(&resource, &Options::default())[0], promoted);
}

#[test]
fn the_last_of_promoted_attributes_with_one_name_stands() {
    let options = promoting(Promotion::AllExcept(Vec::new()));
    assert_eq!(
        translated(&[("a.b", "1"), ("a_b", "2")], &options),
        [r#"m{a_b="2"} 1"#]
    );
}

#[test]
fn s23_one_resource_sent_twice_has_one_target_info() {
    let mut request = request(&r0_with_host(), vec![gauge("m", "", vec![number(1.0)])]);
    request.resource_metrics.push(resource_metrics(
        &r0_with_host(),
        vec![gauge("n", "", vec![number(1.0)])],
    ));
    let lines = values(&translate(&request, &plain()));
    assert_eq!(lines.iter().filter(|line| *line == TARGET).count(), 1);
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_resource_whose_points_are_all_refused_has_no_target_info() {
    let unnamed = vec![gauge("日本", "", vec![number(1.0)])];
    let translation = translate(&request(&r0_with_host(), unnamed), &plain());
    assert!(translation.batch.is_empty());
    assert_eq!(translation.refusals.total(), 1);
}

#[test]
fn s24_s25_scopes_become_labels_where_asked_for_and_named() {
    let options = Options {
        scope_labels: true,
        ..plain()
    };
    let scoped = r#"m{instance="i-1", job="shop/checkout", otel_scope_a_b="x", otel_scope_name="lib", otel_scope_schema_url="u", otel_scope_version="1.0"} 1"#;
    assert_eq!(translated(&r0_with_host(), &options), [scoped, TARGET]);
    let mut request = request(&R0, vec![gauge("m", "", vec![number(1.0)])]);
    request.resource_metrics[0].scope_metrics[0]
        .scope
        .as_mut()
        .unwrap()
        .name
        .clear();
    assert_eq!(values(&translate(&request, &options)), [DATA]);
}

#[test]
fn too_many_attributes_refuse_the_points_they_describe() {
    let keys: Vec<String> = (0..1025).map(|index| format!("k{index}")).collect();
    let many: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "v")).collect();
    let translation = translate(
        &request(&many, vec![gauge("m", "", vec![number(1.0)])]),
        &plain(),
    );
    assert_eq!(
        translation.refusals.counts().collect::<Vec<_>>(),
        [(RefusalReason::LabelsTooLarge, 1)]
    );
    let mut point = number(1.0);
    point.attributes = texts(&many);
    let metrics = vec![gauge("m", "", vec![point, number(2.0)])];
    let translation = translate(&request(&R0, metrics), &plain());
    assert_eq!(
        translation.refusals.counts().collect::<Vec<_>>(),
        [(RefusalReason::LabelsTooLarge, 1)]
    );
    assert_eq!(translation.points_accepted, 1);
}

#[test]
fn colliding_values_cannot_make_labels_without_bound() {
    let long = "v".repeat(200_000);
    let keys: Vec<String> = (0..60)
        .map(|index: u32| format!("a{}", char::from_u32(0x4e00 + index).unwrap()))
        .collect();
    let pairs: Vec<(&str, &str)> = keys
        .iter()
        .map(|key| (key.as_str(), long.as_str()))
        .collect();
    let mut point = number(1.0);
    point.attributes = texts(&pairs);
    let translation = plainly(vec![gauge("m", "", vec![point])]);
    assert_eq!(
        translation.refusals.counts().collect::<Vec<_>>(),
        [(RefusalReason::LabelsTooLarge, 1)]
    );
}

#[test]
fn s59_the_examples_of_the_protocol_are_read() {
    let example = include_str!("../../vectors/metrics.json");
    let translation = json(
        &example.replace(
            "\"aggregationTemporality\": 1",
            "\"aggregationTemporality\": 2",
        ),
        &plain(),
    );
    let expected = [
        r#"my_counter_total{job="my.service", my_counter_attr="some value"} 5"#,
        r#"my_gauge_ratio{job="my.service", my_gauge_attr="some value"} 10"#,
        r#"my_histogram_sum{job="my.service", my_histogram_attr="some value"} 2"#,
        r#"my_histogram_count{job="my.service", my_histogram_attr="some value"} 2"#,
        r#"my_histogram_bucket{job="my.service", le="1", my_histogram_attr="some value"} 1"#,
        r#"my_histogram_bucket{job="my.service", le="+Inf", my_histogram_attr="some value"} 2"#,
    ];
    assert_eq!(values(&translation), expected);
    assert!(
        floats(&translation)
            .iter()
            .all(|line| line.ends_with(" @1544712660300"))
    );
    let (labels, time_ms, native) = natives(&translation).remove(0);
    assert_eq!(time_ms, 1_544_712_660_300);
    assert!(labels.starts_with("my_exponential_histogram{"), "{labels}");
    assert_eq!((native.schema, native.sum), (0, 10.0));
    assert_eq!(buckets(&native), (vec![(3, 2)], vec![]));
    let HistogramCounts::Integer(counts) = &native.counts else {
        panic!("counts are integers");
    };
    assert_eq!((counts.count, counts.zero_count), (3, 1));
    let refused = json(example, &plain());
    assert_eq!(
        refused.refusals.counts().collect::<Vec<_>>(),
        [(RefusalReason::DeltaTemporality, 3)]
    );
}

#[test]
fn target_info_is_made_of_what_is_stored_and_lies_next_to_the_latest() {
    let point = |time_ns| opentelemetry_proto::tonic::metrics::v1::NumberDataPoint {
        time_unix_nano: time_ns,
        ..number(1.0)
    };
    // One bad time, a millisecond after 1970.
    let body = request(
        &r0_with_host(),
        vec![gauge("m", "", vec![point(1_000_000), point(TIME_NS)])],
    );
    let times = |options: &Options| -> Vec<i64> {
        let translation = translate(&body, options);
        let infos = translation.batch.series().filter(|series| {
            let labels = series.key.decode().unwrap();
            labels.metric_name() == Some("target_info")
        });
        infos
            .flat_map(|series| series.samples.iter().map(|sample| sample.timestamp_ms))
            .collect()
    };
    let within = Options {
        past_ms: 30 * 24 * 3_600_000,
        ..plain()
    };
    assert_eq!(times(&within), [TIME_MS]);
    let all = times(&plain());
    assert_eq!(all.len(), 4097);
    assert_eq!(all.last(), Some(&TIME_MS));
    assert!(TIME_MS - all[0] <= 4097 * 150_000, "{}", all[0]);
}
