//! Label sets: the identity of a series.

use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The label that holds the metric name.
pub const METRIC_NAME: &str = "__name__";

/// A set of labels: pairs of name and value, sorted by name, each name once, no value empty.
///
/// Names and values are any UTF-8. A label with an empty value is the same as none, so it is never kept. Cloning is
/// cheap. Sets order by their pairs, name before value, as Prometheus orders them.
#[derive(Clone)]
pub struct Labels(Arc<Packed>);

/// All strings end to end, and where each one ends: name, value, name, value.
#[derive(PartialEq, Eq, Hash)]
struct Packed {
    text: Box<str>,
    ends: Box<[u32]>,
}

impl Packed {
    /// Names and values in turn, from the one at `index` on.
    fn strings_from(&self, index: usize) -> impl Iterator<Item = &str> {
        let mut start = index
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize);
        self.ends[index..].iter().map(move |end| {
            let string = &self.text[start..*end as usize];
            start = *end as usize;
            string
        })
    }
}

/// Labels that cannot stand together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelsError {
    /// A label has no name.
    #[error("label with value {value:?} has an empty name")]
    EmptyName {
        /// The value beside the missing name.
        value: String,
    },
    /// A name stands twice.
    #[error("label name {name:?} is given more than once")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// Bytes that are not UTF-8.
    #[error("label text is not valid UTF-8: {text:?}")]
    InvalidUtf8 {
        /// The text with the invalid bytes replaced.
        text: String,
    },
    /// No metric name, where the protocol demands one.
    #[error("series {series} has no metric name (label {METRIC_NAME})")]
    MissingMetricName {
        /// The labels that are there.
        series: String,
    },
    /// All names and values together pass 4 GiB, or the bytes of a key are not what its encoding demands.
    #[error("label key is malformed at byte {offset}")]
    MalformedKey {
        /// Where in the key.
        offset: usize,
    },
}

impl Labels {
    /// The set without labels.
    #[must_use]
    pub fn empty() -> Self {
        static EMPTY: OnceLock<Labels> = OnceLock::new();
        EMPTY
            .get_or_init(|| {
                Self(Arc::new(Packed {
                    text: Box::default(),
                    ends: Box::default(),
                }))
            })
            .clone()
    }

