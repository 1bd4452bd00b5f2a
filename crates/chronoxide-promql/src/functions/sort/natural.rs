//! Natural order of text: runs of digits compare as numbers.

use std::cmp::Ordering;

/// Compares run by run; runs of digits by their number, others, and numbers with text, byte by byte.
///
/// Texts that differ in leading zeros only are told apart by their bytes, so that only equal texts are equal.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (mut left_rest, mut right_rest) = (left, right);
    while !left_rest.is_empty() && !right_rest.is_empty() {
        let (left_run, right_run) = (first_run(left_rest), first_run(right_rest));
        let order = match (number(left_run), number(right_run)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left_run.cmp(right_run),
        };
        if order.is_ne() {
            return order;
        }
        left_rest = &left_rest[left_run.len()..];
        right_rest = &right_rest[right_run.len()..];
    }
    left_rest
        .len()
        .cmp(&right_rest.len())
        .then_with(|| left.cmp(right))
}

/// The longest beginning of digits only or without digits.
fn first_run(text: &str) -> &str {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text
        .find(|c: char| c.is_ascii_digit() != digits)
        .unwrap_or(text.len());
    &text[..end]
}

/// The number that `run` is, if it fits.
fn number(run: &str) -> Option<i64> {
    run.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_inside_text_compare_as_numbers() {
        let mut texts = [
            "4m10", "4m600", "4m1000", "4m5", "10", "9a", "9", "", "a", "b01",
        ];
        texts.sort_by(|left, right| compare(left, right));
        assert_eq!(
            texts,
            [
                "", "4m5", "4m10", "4m600", "4m1000", "9", "9a", "10", "a", "b01"
            ]
        );
    }

    #[test]
    fn only_equal_texts_are_equal() {
        assert_eq!(compare("01", "1"), Ordering::Less);
        assert_eq!(compare("1", "1"), Ordering::Equal);
    }

    #[test]
    fn numbers_too_large_compare_as_text() {
        let (left, right) = ("99999999999999999999", "100000000000000000000");
        assert_eq!(compare(left, right), left.cmp(right));
    }
}
