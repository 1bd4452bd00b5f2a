//! Laws that hold for any histogram.

use std::sync::Arc;

use chronoxide_model::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint};
use proptest::prelude::*;

use crate::FloatHistogram;

/// A histogram with exponential buckets, its count the sum of theirs.
pub(super) fn exponential(
    schema: i8,
    positive: &[(i32, f64)],
    negative: &[(i32, f64)],
) -> FloatHistogram {
    let all = positive.iter().chain(negative);
    FloatHistogram {
        counter_reset_hint: CounterResetHint::Unknown,
        schema,
        zero_threshold: 0.0,
        zero_count: 0.0,
        count: all.map(|bucket| bucket.1).sum(),
        sum: 0.0,
        positive: positive.to_vec(),
        negative: negative.to_vec(),
        custom_bounds: Arc::default(),
    }
}

/// A histogram with custom buckets, its count the sum of theirs.
pub(super) fn custom(bounds: &[f64], buckets: &[(i32, f64)]) -> FloatHistogram {
    FloatHistogram {
        custom_bounds: bounds.into(),
        ..exponential(CUSTOM_BUCKETS_SCHEMA, buckets, &[])
    }
}

fn run() -> impl Strategy<Value = Vec<(i32, f64)>> {
    prop::collection::btree_map(-20..20_i32, (1..1000_u32).prop_map(f64::from), 0..12)
        .prop_map(|buckets| buckets.into_iter().collect())
}

fn any_exponential() -> impl Strategy<Value = FloatHistogram> {
    let zero = (0..8_u8, 0..100_u8);
    (-4..=8_i8, run(), run(), zero).prop_map(|(schema, positive, negative, (width, zero))| {
        let mut histogram = exponential(schema, &positive, &negative);
        histogram.zero_threshold = f64::from(width) / 4.0;
        histogram.zero_count = f64::from(zero);
        histogram.count += histogram.zero_count;
        histogram.sum = histogram.count * 1.5;
        // Buckets inside the zero bucket can't be told from it.
        let edge = histogram.zero_threshold;
        let bounds: Vec<bool> = histogram
            .positive_buckets()
            .map(|bucket| bucket.lower >= edge)
            .collect();
        let mut outside = bounds.iter();
        histogram
            .positive
            .retain(|_| *outside.next().expect("one for each bucket"));
        let bounds: Vec<bool> = histogram
            .negative_buckets()
            .map(|bucket| bucket.upper <= -edge)
            .collect();
        let mut outside = bounds.iter();
        histogram
            .negative
            .retain(|_| *outside.next().expect("one for each bucket"));
        recount(histogram)
    })
}

fn any_custom() -> impl Strategy<Value = FloatHistogram> {
    let bounds = prop::collection::btree_set(-10..30_i32, 0..8);
    (bounds, prop::collection::vec(0..100_u32, 9)).prop_map(|(bounds, counts)| {
        let bounds: Vec<f64> = bounds.into_iter().map(f64::from).collect();
        let buckets: Vec<(i32, f64)> = (0..).zip(counts.iter().map(|&n| f64::from(n))).collect();
        custom(&bounds, &buckets[..=bounds.len()])
    })
}

fn recount(mut histogram: FloatHistogram) -> FloatHistogram {
    histogram.count = bucket_total(&histogram);
    histogram
}

fn bucket_total(histogram: &FloatHistogram) -> f64 {
    let buckets = histogram.positive.iter().chain(&histogram.negative);
    histogram.zero_count + buckets.map(|bucket| bucket.1).sum::<f64>()
}

fn any_pair() -> impl Strategy<Value = (FloatHistogram, FloatHistogram)> {
    prop_oneof![
        (any_exponential(), any_exponential()),
        (any_custom(), any_custom())
    ]
}

fn any_histogram() -> impl Strategy<Value = FloatHistogram> {
    prop_oneof![any_exponential(), any_custom()]
}

