//! Sizes in bytes: `256MiB`, `1GB`, `512`.

const UNITS: [(&str, u64); 14] = [
    ("", 1),
    ("B", 1),
    ("K", 1 << 10),
    ("KB", 1_000),
    ("KiB", 1 << 10),
    ("M", 1 << 20),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("G", 1 << 30),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("T", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

/// The number of bytes written as `text`: a number, whole or with a decimal fraction, and a unit.
///
/// `KiB` counts in steps of 1024, `KB` in steps of 1000; a bare letter is the former, a missing unit means bytes.
pub(crate) fn parse_byte_size(text: &str) -> Option<u64> {
    let digits = text.len()
        - text
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
            .len();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let (_, factor) = UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(*factor);
    }
    let bytes = number.parse::<f64>().ok()? * *factor as f64;
    (bytes < u64::MAX as f64).then_some(bytes as u64)
}

/// The size in the largest binary unit that divides it.
pub(crate) fn format_byte_size(bytes: u64) -> String {
    for (name, factor) in [
        ("TiB", 1_u64 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
    ] {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{}{name}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_and_decimal_units_differ() {
        assert_eq!(parse_byte_size("256MiB"), Some(256 << 20));
        assert_eq!(parse_byte_size("1GB"), Some(1_000_000_000));
        assert_eq!(parse_byte_size("1 gib"), Some(1 << 30));
        assert_eq!(parse_byte_size("1.5K"), Some(1536));
        assert_eq!(parse_byte_size("17"), Some(17));
        for text in ["", "MiB", "-1MiB", "1XB", "1..5K", "99999999999999TiB"] {
            assert_eq!(parse_byte_size(text), None, "{text:?}");
        }
    }

    #[test]
    fn formatted_sizes_parse_to_themselves() {
        for bytes in [0, 1, 1000, 1024, 256 << 20, 3 << 40] {
            assert_eq!(parse_byte_size(&format_byte_size(bytes)), Some(bytes));
        }
    }
}
