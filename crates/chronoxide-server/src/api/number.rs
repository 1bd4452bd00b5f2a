//! Numbers as the Prometheus API writes them (the forms of Go's `strconv`).

use std::io::Write as _;

/// Appends a sample value: the shortest digits that read back the same, in exponent form below 1e-6 and from 1e21.
pub(crate) fn write_value(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    if write_special(out, value) || write_integer(out, value) {
        return;
    }
    if !(1e-6..1e21).contains(&magnitude) {
        write_exponent(out, value);
    } else {
        write_plain(out, value);
    }
}

/// Appends a value of an exposition: the shortest digits that read back the same, in exponent form below 1e-4 and from 1e6.
pub(crate) fn write_general(out: &mut Vec<u8>, value: f64) {
    if value == 0.0 {
        out.push(b'0');
    } else if !write_special(out, value) {
        if (1e-4..1e6).contains(&value.abs()) {
            write_plain(out, value);
        } else {
            write_exponent(out, value);
        }
    }
}

/// Appends a scalar's value: like [`write_value`], but never in exponent form.
pub(crate) fn write_scalar_value(out: &mut Vec<u8>, value: f64) {
    if !write_special(out, value) && !write_integer(out, value) {
        write_plain(out, value);
    }
}

/// Appends a sample's time in seconds: whole, or with exactly three decimals.
pub(crate) fn write_timestamp(out: &mut Vec<u8>, timestamp_ms: i64) {
    let magnitude = timestamp_ms.unsigned_abs();
    if timestamp_ms < 0 {
        out.push(b'-');
    }
    write_unsigned(out, magnitude / 1000);
    let milliseconds = magnitude % 1000;
    if milliseconds != 0 {
        let digits = [
            milliseconds / 100,
            milliseconds / 10 % 10,
            milliseconds % 10,
        ];
        out.push(b'.');
        out.extend(digits.map(|digit| b'0' + digit as u8));
    }
}

