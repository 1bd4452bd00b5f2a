//! How much of native histograms a part of a query looks at.

use chronoxide_model::{BucketCounts, CounterResetHint, Histogram, HistogramCounts};

use crate::plan::{AggregateOp, BinaryOp, Expr, Node};
use crate::{FloatHistogram, Function};

/// How much of native histograms a part of a query looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HistogramDetail {
    /// Everything.
    Full,
    /// Count and sum. Counter resets, which only buckets tell for certain, are looked for as samples are read, and the
    /// hints of the samples say what was found.
    Totals,
    /// Everything, even for someone who would do with totals. Inside a subquery it is so: what stands around it looks for
    /// resets between the values that its steps pick.
    Always,
}

impl HistogramDetail {
    /// Whether the totals of the histograms in `node` depend on the totals of its samples alone.
    pub(crate) fn totals_are_enough(node: &Node) -> bool {
        match &node.expr {
            Expr::Vector(_) | Expr::Range { .. } | Expr::Number(_) | Expr::String(_) => true,
            Expr::Negate(inner) => Self::totals_are_enough(inner),
            Expr::Aggregate(aggregate) => {
                let parameter = aggregate.parameter.as_ref();
                aggregate.op != AggregateOp::CountValues
                    && parameter.is_none_or(Self::totals_are_enough)
                    && Self::totals_are_enough(&aggregate.inner)
            }
            Expr::Binary(binary) => {
                !looks_at_buckets(binary.op)
                    && Self::totals_are_enough(&binary.left)
                    && Self::totals_are_enough(&binary.right)
            }
            Expr::Call(call) => {
                !function_looks_at_buckets(call.function)
                    && call.arguments.iter().all(Self::totals_are_enough)
            }
            // Its steps pick samples that resets have to be looked for between.
            Expr::Subquery(_) => false,
        }
    }

    /// Takes what is not looked at from the samples of one series.
    pub(crate) fn apply(self, histograms: &mut [Histogram]) {
        if self != Self::Totals {
            return;
        }
        let mut previous: Option<FloatHistogram> = None;
        for histogram in histograms.iter_mut().filter(|one| !one.is_stale()) {
            let current = FloatHistogram::from(&*histogram);
            if let (Some(previous), CounterResetHint::Unknown) =
                (&previous, histogram.counter_reset_hint)
            {
                histogram.counter_reset_hint = if current.is_reset_after(previous) {
                    CounterResetHint::Reset
                } else {
                    CounterResetHint::NotReset
                };
            }
            strip(histogram);
            previous = Some(current);
        }
    }
}

/// Whether `op` trims histograms or compares them.
const fn looks_at_buckets(op: BinaryOp) -> bool {
    op.is_comparison() || matches!(op, BinaryOp::TrimUpper | BinaryOp::TrimLower)
}

/// Whether `function` measures buckets or compares histograms.
const fn function_looks_at_buckets(function: Function) -> bool {
    matches!(
        function,
        Function::Changes
            | Function::HistogramFraction
            | Function::HistogramQuantile
            | Function::HistogramQuantiles
            | Function::HistogramStddev
            | Function::HistogramStdvar
    )
}

/// Takes the buckets away.
fn strip(histogram: &mut Histogram) {
    histogram.zero_threshold = 0.0;
    histogram.positive_spans.clear();
    histogram.negative_spans.clear();
    histogram.custom_bounds = std::sync::Arc::default();
    match &mut histogram.counts {
        HistogramCounts::Integer(counts) => strip_counts(counts),
        HistogramCounts::Float(counts) => strip_counts(counts),
    }
}

fn strip_counts<T: Default>(counts: &mut BucketCounts<T>) {
    counts.zero_count = T::default();
    counts.positive.clear();
    counts.negative.clear();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chronoxide_model::{BucketSpan, STALE_MARKER};

    use super::*;

    fn histogram(buckets: [u64; 2]) -> Histogram {
        Histogram {
            counter_reset_hint: CounterResetHint::Unknown,
            schema: 0,
            zero_threshold: 0.0,
            sum: 1.0,
            positive_spans: vec![BucketSpan {
                offset: 0,
                length: 2,
            }],
            negative_spans: Vec::new(),
            counts: HistogramCounts::Integer(BucketCounts {
                count: buckets.iter().sum(),
                zero_count: 0,
                positive: buckets.to_vec(),
                negative: Vec::new(),
            }),
            custom_bounds: Arc::default(),
        }
    }

    #[test]
    fn resets_are_found_before_buckets_go() {
        let mut stale = histogram([0, 0]);
        stale.sum = STALE_MARKER;
        // The last one has more observations, yet one bucket fell.
        let mut samples = [
            histogram([1, 1]),
            histogram([1, 2]),
            stale,
            histogram([0, 9]),
        ];
        HistogramDetail::Totals.apply(&mut samples);
        let hints = samples.each_ref().map(|one| one.counter_reset_hint);
        use CounterResetHint::{NotReset, Reset, Unknown};
        assert_eq!(hints, [Unknown, NotReset, Unknown, Reset]);
        let counts = |one: &Histogram| FloatHistogram::from(one);
        assert_eq!(counts(&samples[3]).count, 9.0);
        assert!(counts(&samples[3]).positive.is_empty());
    }
}
