//! Limits on labels, checked once for each series, at first sight.

use chronoxide_model::{Labels, RejectReason};

use crate::Options;

/// How large a label set may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LabelLimits {
    labels_max: usize,
    name_bytes_max: usize,
    value_bytes_max: usize,
    bytes_max: usize,
}

impl LabelLimits {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            labels_max: options.labels_max,
            name_bytes_max: options.label_name_bytes_max,
            value_bytes_max: options.label_value_bytes_max,
            bytes_max: options.labels_bytes_max,
        }
    }

    /// Which limit `labels` pass, and what to do about it.
    pub(crate) fn broken(&self, labels: &Labels) -> Option<(RejectReason, String)> {
        if labels.is_empty() {
            let detail = "a series needs at least one label with a value".to_owned();
            return Some((RejectReason::NoLabels, detail));
        }
        if labels.len() > self.labels_max {
            let detail = format!(
                "{} labels, the limit is {}: drop labels at the sender or raise the limit",
                labels.len(),
                self.labels_max
            );
            return Some((RejectReason::TooManyLabels, detail));
        }
        let pair = labels
            .iter()
            .find_map(|(name, value)| self.broken_pair(name, value));
        pair.or_else(|| self.broken_sum(labels))
    }

    fn broken_sum(&self, labels: &Labels) -> Option<(RejectReason, String)> {
        let bytes: usize = labels
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let detail = || {
            format!(
                "names and values have {bytes} bytes together, the limit is {}: shorten or drop labels at the sender or \
                 raise the limit",
                self.bytes_max
            )
        };
        (bytes > self.bytes_max).then(|| (RejectReason::LabelsTooLong, detail()))
    }

    fn broken_pair(&self, name: &str, value: &str) -> Option<(RejectReason, String)> {
        if name.len() > self.name_bytes_max {
            let detail = format!(
                "label name {:?} has {} bytes, the limit is {}: rename the label at the sender or raise the limit",
                shortened(name, 64),
                name.len(),
                self.name_bytes_max
            );
            return Some((RejectReason::LabelNameTooLong, detail));
        }
        if value.len() > self.value_bytes_max {
            let detail = format!(
                "the value of label {:?} has {} bytes, the limit is {}: shorten or drop the label at the sender or \
                 raise the limit",
                shortened(name, 64),
                value.len(),
                self.value_bytes_max
            );
            return Some((RejectReason::LabelValueTooLong, detail));
        }
        None
    }
}

/// `text`, or its first bytes and an ellipsis when it is longer than `bytes_max`.
pub(crate) fn shortened(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = (0..=bytes_max)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(pairs: &[(&str, &str)]) -> Option<RejectReason> {
        let options = Options {
            labels_max: 2,
            label_name_bytes_max: 4,
            label_value_bytes_max: 5,
            labels_bytes_max: 8,
            ..Options::default()
        };
        let labels = Labels::from_pairs(pairs.iter().copied()).unwrap();
        LabelLimits::new(&options)
            .broken(&labels)
            .map(|(reason, _)| reason)
    }

    #[test]
    fn each_limit_is_named() {
        assert_eq!(broken(&[("nam", "value")]), None);
        assert_eq!(broken(&[]), Some(RejectReason::NoLabels));
        assert_eq!(broken(&[("a", "")]), Some(RejectReason::NoLabels));
        assert_eq!(
            broken(&[("a", "1"), ("b", "1"), ("c", "1")]),
            Some(RejectReason::TooManyLabels)
        );
        assert_eq!(
            broken(&[("names", "v")]),
            Some(RejectReason::LabelNameTooLong)
        );
        assert_eq!(
            broken(&[("a", "values")]),
            Some(RejectReason::LabelValueTooLong)
        );
        assert_eq!(
            broken(&[("name", "value")]),
            Some(RejectReason::LabelsTooLong)
        );
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(shortened("aéb", 2), "a…");
        assert_eq!(shortened("é", 0), "…");
        assert_eq!(shortened("é", 1), "…");
    }
}