/// Appends the time of a scalar or string result in seconds, without trailing zeros.
pub(crate) fn write_scalar_timestamp(out: &mut Vec<u8>, timestamp_ms: i64) {
    write_timestamp(out, timestamp_ms);
    if timestamp_ms % 1000 != 0 {
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// Appends `number` in decimal, with its sign if it is negative.
pub(crate) fn write_whole(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    write_unsigned(out, number.unsigned_abs());
}

/// Appends `number` in decimal.
pub(crate) fn write_unsigned(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

fn write_special(out: &mut Vec<u8>, value: f64) -> bool {
    let text = if value.is_nan() {
        "NaN"
    } else if value == f64::INFINITY {
        "+Inf"
    } else if value == f64::NEG_INFINITY {
        "-Inf"
    } else {
        return false;
    };
    out.extend_from_slice(text.as_bytes());
    true
}

/// Whole numbers below 2^53 are their own shortest digits; most counters are such.
fn write_integer(out: &mut Vec<u8>, value: f64) -> bool {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if value.abs() >= EXACT_MAX || value.fract() != 0.0 {
        return false;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    write_unsigned(out, value.abs() as u64);
    true
}

/// Appends a finite value with as few digits as read back the same, never in exponent form.
fn write_plain(out: &mut Vec<u8>, value: f64) {
    // Several times as fast as formatting, and of two numbers as near it takes the even one, as Go does; but in exponent form
    // beyond some sizes, and with a fraction always.
    let mut digits = zmij::Buffer::new();
    let text = digits.format_finite(value);
    if text.contains('e') {
        write!(out, "{value}").expect("writing to memory does not fail");
    } else {
        let text = text.strip_suffix(".0").unwrap_or(text);
        out.extend_from_slice(text.as_bytes());
    }
}

/// Go writes an exponent's sign always, and at least two digits of it.
fn write_exponent(out: &mut Vec<u8>, value: f64) {
    let start = out.len();
    write!(out, "{value:e}").expect("writing to memory does not fail");
    let exponent = out[start..]
        .iter()
        .position(|byte| *byte == b'e')
        .map(|offset| start + offset + 1);
    let Some(mut exponent) = exponent else { return };
    if out.get(exponent) == Some(&b'-') {
        exponent += 1;
    } else {
        out.insert(exponent, b'+');
        exponent += 1;
    }
    if out.len() - exponent == 1 {
        out.insert(exponent, b'0');
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_have_the_forms_of_prometheus() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-17.0, "-17"),
            (0.1, "0.1"),
            (1e-6, "0.000001"),
            (9.99e-7, "9.99e-07"),
            (1e-7, "1e-07"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-1.5e300, "-1.5e+300"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (123_456_789.123_456_79, "123456789.12345679"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(text(|out| write_value(out, value)), expected);
        }
    }

    #[test]
    fn plain_numbers_have_as_few_digits_as_read_back() {
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..200_000 {
            let value = match random.random_range(0..5) {
                0 => f64::from_bits(random.random()),
                1 => random.random_range(-1.0..1.0) * 10_f64.powi(random.random_range(-9..22)),
                2 => f64::from(random.random_range(-99_999..99_999)) / 1000.0,
                3 => f64::from(random.random_range(-99_999..99_999)) / 60.0,
                _ => (random.random::<i64>() >> random.random_range(0..63)) as f64,
            };
            if value.is_finite() {
                let (written, formatted) = (text(|out| write_plain(out, value)), value.to_string());
                assert_eq!(written.len(), formatted.len(), "{written} {formatted}");
                assert_eq!(written.parse(), Ok(value));
            }
        }
        for value in [
            0.0,
            -0.0,
            1.0,
            1e15,
            1e16,
            1e17,
            5e-324,
            f64::MAX,
            1e-5,
            1e-6,
        ] {
            assert_eq!(text(|out| write_plain(out, value)), value.to_string());
        }
    }

    #[test]
    fn of_two_numbers_as_short_and_as_near_the_even_one_is_written_as_go_does() {
        for (value, expected) in [
            (-8_796_815_847_567.0 - 0.3125, "-8796815847567.312"),
            (8_796_815_847_567.0 + 0.4375, "8796815847567.438"),
        ] {
            assert_eq!(text(|out| write_value(out, value)), expected);
        }
    }

    #[test]
    fn values_of_expositions_have_the_form_of_the_printf_of_go() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (123_456.0, "123456"),
            (999_999.5, "999999.5"),
            (1_000_000.0, "1e+06"),
            (53_317_632.0, "5.3317632e+07"),
            (1e100, "1e+100"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            let mut out = Vec::new();
            write_general(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn scalars_are_never_in_exponent_form() {
        for (value, expected) in [
            (1e21, "1000000000000000000000"),
            (1e-7, "0.0000001"),
            (-0.0, "-0"),
            (f64::INFINITY, "+Inf"),
            (2.5, "2.5"),
        ] {
            assert_eq!(text(|out| write_scalar_value(out, value)), expected);
        }
    }

    #[test]
    fn sample_times_have_no_decimals_or_three() {
        for (timestamp_ms, sample, scalar) in [
            (0, "0", "0"),
            (1_795_225_097_730, "1795225097.730", "1795225097.73"),
            (1_435_781_451_781, "1435781451.781", "1435781451.781"),
            (1_435_781_451_700, "1435781451.700", "1435781451.7"),
            (1_000, "1", "1"),
            (-1, "-0.001", "-0.001"),
            (-2_500, "-2.500", "-2.5"),
            (i64::MIN, "-9223372036854775.808", "-9223372036854775.808"),
        ] {
            assert_eq!(text(|out| write_timestamp(out, timestamp_ms)), sample);
            assert_eq!(
                text(|out| write_scalar_timestamp(out, timestamp_ms)),
                scalar
            );
        }
    }
}
