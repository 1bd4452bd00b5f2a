//! Where buckets begin and end.

use std::f64::consts::SQRT_2;
use std::sync::LazyLock;

use chronoxide_model::CUSTOM_BUCKETS_SCHEMA;

/// The finest exponential schema.
pub(super) const SCHEMA_MAX: i8 = 8;
/// The coarsest exponential schema.
pub(super) const SCHEMA_MIN: i8 = -4;

/// `2^(i / 256)` for `i` in `0..256`: the bounds between 1 and 2 in the finest schema; coarser ones use every n-th.
///
/// Each schema's new bounds are the ones before them times a constant, and that of schema 1 is rounded down. This is how
/// client libraries and Prometheus come to their bounds, so that ours agree to the last bit.
static FRACTIONS: LazyLock<[f64; 256]> = LazyLock::new(|| {
    let mut bounds = [1.0; 256];
    let mut exponent = 1.0_f64;
    let mut stride = 256;
    while stride > 1 {
        stride /= 2;
        exponent /= 2.0;
        let factor = if stride == 128 {
            SQRT_2.next_down()
        } else {
            exponent.exp2()
        };
        for index in (stride..256).step_by(stride * 2) {
            bounds[index] = bounds[index - stride] * factor;
        }
    }
    bounds
});

/// The upper bound of bucket `index`, by absolute value for buckets below zero.
///
/// Custom buckets past the last bound end at +Inf, before the first one at -Inf.
pub(super) fn upper_bound(index: i32, schema: i8, custom_bounds: &[f64]) -> f64 {
    if schema == CUSTOM_BUCKETS_SCHEMA {
        return usize::try_from(index).map_or(f64::NEG_INFINITY, |index| {
            custom_bounds.get(index).copied().unwrap_or(f64::INFINITY)
        });
    }
    exponential_bound(i64::from(index), schema)
}

/// The lower bound of bucket `index`: the upper bound of the one before.
pub(super) fn lower_bound(index: i32, schema: i8, custom_bounds: &[f64]) -> f64 {
    match index.checked_sub(1) {
        Some(previous) => upper_bound(previous, schema, custom_bounds),
        None if schema == CUSTOM_BUCKETS_SCHEMA => f64::NEG_INFINITY,
        None => 0.0,
    }
}

/// `2^(index * 2^-schema)`. The last bucket of finite numbers ends at the largest one, so that the next bucket holds
/// the infinities.
fn exponential_bound(index: i64, schema: i8) -> f64 {
    let (exponent, fraction) = if schema < 0 {
        let shift = u32::from(schema.unsigned_abs()).min(31);
        (index << shift, 1.0)
    } else {
        let shift = u32::from(schema.unsigned_abs()).min(8);
        let within = index & ((1 << shift) - 1);
        let position = usize::try_from(within << (8 - shift)).expect("masked to eight bits");
        (index >> shift, FRACTIONS[position])
    };
    if exponent == 1024 && fraction == 1.0 {
        return f64::MAX;
    }
    scale(fraction, exponent)
}

/// `fraction * 2^exponent` for a fraction of at least 1 and below 2, rounded once.
fn scale(fraction: f64, exponent: i64) -> f64 {
    if exponent > 1023 {
        return f64::INFINITY;
    }
    if exponent < -1080 {
        return 0.0;
    }
    let power = |exponent: i64| {
        f64::from_bits(u64::try_from(exponent + 1023).expect("a normal exponent") << 52)
    };
    if exponent >= -1022 {
        fraction * power(exponent)
    } else {
        fraction * power(exponent + 128) * power(-128)
    }
}

/// The bucket of `target` that holds bucket `index` of the finer or equal schema `origin`.
pub(super) fn coarser_index(index: i32, origin: i8, target: i8) -> i32 {
    let shift = u32::try_from(i32::from(origin) - i32::from(target)).unwrap_or(0);
    let merged = ((i64::from(index) - 1) >> shift.min(63)) + 1;
    i32::try_from(merged).expect("a shift to the right makes no number larger")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_are_bounds_in_every_schema() {
        for schema in SCHEMA_MIN..=SCHEMA_MAX {
            let index = if schema < 0 { 1 } else { 16 << schema };
            let expected = if schema < 0 {
                f64::from(1_u32 << (1 << -schema))
            } else {
                65_536.0
            };
            assert_eq!(upper_bound(index, schema, &[]), expected, "schema {schema}");
            assert_eq!(upper_bound(0, schema, &[]), 1.0);
        }
    }

    #[test]
    fn bounds_are_those_of_prometheus_to_the_last_bit() {
        for (index, schema, bound) in [
            (-1, 1, 0.7071067811865475),
            (-1, 2, 0.8408964152537144),
            (5, 3, 1.5422108254079407),
            (-3, 4, 0.8781260801866495),
            (-9, 6, 0.9071260877501991),
            (-1, 8, 0.9972960560854698),
            (-47, 8, 0.8805069215187917),
        ] {
            assert_eq!(
                upper_bound(index, schema, &[]),
                bound,
                "{index} of {schema}"
            );
        }
    }

    #[test]
    fn the_last_finite_bucket_ends_at_the_largest_number() {
        assert_eq!(upper_bound(1024, 0, &[]), f64::MAX);
        assert_eq!(upper_bound(1025, 0, &[]), f64::INFINITY);
        assert_eq!(upper_bound(64, -4, &[]), f64::MAX);
        assert_eq!(upper_bound(65, -4, &[]), f64::INFINITY);
        assert_eq!(upper_bound(1024 << 8, 8, &[]), f64::MAX);
        assert_eq!(upper_bound((1024 << 8) + 1, 8, &[]), f64::INFINITY);
    }

    #[test]
    fn extreme_indexes_have_bounds() {
        assert_eq!(upper_bound(-1074, 0, &[]), f64::from_bits(1));
        assert_eq!(upper_bound(-1076, 0, &[]), 0.0);
        for schema in [-128, -4, 0, 8, 127] {
            assert!(upper_bound(i32::MAX, schema, &[]) >= 1.0);
            assert!(lower_bound(i32::MIN, schema, &[]) <= 1.0);
        }
    }

    #[test]
    fn custom_buckets_lie_between_their_bounds() {
        let bounds = [1.0, 5.0];
        let interval = |index| {
            (
                lower_bound(index, CUSTOM_BUCKETS_SCHEMA, &bounds),
                upper_bound(index, CUSTOM_BUCKETS_SCHEMA, &bounds),
            )
        };
        assert_eq!(interval(0), (f64::NEG_INFINITY, 1.0));
        assert_eq!(interval(1), (1.0, 5.0));
        assert_eq!(interval(2), (5.0, f64::INFINITY));
    }

    #[test]
    fn a_coarser_bucket_holds_the_finer_ones() {
        for index in -70..70 {
            for (origin, target) in [(3, 2), (8, -4), (0, 0), (1, -2)] {
                let coarse = coarser_index(index, origin, target);
                assert!(lower_bound(coarse, target, &[]) <= lower_bound(index, origin, &[]));
                assert!(upper_bound(coarse, target, &[]) >= upper_bound(index, origin, &[]));
            }
        }
    }
}
