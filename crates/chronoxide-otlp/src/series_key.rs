//! Series known by the attributes of their points: a key that costs no label to make.
//!
//! Most points belong to series that storage knows already. So the key of a series is what its labels are made of, and
//! the labels are made where storage asks for them, at first sight of the key: names escaped, values joined, identity
//! and promoted attributes in their places.
//!
//! A key is the namer's choices in one byte, the labels that give way to the point's attributes, those that they give way
//! to, the metric's name, the attributes sorted by key, and at most one label that overwrites all others. Labels stand
//! there like in a [`CanonicalKey`].

use chronoxide_model::{CanonicalKey, KeyEncoding, Labels, LabelsError};

use chronoxide_protobuf::Reader;

use crate::label_set::LabelSet;
use crate::naming::LabelNamer;
use crate::view::{Attribute, Value};

/// Bytes of encoded attributes; larger sets become labels at once, under the limits that these have.
const ATTRIBUTE_BYTES_MAX: usize = 64 << 10;

/// The encoding of such keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttributesKey;

/// What the keys of one metric begin with.
#[derive(Debug, Default)]
pub(crate) struct KeyHead(Vec<u8>);

impl KeyHead {
    /// Begins anew: `yielding` labels give way to a point's attributes, which give way to `overriding` ones.
    pub(crate) fn set<'l>(
        &mut self,
        namer: &LabelNamer,
        yielding: impl Iterator<Item = (&'l str, &'l str)>,
        overriding: impl Iterator<Item = (&'l str, &'l str)>,
    ) {
        self.0.clear();
        self.0.push(namer.to_bits());
        let mut labels = Vec::new();
        write_labels(yielding, &mut labels);
        CanonicalKey::encode_text(&labels, &mut self.0);
        labels.clear();
        write_labels(overriding, &mut labels);
        CanonicalKey::encode_text(&labels, &mut self.0);
    }

    /// Appends to `key` the key of the series with metric name `metric`, with `attributes` as [`encode_attributes`] writes
    /// them, and if given with one more label.
    pub(crate) fn write_key(
        &self,
        metric: &str,
        attributes: &[u8],
        extra: Option<(&str, &str)>,
        key: &mut Vec<u8>,
    ) {
        key.reserve(self.0.len() + metric.len() + attributes.len() + 8);
        key.extend_from_slice(&self.0);
        CanonicalKey::encode_text(metric.as_bytes(), key);
        CanonicalKey::encode_text(attributes, key);
        write_labels(extra.into_iter(), key);
    }

    /// How many bytes a key has besides metric name and attributes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn write_labels<'l>(labels: impl Iterator<Item = (&'l str, &'l str)>, out: &mut Vec<u8>) {
    for (name, value) in labels {
        CanonicalKey::encode_text(name.as_bytes(), out);
        CanonicalKey::encode_text(value.as_bytes(), out);
    }
}

