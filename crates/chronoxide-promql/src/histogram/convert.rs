//! From stored histograms to those PromQL computes with.

use chronoxide_model::{BucketSpan, Histogram, HistogramCounts};

use super::bounds::SCHEMA_MAX;
use super::tally::Run;
use crate::FloatHistogram;

impl From<&Histogram> for FloatHistogram {
    /// The same counts as floats. A resolution beyond the finest one known is reduced to that; buckets without a span
    /// and spans without buckets are left out.
    fn from(histogram: &Histogram) -> Self {
        let (count, zero_count, positive, negative) = match &histogram.counts {
            HistogramCounts::Integer(counts) => (
                counts.count as f64,
                counts.zero_count as f64,
                run(&histogram.positive_spans, &counts.positive, |n| n as f64),
                run(&histogram.negative_spans, &counts.negative, |n| n as f64),
            ),
            HistogramCounts::Float(counts) => (
                counts.count,
                counts.zero_count,
                run(&histogram.positive_spans, &counts.positive, |n| n),
                run(&histogram.negative_spans, &counts.negative, |n| n),
            ),
        };
        let mut converted = Self {
            counter_reset_hint: histogram.counter_reset_hint,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count,
            count,
            sum: histogram.sum,
            positive,
            negative,
            custom_bounds: histogram.custom_bounds.clone(),
        };
        converted.reduce_resolution(SCHEMA_MAX);
        converted
    }
}

/// Gives each bucket of the spans its index.
fn run<T: Copy>(spans: &[BucketSpan], counts: &[T], as_float: impl Fn(T) -> f64) -> Run<f64> {
    let mut run = Vec::with_capacity(counts.len());
    let mut rest = counts;
    let mut index = 0_i32;
    for span in spans {
        index = index.saturating_add(span.offset);
        let length = usize::try_from(span.length).map_or(rest.len(), |n| n.min(rest.len()));
        let (within, after) = rest.split_at(length);
        for &count in within {
            run.push((index, as_float(count)));
            index = index.saturating_add(1);
        }
        rest = after;
    }
    if !run.is_sorted_by(|a, b| a.0 < b.0) {
        run.sort_by_key(|bucket| bucket.0);
        run.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 += later.1;
            }
            same
        });
    }
    run
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chronoxide_model::{BucketCounts, CounterResetHint};

    use super::*;

    fn integer(schema: i8, spans: &[(i32, u32)], counts: &[u64]) -> Histogram {
        Histogram {
            counter_reset_hint: CounterResetHint::NotReset,
            schema,
            zero_threshold: 0.5,
            sum: 4.5,
            positive_spans: spans
                .iter()
                .map(|&(offset, length)| BucketSpan { offset, length })
                .collect(),
            negative_spans: Vec::new(),
            counts: HistogramCounts::Integer(BucketCounts {
                count: counts.iter().sum(),
                zero_count: 1,
                positive: counts.to_vec(),
                negative: Vec::new(),
            }),
            custom_bounds: Arc::default(),
        }
    }

    #[test]
    fn spans_give_buckets_their_index() {
        let converted = FloatHistogram::from(&integer(0, &[(-1, 2), (3, 1)], &[4, 5, 6]));
        assert_eq!(converted.positive, [(-1, 4.0), (0, 5.0), (4, 6.0)]);
        assert_eq!((converted.count, converted.zero_count), (15.0, 1.0));
    }

    #[test]
    fn too_fine_a_schema_is_reduced() {
        let converted = FloatHistogram::from(&integer(9, &[(1, 4)], &[1, 2, 3, 4]));
        assert_eq!(converted.schema, 8);
        assert_eq!(converted.positive, [(1, 3.0), (2, 7.0)]);
    }

    #[test]
    fn malformed_spans_give_an_ascending_run() {
        let converted =
            FloatHistogram::from(&integer(0, &[(5, 2), (-3, 2), (0, 9)], &[1, 2, 3, 4]));
        assert_eq!(converted.positive, [(4, 3.0), (5, 5.0), (6, 2.0)]);
        let far = FloatHistogram::from(&integer(
            0,
            &[(i32::MAX, 2), (i32::MAX, u32::MAX)],
            &[1, 2, 3],
        ));
        assert_eq!(far.positive, [(i32::MAX, 6.0)]);
    }
}
