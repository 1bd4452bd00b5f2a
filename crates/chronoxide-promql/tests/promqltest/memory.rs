//! Series in memory, as a source that queries read through.

use std::collections::BTreeMap;

use chronoxide_model::{
    BucketCounts, BucketSpan, CounterResetHint, Histogram, HistogramCounts, Labels, Matcher,
    Reduction, SampleColumns, SeriesSet, SeriesSource, SourceError, TimeRange,
};
use chronoxide_promql::FloatHistogram;

use crate::reduce::reduce;

/// A sample beside its time.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// When counting began, Unix milliseconds; 0 when unknown.
    pub(crate) start_ms: i64,
    pub(crate) value: StoredValue,
}

#[derive(Clone, Debug)]
pub(crate) enum StoredValue {
    Float(f64),
    Histogram(FloatHistogram),
}

type Samples = BTreeMap<i64, Stored>;

/// Series by labels.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    series: BTreeMap<Labels, Samples>,
}

impl Memory {
    pub(crate) fn clear(&mut self) {
        self.series.clear();
    }

    pub(crate) fn store(&mut self, labels: &Labels, time_ms: i64, stored: Stored) {
        self.series
            .entry(labels.clone())
            .or_default()
            .insert(time_ms, stored);
    }

    fn matching(&self, matchers: &[Matcher], range: TimeRange) -> Vec<(&Labels, &Samples)> {
        let matches = |labels: &Labels, matcher: &Matcher| {
            matcher.matches(labels.get(matcher.name()).unwrap_or(""))
        };
        self.series
            .iter()
            .filter(|(labels, samples)| {
                matchers.iter().all(|matcher| matches(labels, matcher))
                    && samples
                        .range(range.min_ms()..=range.max_ms())
                        .next()
                        .is_some()
            })
            .collect()
    }
}

impl SeriesSource for Memory {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Box<dyn SeriesSet + '_>, SourceError> {
        let series = self.matching(matchers, range);
        Ok(Box::new(Selected { series, range }))
    }

    fn label_names(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        let mut names: Vec<String> = self
            .matching(matchers, range)
            .into_iter()
            .flat_map(|(labels, _)| labels.iter().map(|(name, _)| name.to_owned()))
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        let mut values: Vec<String> = self
            .matching(matchers, range)
            .into_iter()
            .filter_map(|(labels, _)| labels.get(name).map(str::to_owned))
            .collect();
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }
}

#[derive(Debug)]
struct Selected<'a> {
    series: Vec<(&'a Labels, &'a Samples)>,
    range: TimeRange,
}

impl SeriesSet for Selected<'_> {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.series[index].0.clone()
    }

    fn read(&self, index: usize, columns: &mut SampleColumns) -> Result<(), SourceError> {
        columns.clear();
        let samples = self.series[index].1;
        let mut hints = Hints::default();
        for (time_ms, stored) in samples {
            let histogram = match &stored.value {
                StoredValue::Float(_) => None,
                StoredValue::Histogram(histogram) => Some(hints.of(histogram)),
            };
            if !self.range.contains(*time_ms) {
                continue;
            }
            match (&stored.value, histogram) {
                (StoredValue::Histogram(histogram), Some(hint)) => {
                    columns.histogram_timestamps_ms.push(*time_ms);
                    columns.histogram_start_timestamps_ms.push(stored.start_ms);
                    columns.histograms.push(to_model(histogram, hint));
                }
                (StoredValue::Float(value), _) => {
                    columns.timestamps_ms.push(*time_ms);
                    columns.start_timestamps_ms.push(stored.start_ms);
                    columns.values.push(*value);
                }
                (StoredValue::Histogram(_), None) => unreachable!("histograms have a hint"),
            }
        }
        for starts in [
            &mut columns.start_timestamps_ms,
            &mut columns.histogram_start_timestamps_ms,
        ] {
            if starts.iter().all(|start_ms| *start_ms == 0) {
                starts.clear();
            }
        }
        Ok(())
    }

    fn read_reduced_while(
        &self,
        index: usize,
        core: TimeRange,
        reduction: Reduction,
        columns: &mut SampleColumns,
        _: &dyn Fn(usize) -> bool,
    ) -> Result<bool, SourceError> {
        self.read(index, columns)?;
        reduce(columns, core, reduction);
        Ok(true)
    }
}

/// What Prometheus' storage says about resets: it keeps runs of histograms without a reset, knows nothing about the
/// first one of a run and that there was no reset before the others.
#[derive(Debug, Default)]
struct Hints {
    previous: Option<FloatHistogram>,
}

impl Hints {
    fn of(&mut self, histogram: &FloatHistogram) -> CounterResetHint {
        let previous = self.previous.replace(histogram.clone());
        if histogram.counter_reset_hint == CounterResetHint::Gauge {
            return CounterResetHint::Gauge;
        }
        match previous {
            Some(previous)
                if previous.counter_reset_hint != CounterResetHint::Gauge
                    && histogram.counter_reset_hint != CounterResetHint::Reset
                    && previous.schema == histogram.schema
                    && previous.zero_threshold == histogram.zero_threshold
                    && previous.custom_bounds == histogram.custom_bounds
                    && !falls(&previous, histogram) =>
            {
                CounterResetHint::NotReset
            }
            _ => CounterResetHint::Unknown,
        }
    }
}

/// Whether some count is lower than before.
fn falls(previous: &FloatHistogram, next: &FloatHistogram) -> bool {
    let buckets_fall = |before: &[(i32, f64)], after: &[(i32, f64)]| {
        before.iter().any(|(index, count)| {
            let now = after
                .iter()
                .find(|(other, _)| other == index)
                .map_or(0.0, |bucket| bucket.1);
            now < *count
        })
    };
    next.count < previous.count
        || next.zero_count < previous.zero_count
        || buckets_fall(&previous.positive, &next.positive)
        || buckets_fall(&previous.negative, &next.negative)
}

fn to_model(histogram: &FloatHistogram, counter_reset_hint: CounterResetHint) -> Histogram {
    let (positive_spans, positive) = spans(&histogram.positive);
    let (negative_spans, negative) = spans(&histogram.negative);
    Histogram {
        counter_reset_hint,
        schema: histogram.schema,
        zero_threshold: histogram.zero_threshold,
        sum: histogram.sum,
        positive_spans,
        negative_spans,
        counts: HistogramCounts::Float(BucketCounts {
            count: histogram.count,
            zero_count: histogram.zero_count,
            positive,
            negative,
        }),
        custom_bounds: histogram.custom_bounds.clone(),
    }
}

fn spans(buckets: &[(i32, f64)]) -> (Vec<BucketSpan>, Vec<f64>) {
    let mut spans: Vec<BucketSpan> = Vec::new();
    let mut next = 0_i32;
    for (index, _) in buckets {
        match spans.last_mut() {
            Some(span) if *index == next => span.length += 1,
            _ => spans.push(BucketSpan {
                offset: index - next,
                length: 1,
            }),
        }
        next = index + 1;
    }
    (spans, buckets.iter().map(|bucket| bucket.1).collect())
}
