//! Exponential histograms: native histograms, bucket by bucket.

use std::sync::Arc;

use chronoxide_model::{BucketCounts, CounterResetHint, Histogram, HistogramCounts};

use crate::buckets::{Layout, lay_out};
use crate::histogram::{BUCKET_BYTES, HISTOGRAM_BYTES, invalid, stale_native};
use crate::refusal::Refusal;
use crate::temporality::Span;
use crate::translator::{Times, Translator};
use crate::view::{Buckets, ExponentialHistogram, Point};

/// The coarsest and the finest schema of native histograms.
pub(crate) const SCHEMA_MIN: i32 = -4;
pub(crate) const SCHEMA_MAX: i32 = 8;

/// The half width of the zero bucket where the sender gives none, as Prometheus has it.
const ZERO_THRESHOLD: f64 = 1e-128;

impl Translator<'_> {
    /// Takes a point of an exponential histogram.
    pub(crate) fn exponential_point(
        &mut self,
        point: &mut Point<'_, '_>,
        histogram: ExponentialHistogram<'_>,
    ) {
        if let Err(refusal) = self.try_exponential_point(point, histogram) {
            self.refuse(&refusal);
        }
    }

    fn try_exponential_point(
        &mut self,
        point: &mut Point<'_, '_>,
        histogram: ExponentialHistogram<'_>,
    ) -> Result<(), Refusal> {
        let mut times = self.admit(point)?;
        if self.metric.raw_delta {
            times.start_ms = 0;
        }
        let stale = point.is_stale();
        let buckets = histogram.positive.counts.len() + histogram.negative.counts.len();
        self.take(HISTOGRAM_BYTES + BUCKET_BYTES * buckets)?;
        // What cannot be stored must not be added up either, so this is checked before anything is counted.
        let sent = if stale {
            stale_native(0)
        } else {
            native(&histogram, self.reset_hint())?
        };
        let mut stream = None;
        let native = if stale || !self.metric.accumulates {
            sent
        } else {
            self.check_window(times.time_ms)?;
            let key = self.stream_hash();
            let hint = self.reset_hint();
            let span = Span::of(point);
            let added = self
                .deltas
                .add_exponential(key, span, &histogram, |total| native(&total.view(), hint))?;
            let Some((total, start_ns)) = added else {
                self.accept_again();
                return Ok(());
            };
            stream = Some(key);
            times = Times::new(start_ns, point.time_ns);
            // The total may have more buckets than the delta.
            self.take(BUCKET_BYTES * bucket_count(&total))?;
            total
        };
        self.start_series("", None);
        self.batch
            .push_histogram(times.time_ms, times.start_ms, native);
        if !stale {
            self.push_exemplars(point.exemplars, times);
        }
        self.accept(times, stale, stream);
        Ok(())
    }
}

fn bucket_count(native: &Histogram) -> usize {
    match &native.counts {
        HistogramCounts::Integer(counts) => counts.positive.len() + counts.negative.len(),
        HistogramCounts::Float(counts) => counts.positive.len() + counts.negative.len(),
    }
}

/// The native histogram of the same observations.
fn native(
    histogram: &ExponentialHistogram<'_>,
    counter_reset_hint: CounterResetHint,
) -> Result<Histogram, Refusal> {
    let scale = histogram.scale;
    if scale < SCHEMA_MIN {
        return Err(invalid(format!(
            "its scale {scale} is coarser than {SCHEMA_MIN}, the coarsest that native histograms have"
        )));
    }
    let schema = scale.min(SCHEMA_MAX);
    let merged = u32::try_from(scale - schema).expect("schema is scale or less");
    let positive = side(histogram.positive, merged)?;
    let negative = side(histogram.negative, merged)?;
    let native = Histogram {
        counter_reset_hint,
        schema: i8::try_from(schema).expect("schema lies from -4 to 8"),
        zero_threshold: zero_threshold(histogram.zero_threshold)?,
        sum: histogram.sum.unwrap_or(0.0),
        positive_spans: positive.spans,
        negative_spans: negative.spans,
        counts: HistogramCounts::Integer(BucketCounts {
            count: histogram.count,
            zero_count: histogram.zero_count,
            positive: positive.counts,
            negative: negative.counts,
        }),
        custom_bounds: Arc::default(),
    };
    native
        .validate()
        .map_err(|error| invalid(error.to_string()))?;
    Ok(native)
}

fn zero_threshold(threshold: f64) -> Result<f64, Refusal> {
    if threshold == f64::INFINITY {
        return Err(invalid("its zero threshold is infinite"));
    }
    Ok(if threshold > 0.0 {
        threshold
    } else {
        ZERO_THRESHOLD
    })
}

/// One side with `2^merged` neighbours in one bucket; native indexes count upper bounds, OTLP's count lower ones.
fn side(buckets: Buckets<'_>, merged: u32) -> Result<Layout, Refusal> {
    let first = i64::from(buckets.offset);
    let indexed = (first..).zip(buckets.counts.iter().copied());
    // Past 63 all negative indexes are one bucket, and so are all others.
    let shift = merged.min(63);
    lay_out(indexed.map(|(index, count)| ((index >> shift) + 1, count)))
        .ok_or_else(|| invalid("its bucket indexes or counts pass what native histograms can hold"))
}
