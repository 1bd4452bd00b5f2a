//! The protobuf form of a federation: messages of metric families, each after its length.
//!
//! A family is never there as a whole: its series are made once to know how long they are, and again to be written.

use chronoxide_model::{
    BucketSpan as ModelSpan, CUSTOM_BUCKETS_SCHEMA, Histogram as ModelHistogram, HistogramCounts,
    METRIC_NAME,
};
use chronoxide_promql::FloatHistogram;
use prost::Message as _;
use prost::encoding::{encode_varint, message};

use super::text::Names;
use super::{Kind, Newest, NewestValue, SERIES_UNWATCHED};
use crate::answer_bytes::AnswerBytes;
use crate::error::ApiError;

/// The field of a family that has its series.
const METRICS: u32 = 4;

#[derive(Clone, PartialEq, prost::Message)]
struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    /// 3: untyped, 4: histogram, 5: gauge histogram.
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    metrics: Vec<Metric>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<LabelPair>,
    #[prost(message, optional, tag = "5")]
    untyped: Option<Untyped>,
    #[prost(int64, optional, tag = "6")]
    timestamp_ms: Option<i64>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LabelPair {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Untyped {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Histogram {
    #[prost(double, optional, tag = "2")]
    sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    buckets: Vec<Bucket>,
    #[prost(double, optional, tag = "4")]
    count: Option<f64>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(double, optional, tag = "8")]
    zero_count: Option<f64>,
    #[prost(message, repeated, tag = "9")]
    negative_spans: Vec<BucketSpan>,
    #[prost(double, repeated, packed = "false", tag = "11")]
    negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "12")]
    positive_spans: Vec<BucketSpan>,
    #[prost(double, repeated, packed = "false", tag = "14")]
    positive_counts: Vec<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Bucket {
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
    #[prost(double, optional, tag = "4")]
    cumulative_count: Option<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct BucketSpan {
    #[prost(sint32, optional, tag = "1")]
    offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    length: Option<u32>,
}

/// Appends the message of a family, which has all of `series`.
pub(super) fn write_family(
    out: &mut AnswerBytes,
    names: Names,
    series: &[Newest],
) -> Result<(), ApiError> {
    let Some(first) = series.first() else {
        return Ok(());
    };
    let head = MetricFamily {
        name: first.labels.metric_name().map(|name| names.of(name, true)),
        kind: Some(match first.kind() {
            Kind::Float => 3,
            Kind::Histogram => 4,
            Kind::GaugeHistogram => 5,
        }),
        metrics: Vec::new(),
    };
    let mut bytes = head.encoded_len();
    for (index, newest) in series.iter().enumerate() {
        if index % SERIES_UNWATCHED == 0 {
            out.check()?;
        }
        bytes += message::encoded_len(METRICS, &metric(newest, names));
    }
    encode_varint(bytes as u64, out.pending());
    head.encode_raw(out.pending());
    for newest in series {
        message::encode(METRICS, &metric(newest, names), out.pending());
        out.seal_full()?;
    }
    Ok(())
}

fn metric(newest: &Newest, names: Names) -> Metric {
    let pair = |name: &str, value: &str| LabelPair {
        name: Some(names.of(name, false)),
        value: Some(value.to_owned()),
    };
    let labels = newest.labels.iter();
    let mut labels: Vec<LabelPair> = labels
        .filter(|(name, _)| *name != METRIC_NAME)
        .map(|(name, value)| pair(name, value))
        .collect();
    if newest.labels.get("instance").is_none() {
        labels.push(pair("instance", ""));
    }
    let mut metric = Metric {
        labels,
        timestamp_ms: Some(newest.timestamp_ms),
        ..Metric::default()
    };
    match &newest.value {
        NewestValue::Float(value) => {
            metric.untyped = Some(Untyped {
                value: Some(*value),
            });
        }
        NewestValue::Histogram(histogram) if histogram.schema == CUSTOM_BUCKETS_SCHEMA => {
            metric.histogram = Some(classic(&FloatHistogram::from(&**histogram)));
        }
        NewestValue::Histogram(histogram) => metric.histogram = Some(native(histogram)),
    }
    metric
}

/// Custom buckets as classic ones; the last, without bound, is understood.
fn classic(histogram: &FloatHistogram) -> Histogram {
    let mut cumulative = 0.0;
    let mut counts = histogram.positive.iter().peekable();
    let bounds = (0..).zip(histogram.custom_bounds.iter());
    let buckets = bounds.map(|(index, bound)| {
        while let Some((_, count)) = counts.next_if(|(bucket, _)| *bucket <= index) {
            cumulative += count;
        }
        Bucket {
            upper_bound: Some(*bound),
            cumulative_count: Some(cumulative),
        }
    });
    Histogram {
        buckets: buckets.collect(),
        count: Some(histogram.count),
        sum: Some(histogram.sum),
        ..Histogram::default()
    }
}

/// Exponential buckets as they are, counted in floats.
fn native(histogram: &ModelHistogram) -> Histogram {
    let floats = |counts: &[u64]| counts.iter().map(|count| *count as f64).collect();
    let (count, zero_count, positive_counts, negative_counts) = match &histogram.counts {
        HistogramCounts::Integer(counts) => (
            counts.count as f64,
            counts.zero_count as f64,
            floats(&counts.positive),
            floats(&counts.negative),
        ),
        HistogramCounts::Float(counts) => (
            counts.count,
            counts.zero_count,
            counts.positive.clone(),
            counts.negative.clone(),
        ),
    };
    Histogram {
        sum: Some(histogram.sum),
        buckets: Vec::new(),
        count: Some(count),
        schema: Some(i32::from(histogram.schema)),
        zero_threshold: Some(histogram.zero_threshold),
        zero_count: Some(zero_count),
        negative_spans: spans(&histogram.negative_spans),
        negative_counts,
        positive_spans: spans(&histogram.positive_spans),
        positive_counts,
    }
}

fn spans(spans: &[ModelSpan]) -> Vec<BucketSpan> {
    let span = |span: &ModelSpan| BucketSpan {
        offset: Some(span.offset),
        length: Some(span.length),
    };
    spans.iter().map(span).collect()
}
