//! What a request says, in a form in which both readings of it can be compared bit by bit.

use chronoxide_model::{Histogram, HistogramCounts, Labels, METRIC_NAME, WriteOutcome};
use chronoxide_remote_write::Decoded;

use crate::oracle::{self, Count, ZeroCount};

/// One series that a request brings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeenSeries {
    /// The labels, or nothing when they cannot stand together.
    pub(crate) labels: Option<Labels>,
    /// Time, bits of the value, start time.
    pub(crate) samples: Vec<(i64, u64, i64)>,
    pub(crate) histograms: Vec<SeenHistogram>,
    /// Labels, time, bits of the value.
    pub(crate) exemplars: Vec<(Labels, i64, u64)>,
}

/// A histogram as numbers without meaning.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeenHistogram {
    pub(crate) timestamp_ms: i64,
    pub(crate) start_ms: i64,
    pub(crate) hint: String,
    pub(crate) schema: i32,
    pub(crate) sum: u64,
    pub(crate) zero_threshold: u64,
    /// Spans and buckets of both sides; empty where they have been merged.
    pub(crate) shape: String,
    pub(crate) count: String,
}

/// What the walker read.
pub(crate) fn of_decoded(decoded: &Decoded<'_>) -> Vec<SeenSeries> {
    let series = decoded.batch.series().map(|series| {
        let started = |index: usize| series.start_timestamps_ms.get(index).copied().unwrap_or(0);
        let samples = series.samples.iter().enumerate();
        let exemplars = series.exemplars.iter();
        SeenSeries {
            labels: series.key.decode().ok(),
            samples: samples
                .map(|(index, sample)| {
                    let bits = sample.value.to_bits();
                    (sample.timestamp_ms, bits, started(index))
                })
                .collect(),
            histograms: series
                .histograms()
                .map(|(timestamp_ms, start_ms, histogram)| {
                    of_histogram(timestamp_ms, start_ms, histogram, false)
                })
                .collect(),
            exemplars: exemplars
                .map(|exemplar| {
                    let bits = exemplar.value.to_bits();
                    (exemplar.labels.clone(), exemplar.timestamp_ms, bits)
                })
                .collect(),
        }
    });
    series.collect()
}

fn of_histogram(
    timestamp_ms: i64,
    start_ms: i64,
    histogram: &Histogram,
    is_merged: bool,
) -> SeenHistogram {
    let bits =
        |counts: &[f64]| -> Vec<u64> { counts.iter().map(|count| count.to_bits()).collect() };
    let (count, zero_count, positive, negative) = match &histogram.counts {
        HistogramCounts::Integer(counts) => (
            format!("{}", counts.count),
            format!("{}", counts.zero_count),
            format!("{:?}", counts.positive),
            format!("{:?}", counts.negative),
        ),
        HistogramCounts::Float(counts) => (
            format!("f{:x}", counts.count.to_bits()),
            format!("f{:x}", counts.zero_count.to_bits()),
            format!("{:?}", bits(&counts.positive)),
            format!("{:?}", bits(&counts.negative)),
        ),
    };
    let spans = format!(
        "{:?} {:?}",
        histogram.positive_spans, histogram.negative_spans
    );
    let bounds = bits(&histogram.custom_bounds);
    // The finest schema may be one that was merged down to it, and then its buckets are not what was sent.
    let shape = if is_merged || histogram.schema == 8 {
        String::new()
    } else {
        format!("{spans} {positive} {negative} {bounds:?}")
    };
    SeenHistogram {
        timestamp_ms,
        start_ms,
        hint: format!("{:?}", histogram.counter_reset_hint),
        schema: i32::from(histogram.schema),
        sum: histogram.sum.to_bits(),
        zero_threshold: histogram.zero_threshold.to_bits(),
        shape,
        count: format!("{count} {zero_count}"),
    }
}

/// What prost read of a histogram; nothing when it contradicts itself.
pub(crate) fn of_oracle(message: &oracle::Histogram) -> Option<SeenHistogram> {
    let start_ms = start(message.start_timestamp, message.timestamp);
    let histogram = build(message)?;
    histogram.validate().ok()?;
    let is_merged = message.schema > 8 && !histogram.is_stale();
    Some(of_histogram(
        message.timestamp,
        start_ms,
        &histogram,
        is_merged,
    ))
}

