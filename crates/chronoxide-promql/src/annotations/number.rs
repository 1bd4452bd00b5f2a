//! Numbers and times as Go prints them.

use crate::functions::calendar::Calendar;

/// Go's `%g`: the shortest digits that give the number back, with an exponent below 1e-4 and from 1e6 on.
pub(crate) fn go_general(value: f64) -> String {
    general(&format!("{value:e}"), value, 6)
}

/// Go's `%.2g`.
pub(crate) fn go_two_digits(value: f64) -> String {
    general(&format!("{value:.1e}"), value, 2)
}

/// Lays out the digits of `scientific` (Rust's form of `value`) plainly, or with an exponent when it is below -4 or
/// at least `exponent_from`.
fn general(scientific: &str, value: f64, exponent_from: i32) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let mut digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    while digits.len() > 1 && digits.ends_with('0') {
        digits.pop();
    }
    if exponent < -4 || exponent >= exponent_from {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        return format!(
            "{sign}{first}{point}{rest}e{exponent_sign}{:02}",
            exponent.abs()
        );
    }
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    while digits.len() < whole {
        digits.push('0');
    }
    let (left, right) = digits.split_at(whole);
    let point = if right.is_empty() { "" } else { "." };
    format!("{sign}{left}{point}{right}")
}

/// The time in UTC, whole seconds, `2026-11-21T00:00:00Z`.
pub(crate) fn rfc3339_seconds(timestamp_ms: i64) -> String {
    let at = Calendar::of_seconds(timestamp_ms / 1000);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_like_those_of_go() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1.1, "-1.1"),
            (100_000.0, "100000"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (1_234_567.0, "1.234567e+06"),
            (1e21, "1e+21"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(go_general(value), text);
        }
        assert_eq!(go_two_digits(0.123), "0.12");
        assert_eq!(go_two_digits(1234.0), "1.2e+03");
        assert_eq!(go_two_digits(2.0), "2");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(rfc3339_seconds(1_795_225_097_730), "2026-11-21T01:38:17Z");
    }
}
