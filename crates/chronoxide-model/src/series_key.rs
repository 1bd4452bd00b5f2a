//! Series keys: bytes that stand for a label set.
//!
//! Storage finds a series by the hash of its key and decodes the key only the first time it sees it. So a protocol
//! hands over the bytes of the wire as they are, together with the [`KeyEncoding`] that can read them, and a known
//! series costs neither parsing nor allocation.
//!
//! Several keys may stand for one set (another encoding, another order of labels); equal keys of one encoding always
//! stand for the same set.

use std::fmt;

use crate::{Labels, LabelsError, METRIC_NAME};

/// How the bytes of a key become labels.
pub trait KeyEncoding: fmt::Debug + Send + Sync {
    /// A number of its own for each encoding, so that equal bytes of two encodings are different keys.
    fn id(&self) -> u8;

    /// The labels that `key` stands for.
    ///
    /// # Errors
    /// When the key stands for no valid set: see [`LabelsError`].
    fn decode(&self, key: &[u8]) -> Result<Labels, LabelsError>;

    /// The series that `key` means, as far as it can be told: for people, about keys that stand for no valid set. Long
    /// ones are cut, and there are no control characters.
    fn describe(&self, key: &[u8]) -> String {
        let text = String::from_utf8_lossy(&key[..key.len().min(DESCRIBED_BYTES_MAX)]);
        text.replace(char::is_control, " ").trim().to_owned()
    }
}

/// Bytes of a key that are described, and of each text of labels.
const DESCRIBED_BYTES_MAX: usize = 256;

/// Labels that are no valid set, or not valid at all, as people write them, as far as they make sense. What is long is
/// cut.
///
/// ```
/// let pairs = [(&b"__name__"[..], &b"up"[..]), (b"a", b"1"), (b"a", b"2")];
/// assert_eq!(chronoxide_model::describe_pairs(pairs), "up{a=\"1\", a=\"2\"}");
/// ```
pub fn describe_pairs<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let text = |bytes: &[u8]| {
        let bytes = &bytes[..bytes.len().min(DESCRIBED_BYTES_MAX)];
        String::from_utf8_lossy(bytes).escape_debug().to_string()
    };
    let (mut name, mut labels) = (String::new(), Vec::new());
    let mut bytes = 0;
    for (label, value) in pairs {
        if bytes > DESCRIBED_BYTES_MAX {
            labels.push("…".to_owned());
            break;
        }
        bytes += label.len() + value.len() + 1;
        if label == METRIC_NAME.as_bytes() && name.is_empty() {
            name = text(value);
        } else {
            labels.push(format!("{}=\"{}\"", text(label), text(value)));
        }
    }
    format!("{name}{{{}}}", labels.join(", "))
}

/// How storage hashes keys.
///
/// A batch that knows it hashes each key when it is begun, while the key's bytes are at hand: a request is larger than
/// the caches near a core.
pub trait HashKeys: fmt::Debug + Send + Sync {
    /// The hash of a key's bytes and encoding. Keys with equal hashes are taken for the same key.
    fn hash(&self, key: SeriesKey<'_>) -> u128;
}

/// A key and its encoding.
#[derive(Clone, Copy, Debug)]
pub struct SeriesKey<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// What reads them.
    pub encoding: &'static dyn KeyEncoding,
}

impl SeriesKey<'_> {
    /// The labels that the key stands for.
    ///
    /// # Errors
    /// When the key stands for no valid set.
    pub fn decode(&self) -> Result<Labels, LabelsError> {
        self.encoding.decode(self.bytes)
    }

    /// The series that the key means, as far as it can be told.
    #[must_use]
    pub fn describe(&self) -> String {
        self.encoding.describe(self.bytes)
    }
}

/// The encoding of [`Labels`] themselves: for each label in order, length and bytes of the name, length and bytes of
/// the value, lengths as LEB128. Equal sets have equal canonical keys.
#[derive(Clone, Copy, Debug)]
pub struct CanonicalKey;

impl CanonicalKey {
    /// Appends the key of `labels` to `out`.
    pub fn encode(labels: &Labels, out: &mut Vec<u8>) {
        for (name, value) in labels.iter() {
            Self::encode_text(name.as_bytes(), out);
            Self::encode_text(value.as_bytes(), out);
        }
    }