/// Replaces `out` by `attributes`, which are sorted and each of another key; answers whether they are of the plain kind
/// that a key can hold.
pub(crate) fn encode_attributes<'s, 'a: 's>(
    attributes: impl Iterator<Item = &'s Attribute<'a>>,
    out: &mut Vec<u8>,
) -> bool {
    out.clear();
    for attribute in attributes {
        if attribute.key == chronoxide_model::METRIC_NAME {
            continue;
        }
        // Any letter or digit leaves a name; what leaves none is counted where labels are made.
        if !attribute
            .key
            .bytes()
            .any(|byte| byte.is_ascii_alphanumeric())
        {
            return false;
        }
        CanonicalKey::encode_text(attribute.key.as_bytes(), out);
        match &attribute.value {
            Value::Text(text) => {
                out.push(1);
                CanonicalKey::encode_text(text.as_bytes(), out);
            }
            Value::Integer(value) => {
                out.push(2);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Value::Double(value) => {
                out.push(3);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Value::Bool(value) => out.extend_from_slice(&[4, u8::from(*value)]),
            Value::Empty => out.push(0),
            Value::Bytes(_) | Value::Array(_) | Value::Map(_) => return false,
        }
        if out.len() > ATTRIBUTE_BYTES_MAX {
            return false;
        }
    }
    true
}

impl KeyEncoding for AttributesKey {
    fn id(&self) -> u8 {
        3
    }

    fn decode(&self, key: &[u8]) -> Result<Labels, LabelsError> {
        let (bits, rest) = key
            .split_first()
            .ok_or(LabelsError::MalformedKey { offset: 0 })?;
        let namer = LabelNamer::from_bits(*bits);
        let mut parts = Reader::new(rest, "series key");
        let yielding = parts.bytes().map_err(malformed)?;
        let overriding = parts.bytes().map_err(malformed)?;
        let metric = parts.text().map_err(malformed)?;
        let mut attributes = parts.message("attributes").map_err(malformed)?;
        let mut labels = LabelSet::default();
        while !attributes.is_at_end() {
            let attribute = read_attribute(&mut attributes).map_err(malformed)?;
            labels.add_point_attribute(&namer, &attribute);
        }
        for_each_label(yielding, |name, value| labels.set_if_absent(name, value))?;
        for_each_label(overriding, |name, value| labels.set(name, value))?;
        labels.set(chronoxide_model::METRIC_NAME, metric);
        let extra = rest.get(parts.position()..).unwrap_or_default();
        for_each_label(extra, |name, value| labels.set(name, value))?;
        labels.sort();
        Labels::from_pairs(labels.iter())
    }
}

fn for_each_label(mut labels: &[u8], mut each: impl FnMut(&str, &str)) -> Result<(), LabelsError> {
    while !labels.is_empty() {
        let (name, value, rest) = CanonicalKey::split_first(labels)?;
        each(name, value);
        labels = rest;
    }
    Ok(())
}

fn malformed(error: chronoxide_protobuf::Error) -> LabelsError {
    LabelsError::MalformedKey {
        offset: 1 + error.offset,
    }
}

/// Reads what [`encode_attributes`] wrote; the kind of a value is a varint of one byte.
fn read_attribute<'k>(reader: &mut Reader<'k>) -> chronoxide_protobuf::Result<Attribute<'k>> {
    let key = reader.text()?;
    let value = match reader.varint()? {
        0 => Value::Empty,
        1 => Value::Text(reader.text()?),
        2 => Value::Integer(reader.fixed64()? as i64),
        3 => Value::Double(reader.double()?),
        4 => Value::Bool(reader.varint()? != 0),
        _ => return Err(reader.malformed("a value of an unknown kind")),
    };
    Ok(Attribute { key, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    fn attribute<'a>(key: &'a str, value: Value<'a>) -> Attribute<'a> {
        Attribute { key, value }
    }

    fn key_of(attributes: &[Attribute<'_>], extra: Option<(&str, &str)>) -> Vec<u8> {
        let namer = LabelNamer::new(&Options::default());
        let mut head = KeyHead::default();
        let yielding = [("a_b", "resource"), ("region", "eu")];
        head.set(&namer, yielding.into_iter(), [("job", "shop")].into_iter());
        let (mut encoded, mut key) = (Vec::new(), Vec::new());
        assert!(encode_attributes(attributes.iter(), &mut encoded));
        head.write_key("m_total", &encoded, extra, &mut key);
        assert!(key.len() >= head.len() + encoded.len());
        key
    }

    #[test]
    fn a_key_stands_for_labels_in_their_order_of_rank() {
        let attributes = [
            attribute("__name__", Value::Text("evil")),
            attribute("a-b", Value::Double(0.5)),
            attribute("a.b", Value::Bool(true)),
            attribute("empty", Value::Empty),
            attribute("job", Value::Text("mine")),
            attribute("le", Value::Integer(-7)),
        ];
        for (extra, expected) in [
            (
                None,
                r#"m_total{a_b="0.5;true", job="shop", le="-7", region="eu"}"#,
            ),
            (
                Some(("le", "5")),
                r#"m_total{a_b="0.5;true", job="shop", le="5", region="eu"}"#,
            ),
        ] {
            let labels = AttributesKey.decode(&key_of(&attributes, extra)).unwrap();
            assert_eq!(labels.to_string(), expected);
        }
    }

    #[test]
    fn what_a_key_cannot_hold_is_left_to_labels() {
        let long = "x".repeat(ATTRIBUTE_BYTES_MAX);
        for attribute in [
            attribute("a", Value::Array(Vec::new())),
            attribute("a", Value::Map(Vec::new())),
            attribute("a", Value::Bytes(&[])),
            attribute("\u{65e5}", Value::Bool(true)),
            attribute("", Value::Bool(true)),
            attribute("a", Value::Text(&long)),
        ] {
            assert!(!encode_attributes(
                [&attribute].into_iter(),
                &mut Vec::new()
            ));
        }
    }

    #[test]
    fn a_key_that_is_cut_or_changed_is_an_error_or_other_labels() {
        let attributes = [
            attribute("a", Value::Integer(1)),
            attribute("b", Value::Text("2")),
        ];
        let whole = key_of(&attributes, None);
        let labels = AttributesKey.decode(&whole).unwrap();
        for end in 0..whole.len() {
            let cut = AttributesKey.decode(&whole[..end]);
            assert_ne!(cut.ok().as_ref(), Some(&labels), "{end}");
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[end] ^= 1 << bit;
                // Whatever it is, it must not panic.
                let _ = AttributesKey.decode(&flipped);
            }
        }
    }
}
