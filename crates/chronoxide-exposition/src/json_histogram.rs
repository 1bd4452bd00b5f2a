//! Native histograms as members of a JSON line.

use chronoxide_model::{BucketCounts, BucketSpan, CounterResetHint, Histogram, HistogramCounts};
use serde::{Deserialize, Serialize};

/// A histogram; floats that JSON has no number for are written as their bits.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct JsonHistogram {
    reset: Hint,
    schema: i8,
    zero_threshold: Float,
    sum: Float,
    positive_spans: Vec<(i32, u32)>,
    negative_spans: Vec<(i32, u32)>,
    counts: Counts,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    custom_bounds: Vec<Float>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Hint {
    Unknown,
    Reset,
    NotReset,
    Gauge,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Counts {
    Integer(Buckets<u64>),
    Float(Buckets<Float>),
}

#[derive(Debug, Deserialize, Serialize)]
struct Buckets<T> {
    count: T,
    zero_count: T,
    positive: Vec<T>,
    negative: Vec<T>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Float {
    Finite(f64),
    Bits(Bits),
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
struct Bits(u64);

impl TryFrom<String> for Bits {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

impl From<Bits> for String {
    fn from(bits: Bits) -> Self {
        format!("{:016x}", bits.0)
    }
}

impl From<f64> for Float {
    fn from(value: f64) -> Self {
        if value.is_finite() {
            Self::Finite(value)
        } else {
            Self::Bits(Bits(value.to_bits()))
        }
    }
}

impl From<Float> for f64 {
    fn from(float: Float) -> Self {
        match float {
            Float::Finite(value) => value,
            Float::Bits(bits) => Self::from_bits(bits.0),
        }
    }
}

fn floats<T: Copy, U: From<T>>(values: &[T]) -> Vec<U> {
    values.iter().map(|value| U::from(*value)).collect()
}

impl From<&Histogram> for JsonHistogram {
    fn from(histogram: &Histogram) -> Self {
        let spans = |spans: &[BucketSpan]| {
            let pairs = spans.iter().map(|span| (span.offset, span.length));
            pairs.collect()
        };
        Self {
            reset: match histogram.counter_reset_hint {
                CounterResetHint::Unknown => Hint::Unknown,
                CounterResetHint::Reset => Hint::Reset,
                CounterResetHint::NotReset => Hint::NotReset,
                CounterResetHint::Gauge => Hint::Gauge,
            },
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold.into(),
            sum: histogram.sum.into(),
            positive_spans: spans(&histogram.positive_spans),
            negative_spans: spans(&histogram.negative_spans),
            counts: match &histogram.counts {
                HistogramCounts::Integer(counts) => Counts::Integer(Buckets {
                    count: counts.count,
                    zero_count: counts.zero_count,
                    positive: counts.positive.clone(),
                    negative: counts.negative.clone(),
                }),
                HistogramCounts::Float(counts) => Counts::Float(Buckets {
                    count: counts.count.into(),
                    zero_count: counts.zero_count.into(),
                    positive: floats(&counts.positive),
                    negative: floats(&counts.negative),
                }),
            },
            custom_bounds: floats(&histogram.custom_bounds),
        }
    }
}

impl From<&JsonHistogram> for Histogram {
    fn from(json: &JsonHistogram) -> Self {
        let spans = |pairs: &[(i32, u32)]| {
            let spans = pairs.iter().map(|(offset, length)| BucketSpan {
                offset: *offset,
                length: *length,
            });
            spans.collect()
        };
        Self {
            counter_reset_hint: match json.reset {
                Hint::Unknown => CounterResetHint::Unknown,
                Hint::Reset => CounterResetHint::Reset,
                Hint::NotReset => CounterResetHint::NotReset,
                Hint::Gauge => CounterResetHint::Gauge,
            },
            schema: json.schema,
            zero_threshold: json.zero_threshold.into(),
            sum: json.sum.into(),
            positive_spans: spans(&json.positive_spans),
            negative_spans: spans(&json.negative_spans),
            counts: match &json.counts {
                Counts::Integer(buckets) => HistogramCounts::Integer(BucketCounts {
                    count: buckets.count,
                    zero_count: buckets.zero_count,
                    positive: buckets.positive.clone(),
                    negative: buckets.negative.clone(),
                }),
                Counts::Float(buckets) => HistogramCounts::Float(BucketCounts {
                    count: buckets.count.into(),
                    zero_count: buckets.zero_count.into(),
                    positive: floats(&buckets.positive),
                    negative: floats(&buckets.negative),
                }),
            },
            custom_bounds: floats(&json.custom_bounds).into(),
        }
    }
}
