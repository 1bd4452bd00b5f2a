//! Numbers and durations: reading them, and writing them as Prometheus does.

use std::fmt::Write as _;

/// A year of durations has 365 days.
const UNITS_MS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Durations are bounded by what fits into 64 bits of nanoseconds.
pub(crate) const SECONDS_MAX: f64 = (i64::MAX / 1_000_000_000) as f64;

const MS_MAX: i64 = i64::MAX / 1_000_000;

/// The value of a number: decimal, hexadecimal, octal behind a leading zero, `Inf` or `NaN`.
pub(crate) fn parse_number(text: &str) -> Result<f64, String> {
    let digits: String = text.chars().filter(|next| *next != '_').collect();
    if let Some(integer) = parse_integer(&digits) {
        return Ok(integer as f64);
    }
    let refused = |why: &str| {
        let shown = super::quote(text);
        format!("error parsing number: strconv.ParseFloat: parsing {shown}: {why}")
    };
    let value: f64 = digits.parse().map_err(|_| refused("invalid syntax"))?;
    let infinite = value.is_infinite()
        && digits.starts_with(|next: char| next.is_ascii_digit() || next == '.');
    if infinite {
        return Err(refused("value out of range"));
    }
    Ok(value)
}

/// Integers that fit 64 bits, with Go's base prefixes.
fn parse_integer(digits: &str) -> Option<i64> {
    let lower = digits.to_ascii_lowercase();
    if let Some(hex) = lower.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok();
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match digits.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => i64::from_str_radix(octal, 8).ok(),
        _ => digits.parse().ok(),
    }
}

/// The milliseconds of a duration such as `1h30m`; units in falling order, each at most once.
///
/// # Errors
/// What is wrong with the text, in Prometheus' words.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("not a valid duration string: {}", super::quote(text));
    match text {
        "" => return Err("empty duration string".to_owned()),
        "0" => return Ok(0),
        _ => {}
    }
    let mut rest = text;
    let mut units = UNITS_MS.iter();
    let mut total_ms = 0_i64;
    while !rest.is_empty() {
        let digits_end = rest
            .find(|next: char| !next.is_ascii_digit())
            .ok_or_else(invalid)?;
        let (digits, tail) = rest.split_at(digits_end);
        let unit_end = tail
            .find(|next: char| next.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        if digits.is_empty() {
            return Err(invalid());
        }
        if !UNITS_MS.iter().any(|(name, _)| *name == unit) {
            let (unit, text) = (super::quote(unit), super::quote(text));
            return Err(format!("unknown unit {unit} in duration {text}"));
        }
        let unit_ms = units.find(|(name, _)| *name == unit).ok_or_else(invalid)?.1;
        let part_ms = digits
            .parse::<i64>()
            .ok()
            .and_then(|count| count.checked_mul(unit_ms));
        total_ms = part_ms
            .and_then(|part_ms| total_ms.checked_add(part_ms))
            .filter(|total_ms| *total_ms <= MS_MAX)
            .ok_or("duration out of range")?;
        rest = tail;
    }
    Ok(total_ms)
}

/// The duration as Prometheus writes it: the largest units that divide it evenly come first.
pub(crate) fn format_duration(duration_ms: i64) -> String {
    if duration_ms == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    let mut rest = duration_ms.unsigned_abs();
    if duration_ms < 0 {
        text.push('-');
    }
    for (unit, unit_ms) in UNITS_MS {
        let unit_ms = unit_ms.unsigned_abs();
        // Years and weeks stand alone or not at all: `8d` is no `1w1d`.
        let exact_only = matches!(unit, "y" | "w");
        if rest == 0 || rest < unit_ms || (exact_only && !rest.is_multiple_of(unit_ms)) {
            continue;
        }
        write!(text, "{}{unit}", rest / unit_ms).expect("a string takes all that is written to it");
        rest %= unit_ms;
    }
    text
}

/// The number in plain notation, shortest form.
pub(crate) fn format_number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        format!("{value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_gos_bases_and_underscores() {
        for (text, value) in [
            ("1", 1.0),
            ("010", 8.0),
            ("09", 9.0),
            ("0x1F", 31.0),
            ("0X_1f", 31.0),
            ("1_000.5", 1000.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("9223372036854775808", 9_223_372_036_854_775_808.0),
            ("inf", f64::INFINITY),
        ] {
            assert_eq!(parse_number(text).unwrap(), value, "{text}");
        }
        assert!(parse_number("NaN").unwrap().is_nan());
        for text in ["1e400", "0x", "0xfffffffffffffffff"] {
            assert!(parse_number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_have_falling_units() {
        for (text, ms) in [
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1s500ms", 1_500),
            ("1y2w", 32_745_600_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text).unwrap(), ms, "{text}");
        }
        for text in [
            "",
            "5",
            "m",
            "5hs",
            "30m1h",
            "5m5m",
            "293y",
            "99999999999999999999s",
            "1.5m",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in [
            "0s", "5m", "1h30m", "1d2h", "8d", "2w", "1y", "366d", "1s500ms", "-5m",
        ] {
            let ms = parse_duration(text.trim_start_matches('-')).unwrap();
            let ms = if text.starts_with('-') { -ms } else { ms };
            assert_eq!(format_duration(ms), text);
        }
    }
}
