//! Explicit-bucket histograms: classic series, or one native histogram with custom bounds.

use chronoxide_model::{
    BucketCounts, CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Histogram, HistogramCounts, STALE_MARKER,
};

use crate::buckets::lay_out;
use crate::refusal::Refusal;
use crate::temporality::Span;
use crate::translator::{Times, Translator};
use crate::view::{ExemplarView, ExplicitHistogram, Point};
use crate::{HistogramForm, RefusalReason};

/// What a native histogram takes on its way to disk, beside its buckets.
pub(crate) const HISTOGRAM_BYTES: usize = 1024;

/// What one of its buckets takes: count, bound and span, in the batch, in the log's record and in between.
pub(crate) const BUCKET_BYTES: usize = 64;

impl Translator<'_> {
    /// Takes a point of an explicit-bucket histogram.
    pub(crate) fn histogram_point(
        &mut self,
        point: &mut Point<'_, '_>,
        histogram: ExplicitHistogram<'_>,
    ) {
        if let Err(refusal) = self.try_histogram_point(point, histogram) {
            self.refuse(&refusal);
        }
    }

    fn try_histogram_point(
        &mut self,
        point: &mut Point<'_, '_>,
        histogram: ExplicitHistogram<'_>,
    ) -> Result<(), Refusal> {
        let mut times = self.admit(point)?;
        if self.metric.raw_delta {
            times.start_ms = 0;
        }
        let stale = point.is_stale();
        check_shape(&histogram, stale)?;
        match self.options.histograms {
            HistogramForm::Classic => self.check_room(histogram.bounds.len() + 3)?,
            HistogramForm::CustomBuckets => {
                self.take(HISTOGRAM_BYTES + BUCKET_BYTES * histogram.bounds.len())?;
            }
        }
        // What cannot be stored must not be added up either, so this is checked before anything is counted.
        let native = match self.options.histograms {
            HistogramForm::Classic => None,
            HistogramForm::CustomBuckets if stale => Some(stale_native(CUSTOM_BUCKETS_SCHEMA)),
            HistogramForm::CustomBuckets => Some(custom_native(&histogram, self.reset_hint())?),
        };
        let mut stream = None;
        if stale || !self.metric.accumulates {
            self.write_histogram(point.exemplars, histogram, native, times, stale);
        } else {
            self.check_window(times.time_ms)?;
            let key = self.stream_hash();
            let hint = self.reset_hint();
            let span = Span::of(point);
            let added = self.deltas.add_explicit(key, span, &histogram, |total| {
                let native = native.as_ref().map(|_| custom_native(&total.view(), hint));
                Ok((total.clone(), native.transpose()?))
            })?;
            let Some(((total, native), start_ns)) = added else {
                self.accept_again();
                return Ok(());
            };
            stream = Some(key);
            times = Times::new(start_ns, point.time_ns);
            self.write_histogram(point.exemplars, total.view(), native, times, stale);
        }
        self.accept(times, stale, stream);
        Ok(())
    }

    /// Writes the native form where there is one, the classic series otherwise.
    fn write_histogram(
        &mut self,
        exemplars: &[ExemplarView<'_>],
        classic: ExplicitHistogram<'_>,
        native: Option<Histogram>,
        times: Times,
        stale: bool,
    ) {
        let Some(native) = native else {
            self.write_classic(exemplars, classic, times, stale);
            return;
        };
        self.start_series("", None);
        self.batch
            .push_histogram(times.time_ms, times.start_ms, native);
        if !stale {
            self.push_exemplars(exemplars, times);
        }
    }

    fn write_classic(
        &mut self,
        exemplars: &[ExemplarView<'_>],
        histogram: ExplicitHistogram<'_>,
        times: Times,
        stale: bool,
    ) {
        let value = |value: f64| if stale { STALE_MARKER } else { value };
        if let Some(sum) = histogram.sum {
            self.push_float("_sum", None, times, value(sum));
        }
        let count = value(histogram.count as f64);
        self.push_float("_count", None, times, count);
        let mut exemplars: Vec<&ExemplarView<'_>> = if stale {
            Vec::new()
        } else {
            exemplars.iter().collect()
        };
        exemplars.sort_by(|a, b| observed(a).total_cmp(&observed(b)));
        let mut exemplars = exemplars.into_iter().peekable();
        let mut cumulative = 0_u64;
        for (index, bound) in finite_bounds(histogram.bounds).iter().enumerate() {
            let in_bucket = histogram.bucket_counts.get(index).copied();
            cumulative = cumulative.saturating_add(in_bucket.unwrap_or(0));
            let le = bound.to_string();
            self.push_float(
                "_bucket",
                Some(("le", &le)),
                times,
                value(cumulative as f64),
            );
            while let Some(exemplar) = exemplars.next_if(|exemplar| observed(exemplar) <= *bound) {
                self.push_exemplar(exemplar, times);
            }
        }
        // The last bucket holds every observation there was, whatever the counts add up to.
        self.push_float("_bucket", Some(("le", "+Inf")), times, count);
        for exemplar in exemplars {
            self.push_exemplar(exemplar, times);
        }
    }

    /// What is known of counter resets between native histograms of the metric.
    pub(crate) fn reset_hint(&self) -> CounterResetHint {
        if self.metric.raw_delta {
            CounterResetHint::Gauge
        } else {
            CounterResetHint::Unknown
        }
    }
}

