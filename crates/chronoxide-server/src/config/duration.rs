//! Durations as Prometheus writes them: `30d`, `1h30m`, `250ms`.

use std::time::Duration;

/// Units from large to small, in milliseconds; a year has 365 days.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The duration written as `text`: whole numbers with units, largest unit first, each unit once; or a bare `0`.
///
/// `None` when the text is anything else, or longer than 2^63 ns.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total_ms = 0_u64;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.len()
            - tail
                .trim_start_matches(|c: char| c.is_ascii_lowercase())
                .len();
        let (unit, tail) = tail.split_at(letters);
        let (_, unit_ms) = units.find(|(name, _)| *name == unit)?;
        total_ms = number
            .parse::<u64>()
            .ok()?
            .checked_mul(*unit_ms)?
            .checked_add(total_ms)?;
        rest = tail;
    }
    let longest_ms = i64::MAX as u64 / 1_000_000;
    (!text.is_empty() && total_ms <= longest_ms).then(|| Duration::from_millis(total_ms))
}

/// The shortest text that [`parse_duration`] reads back, to the millisecond.
pub(crate) fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (index, (name, unit_ms)) in UNITS.iter().enumerate() {
        // Years and weeks only where nothing is left over: `30d` stays what it was.
        if rest < *unit_ms || (index < 2 && !rest.is_multiple_of(*unit_ms)) {
            continue;
        }
        text.push_str(&format!("{}{name}", rest / unit_ms));
        rest %= unit_ms;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_stand_in_falling_order_and_once() {
        for (text, ms) in [
            ("0", 0),
            ("15s", 15_000),
            ("1h30m", 5_400_000),
            ("1m0s", 60_000),
            ("30d", 30 * 86_400_000),
            ("1y2w3d4h5m6s7ms", 33_019_506_007),
        ] {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(ms)),
                "{text}"
            );
        }
        for text in [
            "", "15", "s", "1.5h", "-1s", "1s1m", "1s1s", "1x", " 1s", "1s ", "300000y",
        ] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn formatted_durations_parse_to_themselves() {
        for (ms, text) in [
            (0, "0s"),
            (300_000, "5m"),
            (30 * 86_400_000, "30d"),
            (14 * 86_400_000, "2w"),
            (5_400_000, "1h30m"),
            (1_250, "1s250ms"),
        ] {
            let duration = Duration::from_millis(ms);
            assert_eq!(format_duration(duration), text);
            assert_eq!(parse_duration(text), Some(duration));
        }
    }
}
