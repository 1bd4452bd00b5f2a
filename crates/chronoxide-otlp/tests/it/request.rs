//! Requests written down briefly, and translations read back as text.

use chronoxide_model::{BatchSeries, Histogram, HistogramCounts, is_stale_marker};
use chronoxide_otlp::{
    DeltaLimits, DeltaMode, DeltaStreams, Options, Promotion, RefusalReason, Translation,
    translate_json, translate_message,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, Gauge, Histogram as HistogramData, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, exemplar, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// The time of points unless a test says otherwise.
pub(crate) const TIME_NS: u64 = 1_700_000_000_123_456_789;
/// [`TIME_NS`] as samples have it.
pub(crate) const TIME_MS: i64 = 1_700_000_000_123;
pub(crate) const DELTA: i32 = 1;
pub(crate) const CUMULATIVE: i32 = 2;

/// What Prometheus does when nothing is configured: no attribute promoted, deltas refused.
pub(crate) fn plain() -> Options {
    Options {
        promote: Promotion::None,
        delta: DeltaMode::Reject,
        ..Options::default()
    }
}

pub(crate) fn any_value(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

pub(crate) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(any_value(value)),
        ..KeyValue::default()
    }
}

pub(crate) fn texts(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    pairs
        .iter()
        .map(|(key, value)| attribute(key, Value::StringValue((*value).to_owned())))
        .collect()
}

/// The resource most tests use.
pub(crate) const R0: [(&str, &str); 3] = [
    ("service.name", "checkout"),
    ("service.namespace", "shop"),
    ("service.instance.id", "i-1"),
];

/// R0 with one attribute that describes it.
pub(crate) fn r0_with_host() -> Vec<(&'static str, &'static str)> {
    let mut pairs = R0.to_vec();
    pairs.push(("host.name", "h1"));
    pairs
}

pub(crate) fn number(value: f64) -> NumberDataPoint {
    NumberDataPoint {
        time_unix_nano: TIME_NS,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

pub(crate) fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

pub(crate) fn gauge(name: &str, unit: &str, points: Vec<NumberDataPoint>) -> Metric {
    metric(
        name,
        unit,
        Data::Gauge(Gauge {
            data_points: points,
        }),
    )
}

pub(crate) fn sum(
    name: &str,
    unit: &str,
    temporality: i32,
    is_monotonic: bool,
    points: Vec<NumberDataPoint>,
) -> Metric {
    let sum = Sum {
        data_points: points,
        aggregation_temporality: temporality,
        is_monotonic,
    };
    metric(name, unit, Data::Sum(sum))
}

pub(crate) fn counter(name: &str, unit: &str, points: Vec<NumberDataPoint>) -> Metric {
    sum(name, unit, CUMULATIVE, true, points)
}

pub(crate) fn histogram_point(
    bounds: &[f64],
    counts: &[u64],
    count: u64,
    sum: Option<f64>,
) -> HistogramDataPoint {
    HistogramDataPoint {
        time_unix_nano: TIME_NS,
        count,
        sum,
        bucket_counts: counts.to_vec(),
        explicit_bounds: bounds.to_vec(),
        ..HistogramDataPoint::default()
    }
}

pub(crate) fn histogram(
    name: &str,
    unit: &str,
    temporality: i32,
    points: Vec<HistogramDataPoint>,
) -> Metric {
    let histogram = HistogramData {
        data_points: points,
        aggregation_temporality: temporality,
    };
    metric(name, unit, Data::Histogram(histogram))
}

pub(crate) fn exemplar(value: f64) -> Exemplar {
    Exemplar {
        time_unix_nano: TIME_NS,
        value: Some(exemplar::Value::AsDouble(value)),
        ..Exemplar::default()
    }
}

pub(crate) fn resource_metrics(resource: &[(&str, &str)], metrics: Vec<Metric>) -> ResourceMetrics {
    ResourceMetrics {
        resource: Some(Resource {
            attributes: texts(resource),
            ..Resource::default()
        }),
        scope_metrics: vec![ScopeMetrics {
            scope: Some(InstrumentationScope {
                name: "lib".to_owned(),
                version: "1.0".to_owned(),
                attributes: texts(&[("a.b", "x")]),
                ..InstrumentationScope::default()
            }),
            metrics,
            schema_url: "u".to_owned(),
        }],
        ..ResourceMetrics::default()
    }
}

pub(crate) fn request(
    resource: &[(&str, &str)],
    metrics: Vec<Metric>,
) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest {
        resource_metrics: vec![resource_metrics(resource, metrics)],
    }
}

pub(crate) fn no_streams() -> DeltaStreams {
    DeltaStreams::new(DeltaLimits::default(), 7)
}

pub(crate) fn translate(request: &ExportMetricsServiceRequest, options: &Options) -> Translation {
    translate_message(request, options, &no_streams(), TIME_MS)
}

/// Translates metrics of R0 under [`plain`] options, and demands that the options as shipped come to the same, but for
/// the labels that they promote and the deltas that they add up.
pub(crate) fn plainly(metrics: Vec<Metric>) -> Translation {
    let request = request(&R0, metrics);
    let translation = translate(&request, &plain());
    let is_delta = |(reason, _)| reason == RefusalReason::DeltaTemporality;
    if !translation.refusals.counts().any(is_delta) {
        let shipped = translate(&request, &Options::default());
        assert_eq!(shipped.refusals, translation.refusals);
        assert_eq!(unpromoted(&shipped), unpromoted(&translation));
    }
    translation
}

/// All series without the labels that the default promotes of R0, each with all that it has.
fn unpromoted(translation: &Translation) -> Vec<String> {
    let without_promoted = |series: BatchSeries<'_>| {
        let labels = series.key.decode().expect("keys are readable");
        let own = labels
            .iter()
            .filter(|(name, _)| !name.starts_with("service_"));
        let own: Vec<_> = own.collect();
        let histograms: Vec<_> = series.histograms().collect();
        let (samples, exemplars) = (series.samples, series.exemplars);
        format!("{own:?} {samples:?} {histograms:?} {exemplars:?}")
    };
    translation.batch.series().map(without_promoted).collect()
}