    /// The set of `pairs`, sorted, pairs with an empty value left out.
    ///
    /// # Errors
    /// When a name is empty or stands twice.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Result<Self, LabelsError>
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let owned: Vec<(N, V)> = pairs.into_iter().collect();
        let mut sorted: Vec<(&str, &str)> = owned
            .iter()
            .map(|(n, v)| (n.as_ref(), v.as_ref()))
            .collect();
        sorted.sort_by(|a, b| a.0.cmp(b.0));
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(LabelsError::DuplicateName {
                name: twice[0].0.to_owned(),
            });
        }
        if let Some((_, value)) = sorted.iter().find(|(name, _)| name.is_empty()) {
            return Err(LabelsError::EmptyName {
                value: (*value).to_owned(),
            });
        }
        sorted.retain(|(_, value)| !value.is_empty());
        Self::from_sorted(&sorted)
    }

    /// As [`Labels::from_pairs`], and faster for pairs that are in order already, without repetition or empty values.
    ///
    /// # Errors
    /// When a name is empty or stands twice.
    pub fn from_ordered_pairs<'p>(
        pairs: impl Iterator<Item = (&'p str, &'p str)> + Clone,
    ) -> Result<Self, LabelsError> {
        let (mut bytes, mut count, mut last_name) = (0, 0, "");
        for (name, value) in pairs.clone() {
            if name <= last_name || value.is_empty() {
                return Self::from_pairs(pairs);
            }
            bytes += name.len() + value.len();
            count += 1;
            last_name = name;
        }
        Self::pack(pairs, bytes, count)
    }

    /// Packs pairs that are sorted, without repetition and without empty values.
    fn from_sorted(pairs: &[(&str, &str)]) -> Result<Self, LabelsError> {
        let bytes: usize = pairs
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        Self::pack(pairs.iter().copied(), bytes, pairs.len())
    }

    /// Packs `count` pairs of `bytes` bytes together.
    fn pack<'p>(
        pairs: impl Iterator<Item = (&'p str, &'p str)>,
        bytes: usize,
        count: usize,
    ) -> Result<Self, LabelsError> {
        if u32::try_from(bytes).is_err() {
            return Err(LabelsError::MalformedKey { offset: bytes });
        }
        let mut text = String::with_capacity(bytes);
        let mut ends = Vec::with_capacity(count * 2);
        for (name, value) in pairs {
            for part in [name, value] {
                text.push_str(part);
                ends.push(u32::try_from(text.len()).expect("the sum was checked above"));
            }
        }
        Ok(Self(Arc::new(Packed {
            text: text.into(),
            ends: ends.into(),
        })))
    }

    /// How many labels there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.ends.len() / 2
    }

    /// Whether there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// How many bytes of memory the set takes, about; sets that were cloned from each other take it once.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let counts = 2 * size_of::<usize>();
        counts + size_of::<Packed>() + self.0.text.len() + size_of_val(&*self.0.ends)
    }

    /// Name and value of label `index`.
    fn pair(&self, index: usize) -> (&str, &str) {
        let ends = &self.0.ends;
        let start = if index == 0 {
            0
        } else {
            ends[index * 2 - 1] as usize
        };
        let (middle, end) = (ends[index * 2] as usize, ends[index * 2 + 1] as usize);
        (&self.0.text[start..middle], &self.0.text[middle..end])
    }

    /// The labels in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + DoubleEndedIterator + '_ {
        (0..self.len()).map(|index| self.pair(index))
    }

    /// Compares the set with `pairs`, sorted by name, as it would compare with the set of them.
    pub fn cmp_pairs<'p>(&self, pairs: impl Iterator<Item = (&'p str, &'p str)>) -> Ordering {
        let bytes = self.0.text.as_bytes();
        let mut start = 0;
        let mut strings = self.0.ends.iter().map(|end| {
            let string = &bytes[start..*end as usize];
            start = *end as usize;
            string
        });
        for other in pairs.flat_map(|(name, value)| [name, value]) {
            match strings.next().map(|own| own.cmp(other.as_bytes())) {
                None => return Ordering::Less,
                Some(Ordering::Equal) => {}
                Some(ordering) => return ordering,
            }
        }
        strings
            .next()
            .map_or(Ordering::Equal, |_| Ordering::Greater)
    }

    /// The value of label `name`, if the set has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(candidate, _)| *candidate == name)
            .map(|(_, value)| value)
    }

    /// The metric name, if the set has one.
    #[must_use]
    pub fn metric_name(&self) -> Option<&str> {
        self.get(METRIC_NAME)
    }

    /// A builder that starts with these labels.
    #[must_use]
    pub fn to_builder(&self) -> LabelsBuilder {
        LabelsBuilder {
            pairs: self
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// The labels whose name satisfies `keep`.
    #[must_use]
    pub fn filtered(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        let kept: Vec<(&str, &str)> = self.iter().filter(|(name, _)| keep(name)).collect();
        if kept.len() == self.len() {
            return self.clone();
        }
        Self::from_sorted(&kept).expect("a part of a valid set is valid")
    }

    /// The labels without the metric name.
    #[must_use]
    pub fn without_metric_name(&self) -> Self {
        self.filtered(|name| name != METRIC_NAME)
    }
}

/// A label set under construction: labels are set and removed by name, then [`LabelsBuilder::build`] sorts them.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// A builder without labels.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets label `name` to `value`; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        match self
            .pairs
            .iter_mut()
            .find(|(candidate, _)| candidate == name)
        {
            Some(pair) => value.clone_into(&mut pair.1),
            None => self.pairs.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Removes label `name`, if it is there.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.pairs.retain(|(candidate, _)| candidate != name);
        self
    }

    /// The value of label `name` so far.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(candidate, _)| candidate == name)
            .map(|(_, value)| value.as_str())
    }

    /// The finished set.
    ///
    /// # Errors
    /// When a name is empty.
    pub fn build(&self) -> Result<Labels, LabelsError> {
        Labels::from_pairs(self.pairs.iter().map(|(name, value)| (name, value)))
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Labels {}

impl std::hash::Hash for Labels {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (&*self.0, &*other.0);
        // As far as the strings end at the same places, comparing them one by one is comparing them at once.
        let alike = a
            .ends
            .iter()
            .zip(&b.ends)
            .take_while(|(a, b)| a == b)
            .count();
        let bytes = alike.checked_sub(1).map_or(0, |last| a.ends[last] as usize);
        let (a_bytes, b_bytes) = (&a.text.as_bytes()[..bytes], &b.text.as_bytes()[..bytes]);
        a_bytes
            .cmp(b_bytes)
            .then_with(|| a.strings_from(alike).cmp(b.strings_from(alike)))
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl AsRef<Self> for Labels {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// The notation of PromQL: `up{job="node"}`, names that are not plain identifiers in quotes.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.metric_name().unwrap_or("");
        let plain_name = is_plain_metric_name(name);
        if plain_name {
            f.write_str(name)?;
        }
        if plain_name && self.len() == 1 {
            return Ok(());
        }
        f.write_str("{")?;
        let mut separator = "";
        if !plain_name && !name.is_empty() {
            write!(f, "{}", Quoted(name))?;
            separator = ", ";
        }
        for (label, value) in self.iter().filter(|(label, _)| *label != METRIC_NAME) {
            f.write_str(separator)?;
            if is_plain_label_name(label) {
                write!(f, "{label}={}", Quoted(value))?;
            } else {
                write!(f, "{}={}", Quoted(label), Quoted(value))?;
            }
            separator = ", ";
        }
        f.write_str("}")
    }
}

fn is_plain_metric_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

fn is_plain_label_name(name: &str) -> bool {
    is_plain_metric_name(name) && !name.contains(':')
}

/// A string between double quotes, with backslash escapes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_sorted_and_empty_values_left_out() {
        let labels = Labels::from_pairs([("b", "2"), ("empty", ""), ("a", "1")]).unwrap();
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!(labels.get("b"), Some("2"));
        assert_eq!(labels.get("empty"), None);
        let none = Labels::empty().memory_bytes();
        assert_eq!(labels.memory_bytes(), none + "a1b2".len() + 4 * 4);
    }

    #[test]
    fn empty_and_repeated_names_are_refused() {
        assert!(matches!(
            Labels::from_pairs([("", "x")]),
            Err(LabelsError::EmptyName { .. })
        ));
        assert!(matches!(
            Labels::from_pairs([("", "")]),
            Err(LabelsError::EmptyName { .. })
        ));
        assert!(matches!(
            Labels::from_pairs([("a", "1"), ("a", "2")]),
            Err(LabelsError::DuplicateName { .. })
        ));
        assert!(matches!(
            Labels::from_pairs([("a", "1"), ("a", "")]),
            Err(LabelsError::DuplicateName { .. })
        ));
    }

    #[test]
    fn sets_order_by_pairs() {
        let set = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied()).unwrap();
        assert!(set(&[("a", "1")]) < set(&[("a", "1"), ("b", "1")]));
        assert!(set(&[("a", "2")]) > set(&[("a", "1"), ("b", "1")]));
        assert!(set(&[("a", "ab"), ("c", "")]) < set(&[("ab", "a")]));
    }

    #[test]
    fn the_order_is_that_of_the_pairs_for_all_small_sets() {
        let mut sets = vec![Labels::empty()];
        let texts = ["a", "ab", "b", "ba", "é"];
        for (first, second) in texts.iter().flat_map(|a| texts.iter().map(move |b| (a, b))) {
            for value in texts {
                let pairs = [(*first, value), (*second, "a"), (second, "b")];
                for pairs in [&pairs[..1], &pairs[..2], &pairs[1..]] {
                    sets.extend(Labels::from_pairs(pairs.iter().copied()));
                }
            }
        }
        for a in &sets {
            for b in &sets {
                assert_eq!(a.cmp(b), a.iter().cmp(b.iter()), "{a} and {b}");
                assert_eq!(a.cmp(b), a.cmp_pairs(b.iter()), "{a} and {b}");
                assert_eq!(a.cmp(b).is_eq(), a == b);
            }
        }
    }

    #[test]
    fn pairs_in_order_pack_the_same() {
        for pairs in [
            &[][..],
            &[("a", "1"), ("b", "2")],
            &[("b", "2"), ("a", "1")],
            &[("a", ""), ("b", "2")],
            &[("a", "1"), ("a", "2")],
            &[("", "1")],
        ] {
            let ordered = Labels::from_ordered_pairs(pairs.iter().copied());
            assert_eq!(ordered, Labels::from_pairs(pairs.iter().copied()));
        }
    }

    #[test]
    fn display_is_the_notation_of_promql() {
        let show = |pairs: &[(&str, &str)]| {
            Labels::from_pairs(pairs.iter().copied())
                .unwrap()
                .to_string()
        };
        assert_eq!(show(&[]), "{}");
        assert_eq!(show(&[("__name__", "up")]), "up");
        assert_eq!(
            show(&[("__name__", "up"), ("a", "q\"\n")]),
            r#"up{a="q\"\n"}"#
        );
        assert_eq!(
            show(&[("__name__", "http.status"), ("a.b", "1")]),
            r#"{"http.status", "a.b"="1"}"#
        );
        assert_eq!(show(&[("a", "1")]), r#"{a="1"}"#);
    }

    #[test]
    fn the_builder_replaces_and_removes() {
        let mut builder = Labels::from_pairs([("a", "1"), ("b", "2")])
            .unwrap()
            .to_builder();
        builder.set("a", "9").remove("b").set("c", "").set("d", "4");
        assert_eq!(
            builder.build().unwrap(),
            Labels::from_pairs([("a", "9"), ("d", "4")]).unwrap()
        );
    }
}
