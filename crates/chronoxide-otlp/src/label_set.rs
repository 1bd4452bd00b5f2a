//! The labels of one data point under construction: one text, reused from point to point.

use chronoxide_model::{CanonicalKey, METRIC_NAME};

use crate::naming::LabelNamer;
use crate::view::Attribute;

/// A stretch of the text.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug)]
struct Label {
    name: Stretch,
    value: Stretch,
}

/// Labels in any order until [`LabelSet::sort`]; each name stands once.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelSet {
    text: String,
    labels: Vec<Label>,
}

/// What happens to the value when two keys become one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collision {
    /// Both values stand, `;` between; empty ones do not count.
    Join,
    /// The later one stands.
    Replace,
}

impl LabelSet {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.labels.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// How many bytes the text takes, overwritten values included.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    fn text_of(&self, stretch: Stretch) -> &str {
        &self.text[stretch.start..stretch.end]
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.labels
            .iter()
            .position(|label| self.text_of(label.name) == name)
    }

    fn append(&mut self, text: &str) -> Stretch {
        let start = self.text.len();
        self.text.push_str(text);
        Stretch {
            start,
            end: self.text.len(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        self.labels
            .iter()
            .map(|label| (self.text_of(label.name), self.text_of(label.value)))
    }

    /// Sets label `name`, whatever it was before.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let found = self.position(name);
        let value = self.append(value);
        match found {
            Some(index) => self.labels[index].value = value,
            None => {
                let name = self.append(name);
                self.labels.push(Label { name, value });
            }
        }
    }

    /// Sets label `name` where it has no value yet.
    pub(crate) fn set_if_absent(&mut self, name: &str, value: &str) {
        let taken = self
            .position(name)
            .is_some_and(|index| !self.text_of(self.labels[index].value).is_empty());
        if !taken {
            self.set(name, value);
        }
    }

    /// Adds an attribute of a data point; answers whether its key gives a label name.
    pub(crate) fn add_point_attribute(
        &mut self,
        namer: &LabelNamer,
        attribute: &Attribute<'_>,
    ) -> bool {
        let start = self.text.len();
        if !namer.write_point_key(attribute.key, &mut self.text) {
            return false;
        }
        self.add_value(start, attribute, Collision::Join);
        true
    }

    /// Adds an attribute under the name of its key after `prefix`; answers whether there is one.
    pub(crate) fn add_attribute(
        &mut self,
        namer: &LabelNamer,
        prefix: &str,
        attribute: &Attribute<'_>,
        collision: Collision,
    ) -> bool {
        let start = self.text.len();
        let named = if prefix.is_empty() {
            namer.write(attribute.key, &mut self.text)
        } else {
            namer.write(&format!("{prefix}{}", attribute.key), &mut self.text)
        };
        if named {
            self.add_value(start, attribute, collision);
        }
        named
    }

    /// Adds the label whose name is the text from `start` on.
    fn add_value(&mut self, start: usize, attribute: &Attribute<'_>, collision: Collision) {
        let name = Stretch {
            start,
            end: self.text.len(),
        };
        attribute.value.write_text(&mut self.text);
        let value = Stretch {
            start: name.end,
            end: self.text.len(),
        };
        match self.position(self.text_of(name)) {
            None => self.labels.push(Label { name, value }),
            Some(index) => {
                let value = match collision {
                    Collision::Join => self.joined(self.labels[index].value, value),
                    Collision::Replace => value,
                };
                self.labels[index].value = value;
            }
        }
    }

    fn joined(&mut self, first: Stretch, second: Stretch) -> Stretch {
        if first.start == first.end {
            return second;
        }
        if second.start == second.end {
            return first;
        }
        let start = self.text.len();
        self.text.extend_from_within(first.start..first.end);
        self.text.push(';');
        self.text.extend_from_within(second.start..second.end);
        Stretch {
            start,
            end: self.text.len(),
        }
    }

    /// Drops labels without a value and sorts the others, as [`LabelSet::write_key`] needs them.
    pub(crate) fn sort(&mut self) {
        self.labels
            .retain(|label| label.value.start < label.value.end);
        let text = &self.text;
        let name = |label: &Label| &text[label.name.start..label.name.end];
        self.labels.sort_unstable_by(|a, b| name(a).cmp(name(b)));
    }

    /// Appends to `key` the canonical key of these labels with metric name `metric` and, if given, one more label;
    /// both overwrite.
    pub(crate) fn write_key(&self, metric: &str, extra: Option<(&str, &str)>, key: &mut Vec<u8>) {
        let mut write = |name: &str, value: &str| {
            CanonicalKey::encode_text(name.as_bytes(), key);
            CanonicalKey::encode_text(value.as_bytes(), key);
        };
        let mut due = [Some((METRIC_NAME, metric)), extra];
        if extra.is_some_and(|(name, _)| name < METRIC_NAME) {
            due.swap(0, 1);
        }
        for (name, value) in self.iter() {
            for slot in &mut due {
                if let Some((due_name, due_value)) = slot.take_if(|(due_name, _)| *due_name <= name)
                {
                    write(due_name, due_value);
                }
            }
            if name != METRIC_NAME && extra.is_none_or(|(extra_name, _)| extra_name != name) {
                write(name, value);
            }
        }
        for (name, value) in due.into_iter().flatten() {
            write(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chronoxide_model::{KeyEncoding, Labels};

    fn key_of(set: &mut LabelSet, extra: Option<(&str, &str)>) -> Labels {
        set.sort();
        let mut key = Vec::new();
        set.write_key("m", extra, &mut key);
        let labels = CanonicalKey.decode(&key).unwrap();
        let mut canonical = Vec::new();
        CanonicalKey::encode(&labels, &mut canonical);
        assert_eq!(key, canonical, "keys are sorted");
        labels
    }

    #[test]
    fn name_and_extra_label_find_their_place_and_overwrite() {
        for names in [
            ["A", "z"],
            ["a", "le"],
            ["le", "__name__"],
            ["ZZ", "Z"],
            ["b", "c"],
        ] {
            for extra in [None, Some(("le", "5")), Some(("Z", "early"))] {
                let mut set = LabelSet::default();
                for name in names {
                    set.set(name, "own");
                }
                let labels = key_of(&mut set, extra);
                assert_eq!(labels.metric_name(), Some("m"));
                for name in names.into_iter().filter(|name| *name != METRIC_NAME) {
                    let overwritten = extra.filter(|(extra_name, _)| *extra_name == name);
                    assert_eq!(
                        labels.get(name),
                        Some(overwritten.map_or("own", |(_, value)| value))
                    );
                }
                assert_eq!(
                    extra.and_then(|(name, _)| labels.get(name)),
                    extra.map(|(_, value)| value)
                );
            }
        }
    }

    #[test]
    fn labels_without_a_value_drop_out() {
        let mut set = LabelSet::default();
        set.set("a", "1");
        set.set("b", "");
        set.set_if_absent("b", "2");
        set.set_if_absent("a", "3");
        set.set("c", "");
        assert_eq!(key_of(&mut set, None).to_string(), r#"m{a="1", b="2"}"#);
    }
}