fn build(message: &oracle::Histogram) -> Option<Histogram> {
    use chronoxide_model::{BucketCounts, BucketSpan, CounterResetHint};
    let hint = match message.reset_hint {
        1 => CounterResetHint::Reset,
        2 => CounterResetHint::NotReset,
        3 => CounterResetHint::Gauge,
        _ => CounterResetHint::Unknown,
    };
    let is_float = matches!(message.count, Some(Count::Float(_)))
        || matches!(message.zero_count, Some(ZeroCount::Float(_)));
    if chronoxide_model::is_stale_marker(message.sum) {
        let counts = if is_float {
            HistogramCounts::Float(BucketCounts::default())
        } else {
            HistogramCounts::Integer(BucketCounts::default())
        };
        return Some(Histogram {
            counter_reset_hint: CounterResetHint::Unknown,
            schema: 0,
            zero_threshold: 0.0,
            sum: message.sum,
            positive_spans: Vec::new(),
            negative_spans: Vec::new(),
            counts,
            custom_bounds: [].into(),
        });
    }
    let schema = match message.schema {
        -53 => -53,
        schema @ -4..=8 => schema as i8,
        9..=52 => 8,
        _ => return None,
    };
    let spans = |spans: &[oracle::Span]| {
        let spans = spans.iter().map(|span| BucketSpan {
            offset: span.offset,
            length: span.length,
        });
        spans.collect::<Vec<_>>()
    };
    let counts = if is_float {
        HistogramCounts::Float(BucketCounts {
            count: match message.count {
                Some(Count::Float(count)) => count,
                Some(Count::Integer(count)) => count as f64,
                None => 0.0,
            },
            zero_count: match message.zero_count {
                Some(ZeroCount::Float(count)) => count,
                Some(ZeroCount::Integer(count)) => count as f64,
                None => 0.0,
            },
            positive: message.positive_counts.clone(),
            negative: message.negative_counts.clone(),
        })
    } else {
        HistogramCounts::Integer(BucketCounts {
            count: match message.count {
                Some(Count::Integer(count)) => count,
                _ => 0,
            },
            zero_count: match message.zero_count {
                Some(ZeroCount::Integer(count)) => count,
                _ => 0,
            },
            positive: sums(&message.positive_deltas)?,
            negative: sums(&message.negative_deltas)?,
        })
    };
    Some(Histogram {
        counter_reset_hint: hint,
        schema,
        zero_threshold: message.zero_threshold,
        sum: message.sum,
        positive_spans: spans(&message.positive_spans),
        negative_spans: spans(&message.negative_spans),
        counts,
        custom_bounds: message.custom_values.clone().into(),
    })
}

fn sums(deltas: &[i64]) -> Option<Vec<u64>> {
    let mut sum = 0_i128;
    let each = deltas.iter().map(|delta| {
        sum += i128::from(*delta);
        let fits = i64::try_from(sum).ok()?;
        u64::try_from(fits).ok()
    });
    each.collect()
}

/// A start time as it is kept: none when it lies after what it starts.
pub(crate) fn start(start_ms: i64, timestamp_ms: i64) -> i64 {
    if start_ms <= timestamp_ms {
        start_ms
    } else {
        0
    }
}

/// The labels of `pairs`, if they are texts that can stand together.
pub(crate) fn labels_of<'p>(pairs: impl Iterator<Item = (&'p [u8], &'p [u8])>) -> Option<Labels> {
    let texts: Option<Vec<_>> = pairs
        .map(|(name, value)| {
            let name = std::str::from_utf8(name).ok()?;
            Some((name, std::str::from_utf8(value).ok()?))
        })
        .collect();
    Labels::from_pairs(texts?).ok()
}

/// The labels of a series, which must have a name.
pub(crate) fn named(labels: Option<Labels>) -> Option<Labels> {
    labels.filter(|labels| labels.get(METRIC_NAME).is_some())
}

/// Rejections without their texts.
pub(crate) fn reasons(outcome: &WriteOutcome) -> Vec<(&'static str, u64)> {
    let all = outcome.samples_rejected_by_reason.iter();
    all.map(|(reason, samples)| (reason.as_str(), *samples))
        .collect()
}