/// What an exemplar observed; those without a number go where the largest go.
fn observed(exemplar: &ExemplarView<'_>) -> f64 {
    match exemplar.value {
        Some(value) if !value.is_nan() => value,
        _ => f64::INFINITY,
    }
}

/// The bounds without a final +Inf, which stands for the bucket that is always there.
fn finite_bounds(bounds: &[f64]) -> &[f64] {
    match bounds {
        [finite @ .., last] if *last == f64::INFINITY => finite,
        bounds => bounds,
    }
}

fn check_shape(histogram: &ExplicitHistogram<'_>, stale: bool) -> Result<(), Refusal> {
    let (bounds, counts) = (histogram.bounds, histogram.bucket_counts);
    let empty = bounds.is_empty() && counts.is_empty();
    if !stale && !empty && counts.len() != bounds.len() + 1 {
        return Err(invalid(format!(
            "{} bounds need {} bucket counts, but there are {}",
            bounds.len(),
            bounds.len() + 1,
            counts.len()
        )));
    }
    if !bounds.is_sorted_by(|a, b| a < b) || bounds.iter().any(|bound| bound.is_nan()) {
        return Err(invalid("its explicit bounds do not rise"));
    }
    if bounds.first() == Some(&f64::NEG_INFINITY) {
        return Err(invalid("its first explicit bound is -Inf"));
    }
    Ok(())
}

pub(crate) fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(RefusalReason::InvalidHistogram, detail)
}

/// A native histogram that ends its series.
pub(crate) fn stale_native(schema: i8) -> Histogram {
    Histogram {
        counter_reset_hint: CounterResetHint::Unknown,
        schema,
        zero_threshold: 0.0,
        sum: STALE_MARKER,
        positive_spans: Vec::new(),
        negative_spans: Vec::new(),
        counts: HistogramCounts::Integer(BucketCounts::default()),
        custom_bounds: [].into(),
    }
}

fn custom_native(
    histogram: &ExplicitHistogram<'_>,
    counter_reset_hint: CounterResetHint,
) -> Result<Histogram, Refusal> {
    let bounds = finite_bounds(histogram.bounds);
    // Without buckets all observations lie in the one from -Inf to +Inf.
    let all = [histogram.count];
    let counts = if histogram.bucket_counts.is_empty() {
        &all
    } else {
        histogram.bucket_counts
    };
    let overflow = bounds.len() as i64;
    let buckets = (0_i64..)
        .map(|index| index.min(overflow))
        .zip(counts.iter().copied());
    let layout = lay_out(buckets).ok_or_else(|| invalid("its counts pass 64 bits"))?;
    let native = Histogram {
        counter_reset_hint,
        schema: CUSTOM_BUCKETS_SCHEMA,
        zero_threshold: 0.0,
        sum: histogram.sum.unwrap_or(0.0),
        positive_spans: layout.spans,
        negative_spans: Vec::new(),
        counts: HistogramCounts::Integer(BucketCounts {
            count: histogram.count,
            zero_count: 0,
            positive: layout.counts,
            negative: Vec::new(),
        }),
        custom_bounds: bounds.into(),
    };
    native
        .validate()
        .map_err(|error| invalid(error.to_string()))?;
    Ok(native)
}