    /// Appends one name or value, as it stands in a key, to `out`.
    pub fn encode_text(text: &[u8], out: &mut Vec<u8>) {
        encode_length(text.len(), out);
        out.extend_from_slice(text);
    }
}

impl CanonicalKey {
    /// Name and value of the first label in `key`, as they stand there, and the rest of the key. They are checked to be
    /// UTF-8, and no more.
    ///
    /// # Errors
    /// When the key is cut short or not UTF-8.
    pub fn split_first(key: &[u8]) -> Result<(&str, &str, &[u8]), LabelsError> {
        let mut offset = 0;
        let name = decode_text(key, &mut offset)?;
        let value = decode_text(key, &mut offset)?;
        Ok((name, value, &key[offset..]))
    }
}

impl KeyEncoding for CanonicalKey {
    fn id(&self) -> u8 {
        0
    }

    fn decode(&self, key: &[u8]) -> Result<Labels, LabelsError> {
        let mut pairs = Vec::new();
        let mut offset = 0;
        while offset < key.len() {
            let name = decode_text(key, &mut offset)?;
            let value = decode_text(key, &mut offset)?;
            pairs.push((name, value));
        }
        Labels::from_pairs(pairs)
    }

    fn describe(&self, key: &[u8]) -> String {
        let mut offset = 0;
        describe_pairs(std::iter::from_fn(|| {
            let name = decode_bytes(key, &mut offset).ok()?;
            let value = decode_bytes(key, &mut offset).ok()?;
            Some((name, value))
        }))
    }
}

fn encode_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn decode_text<'a>(key: &'a [u8], offset: &mut usize) -> Result<&'a str, LabelsError> {
    let bytes = decode_bytes(key, offset)?;
    std::str::from_utf8(bytes).map_err(|_| LabelsError::InvalidUtf8 {
        text: String::from_utf8_lossy(bytes).into_owned(),
    })
}

fn decode_bytes<'a>(key: &'a [u8], offset: &mut usize) -> Result<&'a [u8], LabelsError> {
    let malformed = LabelsError::MalformedKey { offset: *offset };
    let mut length = 0_usize;
    for shift in (0..35).step_by(7) {
        let byte = *key.get(*offset).ok_or_else(|| malformed.clone())?;
        *offset += 1;
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            let end = offset
                .checked_add(length)
                .ok_or_else(|| malformed.clone())?;
            let bytes = key.get(*offset..end).ok_or(malformed)?;
            *offset = end;
            return Ok(bytes);
        }
    }
    Err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Unreadable;

    impl KeyEncoding for Unreadable {
        fn id(&self) -> u8 {
            99
        }

        fn decode(&self, _: &[u8]) -> Result<Labels, LabelsError> {
            Err(LabelsError::MalformedKey { offset: 0 })
        }
    }

    #[test]
    fn keys_that_stand_for_no_set_are_described() {
        let mut key = Vec::new();
        for text in [&b"job"[..], b"a\n", b"__name__", b"up", b"job", b"\xff"] {
            CanonicalKey::encode_text(text, &mut key);
        }
        assert!(CanonicalKey.decode(&key).is_err());
        assert_eq!(
            CanonicalKey.describe(&key),
            "up{job=\"a\\n\", job=\"\u{fffd}\"}"
        );
        assert_eq!(CanonicalKey.describe(&key[..5]), "{}", "cut short");
        let mut long = Vec::new();
        for _ in 0..100 {
            CanonicalKey::encode_text(&[b'x'; 1000], &mut long);
        }
        let described = CanonicalKey.describe(&long);
        assert!(
            described.len() < 1000 && described.ends_with("…}"),
            "{described}"
        );
        assert_eq!(
            Unreadable.describe(b"\x01name\x00\nup\xff\x02"),
            "name  up\u{fffd}"
        );
    }

    #[test]
    fn a_canonical_key_decodes_to_its_labels() {
        let long = "v".repeat(300);
        let labels = Labels::from_pairs([("__name__", "up"), ("é", long.as_str())]).unwrap();
        let mut key = Vec::new();
        CanonicalKey::encode(&labels, &mut key);
        assert_eq!(CanonicalKey.decode(&key).unwrap(), labels);
        for end in 1..key.len() {
            // A cut between two labels is a smaller valid set; everywhere else it is an error.
            if let Ok(shorter) = CanonicalKey.decode(&key[..end]) {
                assert_eq!(shorter.len(), 1);
            }
        }
    }
}
