//! Numbers as the formats write them.

use std::io::Write as _;

/// The NaN that Prometheus makes of the word.
pub(crate) const NORMAL_NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// The float that `text` is in the notation of Go: decimal, or one of the words for what is no number.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let (sign, word) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if word.eq_ignore_ascii_case("inf") || word.eq_ignore_ascii_case("infinity") {
        return Some(sign * f64::INFINITY);
    }
    if text.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN);
    }
    let is_decimal = word.bytes().any(|byte| byte.is_ascii_digit())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    // A number too large to be held is an error and no infinity.
    is_decimal
        .then(|| text.parse::<f64>().ok())?
        .filter(|number| number.is_finite())
}

/// The Unix milliseconds of `text` in seconds with a fraction.
pub(crate) fn parse_seconds(text: &str) -> Option<i64> {
    let milliseconds = (parse_float(text)? * 1000.0).round();
    // The bounds of i64 are not exact as floats; the one above is already outside.
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0)
        .contains(&milliseconds)
        .then_some(milliseconds as i64)
}

/// Appends `value`, which is finite, as a JSON number: the shortest digits that read back the same.
pub(crate) fn write_finite(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    let written = if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        write!(out, "{value:e}")
    } else {
        write!(out, "{value}")
    };
    written.expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_have_the_notation_of_go() {
        for (text, expected) in [
            ("0", Some(0.0)),
            ("-0", Some(-0.0)),
            ("+1.5", Some(1.5)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1e-07", Some(1e-7)),
            ("+Inf", Some(f64::INFINITY)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("Infinity", Some(f64::INFINITY)),
            ("1e999", None),
            ("", None),
            ("-", None),
            (".", None),
            ("e5", None),
            ("0x10", None),
            ("1_000", None),
            ("+nan", None),
            ("1 ", None),
            ("--1", None),
        ] {
            let parsed = parse_float(text);
            assert_eq!(
                parsed.map(f64::to_bits),
                expected.map(f64::to_bits),
                "{text}"
            );
        }
        assert!(parse_float("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn seconds_become_milliseconds() {
        for (text, expected) in [
            ("1700000000", Some(1_700_000_000_000)),
            ("1700000000.1234", Some(1_700_000_000_123)),
            ("-1.5", Some(-1_500)),
            ("1e3", Some(1_000_000)),
            ("9223372036854775.808", None),
            ("-9223372036854775.808", Some(i64::MIN)),
            ("NaN", None),
            ("+Inf", None),
        ] {
            assert_eq!(parse_seconds(text), expected, "{text}");
        }
    }
}