pub(crate) fn json(body: &str, options: &Options) -> Translation {
    translate_json(body.as_bytes(), options, &no_streams(), TIME_MS)
        .expect("the request is readable")
}

fn labels_of(series: &BatchSeries<'_>) -> String {
    series.key.decode().expect("keys are readable").to_string()
}

/// Series by name and labels with each float sample as `value @time`, in the order of the batch.
pub(crate) fn floats(translation: &Translation) -> Vec<String> {
    let mut lines = Vec::new();
    for series in translation.batch.series() {
        let labels = labels_of(&series);
        for sample in series.samples {
            let value = if is_stale_marker(sample.value) {
                "stale".to_owned()
            } else {
                sample.value.to_string()
            };
            lines.push(format!("{labels} {value} @{}", sample.timestamp_ms));
        }
    }
    lines
}

/// Like [`floats`], without times.
pub(crate) fn values(translation: &Translation) -> Vec<String> {
    let cut = |line: String| {
        line.rsplit_once(" @")
            .map_or_else(String::new, |(value, _)| value.to_owned())
    };
    floats(translation).into_iter().map(cut).collect()
}

/// Labels of each series that has float samples.
pub(crate) fn series(translation: &Translation) -> Vec<String> {
    let with_samples = |series: &BatchSeries<'_>| !series.samples.is_empty();
    translation
        .batch
        .series()
        .filter(with_samples)
        .map(|series| labels_of(&series))
        .collect()
}

/// The native histograms: labels, time, histogram.
pub(crate) fn natives(translation: &Translation) -> Vec<(String, i64, Histogram)> {
    let mut natives = Vec::new();
    for series in translation.batch.series() {
        for (time_ms, _, histogram) in series.histograms() {
            natives.push((labels_of(&series), time_ms, histogram.clone()));
        }
    }
    natives
}

/// Index and count of buckets.
pub(crate) type Counted = Vec<(i32, u64)>;

/// The buckets that are not empty: the positive side, the negative side.
pub(crate) fn buckets(histogram: &Histogram) -> (Counted, Counted) {
    let HistogramCounts::Integer(counts) = &histogram.counts else {
        panic!("counts are integers");
    };
    let side = |spans: &[chronoxide_model::BucketSpan], counts: &[u64]| {
        let mut index = 0;
        let mut places = Vec::new();
        for span in spans {
            index += span.offset;
            for _ in 0..span.length {
                places.push(index);
                index += 1;
            }
        }
        assert_eq!(places.len(), counts.len());
        let pairs = places.into_iter().zip(counts.iter().copied());
        pairs.filter(|(_, count)| *count > 0).collect::<Counted>()
    };
    (
        side(&histogram.positive_spans, &counts.positive),
        side(&histogram.negative_spans, &counts.negative),
    )
}

/// Each series that has exemplars: its labels, then labels and value of each of them.
pub(crate) fn exemplars(translation: &Translation) -> Vec<String> {
    let mut lines = Vec::new();
    for series in translation.batch.series() {
        for exemplar in series.exemplars {
            lines.push(format!(
                "{} # {} {}",
                labels_of(&series),
                exemplar.labels,
                exemplar.value
            ));
        }
    }
    lines
}
