//! Arc tangents that are Prometheus' to the last bit, which shows where values become labels or are compared.
//!
//! They are those of Cephes: near zero a quotient of polynomials, which everything else is brought to.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

/// The polynomials in the square of the tangent, highest power first; the divisor's begins with a power of its own.
const DIVIDEND: [f64; 5] = [
    -0.875_060_860_003_190_4,
    -16.157_537_187_333_652,
    -75.008_557_923_147_05,
    -122.886_668_449_013_61,
    -64.850_219_049_420_25,
];
const DIVISOR: [f64; 6] = [
    1.0,
    24.858_464_901_423_062,
    165.027_009_831_698_85,
    432.881_060_491_290_27,
    485.390_399_635_913_7,
    194.550_657_148_261_4,
];

/// What the nearest number is short of a right angle.
const MISSING: f64 = 6.123_233_995_736_766e-17;

/// The tangent of three eighths of a half turn.
const STEEP: f64 = 2.414_213_562_373_095;

/// The angle between minus and plus a right one whose tangent is `tangent`.
pub(crate) fn atan(tangent: f64) -> f64 {
    if tangent == 0.0 {
        return tangent;
    }
    let size = tangent.abs();
    let angle = if size <= 0.66 {
        flat(size)
    } else if size > STEEP {
        FRAC_PI_2 - flat(1.0 / size) + MISSING
    } else {
        FRAC_PI_4 + flat((size - 1.0) / (size + 1.0)) + 0.5 * MISSING
    };
    angle.copysign(tangent)
}

/// The angle of the point (`x`, `y`), from minus to plus a half turn.
pub(crate) fn atan2(y: f64, x: f64) -> f64 {
    let plain = |value: f64| value != 0.0 && value.is_finite();
    if !plain(x) || !plain(y) {
        return y.atan2(x);
    }
    let angle = atan(y / x);
    match (x < 0.0, angle <= 0.0) {
        (false, _) => angle,
        (true, true) => angle + PI,
        (true, false) => angle - PI,
    }
}

/// The angle of a tangent from 0 to 0.66.
fn flat(tangent: f64) -> f64 {
    let square = tangent * tangent;
    let sum = |factors: &[f64]| {
        factors
            .iter()
            .copied()
            .reduce(|sum, factor| sum * square + factor)
            .unwrap_or(0.0)
    };
    tangent * (square * sum(&DIVIDEND) / sum(&DIVISOR)) + tangent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arc_tangents_are_those_of_prometheus_to_the_last_bit() {
        for (tangent, expected) in [
            (0.3, 0.2914567944778671),
            (0.66, 0.583373006993856),
            (1.7, 1.039072259536091),
            (4.25, 1.3397056595989996),
            (1000.0, 1.5697963271282296),
            (-75.5, -1.5575520681301676),
            (0.4123, 0.3910646497322944),
            (5.77, 1.3991906925138446),
            (31.9, 1.5394586268548605),
            (612.25, 1.569163008524979),
            (0.001, 0.0009999996666668668),
            (7.25, 1.433730152484709),
            (13.7, 1.4979328466678967),
            (99.1, 1.5607058519155639),
            (1234.5, 1.5699862824196222),
        ] {
            assert_eq!(atan(tangent), expected, "{tangent}");
        }
        for (y, x, expected) in [
            (9.0, 1000.0, 0.008999757011809117),
            (1.0, 7.0, 0.1418970546041639),
            (55.0, -13.0, 1.8029001648700522),
            (-3.0, -8.0, -2.782821983319221),
            (12.0, 1000.0, 0.011999424049761282),
            (1.0, 1000.0, 0.0009999996666668668),
        ] {
            assert_eq!(atan2(y, x), expected, "{y} {x}");
        }
    }

    #[test]
    fn arc_tangents_are_off_by_a_unit_at_most() {
        let mut tangent = 1e-300;
        while tangent < 1e300 {
            for tangent in [tangent, -tangent] {
                let (ours, theirs) = (atan(tangent), f64::atan(tangent));
                let unit = theirs.abs() * f64::EPSILON;
                assert!((ours - theirs).abs() <= unit, "{tangent}");
                for x in [1.0, -1.0, 3.7e5, -2.1e-7] {
                    let (ours, theirs) = (atan2(tangent, x), tangent.atan2(x));
                    let unit = theirs.abs().max(f64::MIN_POSITIVE) * 4.0 * f64::EPSILON;
                    assert!((ours - theirs).abs() <= unit, "{tangent} {x}");
                }
            }
            tangent *= 1.37;
        }
    }

    #[test]
    fn points_on_an_axis_and_at_infinity_have_their_angles() {
        let places = [0.0, -0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY];
        for x in places {
            for y in places {
                assert_eq!(atan2(y, x), y.atan2(x), "{y} {x}");
            }
            assert_eq!(atan(x).to_bits(), f64::atan(x).to_bits(), "{x}");
            assert!(atan2(f64::NAN, x).is_nan() && atan2(x, f64::NAN).is_nan());
        }
        assert!(atan(f64::NAN).is_nan());
    }
}