proptest! {
    #[test]
    fn no_observation_is_lost_in_a_sum((left, right) in any_pair()) {
        let mut sum = left.clone();
        sum.add(&right).unwrap();
        prop_assert_eq!(sum.count, left.count + right.count);
        prop_assert_eq!(bucket_total(&sum), sum.count);
        prop_assert_eq!(sum.validate(), Ok(()));
    }

    #[test]
    fn sums_do_not_depend_on_order((left, right) in any_pair()) {
        let mut one = left.clone();
        one.add(&right).unwrap();
        let mut other = right;
        other.add(&left).unwrap();
        one.compact();
        other.compact();
        prop_assert!(one.same_data(&other), "{one:?} {other:?}");
    }

    #[test]
    fn a_compensated_sum_is_the_plain_one((left, right) in any_pair()) {
        let mut plain = left.clone();
        plain.add(&right).unwrap();
        plain.compact();
        let mut sum = super::HistogramSum::new(&left);
        sum.add(&right).unwrap();
        prop_assert!(sum.finish().same_data(&plain));
    }

    #[test]
    fn subtraction_undoes_addition((left, right) in any_pair()) {
        let mut sum = left.clone();
        sum.add(&right).unwrap();
        sum.sub(&right).unwrap();
        sum.compact();
        // What is left is the left histogram in the layout that both share.
        let mut expected = left;
        let mut nothing = right;
        nothing.mul(0.0);
        nothing.zero_count = 0.0;
        expected.zero_threshold = sum.zero_threshold;
        if expected.uses_custom_buckets() {
            expected.add(&nothing).unwrap();
            expected.compact();
            prop_assert!(expected.same_data(&sum), "{expected:?} {sum:?}");
        } else {
            prop_assert_eq!(sum.count, expected.count);
            prop_assert_eq!(bucket_total(&sum), expected.count);
        }
    }

    #[test]
    fn reducing_before_or_after_adding_is_the_same(
        (left, right) in (any_exponential(), any_exponential()),
        schema in -4..=8_i8,
    ) {
        let (mut left, mut right) = (left, right);
        left.zero_threshold = 0.0;
        right.zero_threshold = 0.0;
        let mut after = left.clone();
        after.add(&right).unwrap();
        after.reduce_resolution(schema);
        left.reduce_resolution(schema);
        right.reduce_resolution(schema);
        left.add(&right).unwrap();
        prop_assert!(left.same_data(&after));
    }

    #[test]
    fn quantiles_rise(histogram in any_histogram()) {
        let quantiles: Vec<f64> = (0..=40)
            .map(|step| histogram.quantile(f64::from(step) / 40.0).value)
            .collect();
        // One custom bucket from -Inf to +Inf has no middle.
        let bounded = !histogram.uses_custom_buckets() || !histogram.custom_bounds.is_empty();
        if histogram.count > 0.0 && bounded {
            for pair in quantiles.windows(2) {
                prop_assert!(pair[0] <= pair[1] + pair[1].abs() * 1e-9, "{quantiles:?}");
            }
        } else if histogram.count == 0.0 {
            prop_assert!(quantiles.iter().all(|value| value.is_nan()));
        }
    }

    #[test]
    fn fractions_of_neighbouring_ranges_add_up(histogram in any_histogram(), cut in -40.0..40.0_f64) {
        let below = histogram.fraction(f64::NEG_INFINITY, cut).value;
        let above = histogram.fraction(cut, f64::INFINITY).value;
        if histogram.count > 0.0 {
            prop_assert!((below + above - 1.0).abs() < 1e-9, "{below} {above}");
        }
    }

    #[test]
    fn both_halves_of_a_trimmed_exponential_histogram_make_the_whole(
        histogram in any_exponential(),
        cut in -40.0..40.0_f64,
    ) {
        let mut below = histogram.clone();
        below.trim(cut, super::TrimSide::Upper);
        let mut above = histogram.clone();
        above.trim(cut, super::TrimSide::Lower);
        prop_assert!((below.count + above.count - histogram.count).abs() < 1e-6);
    }

    #[test]
    fn more_observations_are_no_reset((left, right) in any_pair()) {
        let mut sum = left.clone();
        sum.add(&right).unwrap();
        if sum.custom_bounds == left.custom_bounds {
            prop_assert!(!sum.is_reset_after(&left));
        }
        prop_assert!(!left.is_reset_after(&left));
    }
}
