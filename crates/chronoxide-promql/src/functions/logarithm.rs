//! Logarithms that are Prometheus' to the last bit, which shows where values become labels or are compared.
//!
//! They are those of fdlibm: `ln` is off by less than one unit in the last place, and the others are made of it. Below
//! 2^-1022 Prometheus on amd64 gives -709 at most, which is wrong and not done here.

use std::f64::consts::{LOG2_E, LOG10_E, SQRT_2};

/// `ln 2`, in a part whose multiples by exponents are exact, and what is missing of it.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// The series of `ln((1 + s) / (1 - s)) / s - 2` in the square of `s`: coefficients of its odd and of its even powers.
const ODD: [f64; 4] = [
    6.666_666_666_666_735e-1,
    2.857_142_874_366_239e-1,
    1.818_357_216_161_805e-1,
    1.479_819_860_511_658_6e-1,
];
const EVEN: [f64; 3] = [
    3.999_999_999_940_942e-1,
    2.222_219_843_214_978_4e-1,
    1.531_383_769_920_937_3e-1,
];

/// The natural logarithm.
pub(super) fn ln(value: f64) -> f64 {
    let Some((mut fraction, mut exponent)) = split(value) else {
        return value.ln();
    };
    if fraction < SQRT_2 / 2.0 {
        fraction *= 2.0;
        exponent -= 1;
    }
    let above_one = fraction - 1.0;
    let exponent = f64::from(exponent);
    let s = above_one / (2.0 + above_one);
    let square = s * s;
    let fourth = square * square;
    let sum = |coefficients: &[f64]| {
        let mut falling = coefficients.iter().rev();
        let first = falling.next().copied().unwrap_or(0.0);
        falling.fold(first, |sum, coefficient| coefficient + fourth * sum)
    };
    let series = square * sum(&ODD) + fourth * sum(&EVEN);
    let half_square = 0.5 * above_one * above_one;
    exponent * LN_2_HIGH
        - ((half_square - (s * (half_square + series) + exponent * LN_2_LOW)) - above_one)
}

/// The binary logarithm; that of a power of two is exact.
pub(super) fn log2(value: f64) -> f64 {
    match split(value) {
        None => value.ln(),
        Some((0.5, exponent)) => f64::from(exponent - 1),
        Some((fraction, exponent)) => ln(fraction) * LOG2_E + f64::from(exponent),
    }
}

/// The decimal logarithm.
pub(super) fn log10(value: f64) -> f64 {
    ln(value) * LOG10_E
}

/// A fraction from 1/2 on and below 1, and the power of two that it takes to make `value` of it. None of what is not
/// above zero, and of what is infinite or no number.
fn split(value: f64) -> Option<(f64, i32)> {
    const FRACTION_BITS: u32 = 52;
    const HALF: u64 = 1022 << FRACTION_BITS;
    if !(value > 0.0 && value.is_finite()) {
        return None;
    }
    let (normal, shift) = if value.is_normal() {
        (value, 0)
    } else {
        (value * (1_u64 << 54) as f64, 54)
    };
    let bits = normal.to_bits();
    let exponent = (bits >> FRACTION_BITS) as i32 - 1022 - shift;
    let fraction = f64::from_bits((bits & ((1 << FRACTION_BITS) - 1)) | HALF);
    Some((fraction, exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_prometheus_to_the_last_bit() {
        for (value, expected) in [
            (1000.0, 6.907_755_278_982_137),
            (0.3, -1.203_972_804_325_936_1),
            (1.0, 0.0),
            (5e-324, -744.440_071_921_381_2),
            (f64::MAX, 709.782_712_893_384),
        ] {
            assert_eq!(ln(value), expected, "{value}");
        }
        assert_eq!(log10(1000.0), 3.0);
        assert_eq!(log10(8.0), 0.903_089_986_991_943_5);
        assert_eq!(log2(0.3), -1.736_965_594_166_206);
        assert_eq!(log2(4.9e-310), -1_027.504_927_665_854_4);
    }

    #[test]
    fn powers_of_two_have_exact_binary_logarithms() {
        for exponent in -1022..=1023 {
            assert_eq!(log2(2.0_f64.powi(exponent)), f64::from(exponent));
        }
        assert_eq!(log2(5e-324), -1074.0);
    }

    #[test]
    fn what_has_no_logarithm_gives_what_it_always_gave() {
        for logarithm in [ln, log2, log10] {
            assert_eq!(logarithm(0.0), f64::NEG_INFINITY);
            assert_eq!(logarithm(-0.0), f64::NEG_INFINITY);
            assert_eq!(logarithm(f64::INFINITY), f64::INFINITY);
            assert!(logarithm(-1.0).is_nan());
            assert!(logarithm(f64::NAN).is_nan());
        }
    }

    #[test]
    fn natural_logarithms_are_off_by_a_unit_at_most() {
        let mut value = 1e-300;
        while value < 1e300 {
            let (ours, theirs) = (ln(value), f64::ln(value));
            assert!(
                (ours - theirs).abs() <= theirs.abs() * f64::EPSILON,
                "{value}"
            );
            value *= 1.37;
        }
    }
}
