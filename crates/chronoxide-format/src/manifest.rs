//! Payloads of a manifest: edits to the parts of one partition.
//!
//! One record is one edit, so that a merge replaces its inputs by its output in one step.

use crate::log::Payload;
use crate::metadata::{put_text, read_text};
use crate::{Reader, Result, varint};

/// Type of a record that holds an edit.
pub const KIND_EDIT: u8 = 1;

/// The longest name of a part's file.
const NAME_BYTES_MAX: usize = 255;

/// Parts that come and parts that go, at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManifestEdit {
    /// File names of parts that are complete and durable.
    pub added: Vec<PartEntry>,
    /// File names of parts that are no longer part of the partition.
    pub removed: Vec<String>,
}

/// What a manifest says of a part beside its name; the rest stands in the part itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartEntry {
    /// File name, without a directory.
    pub name: String,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Lowest number of the log records whose samples the part holds.
    pub wal_seq_min: u64,
    /// Highest number of the log records whose samples the part holds.
    pub wal_seq_max: u64,
}

impl ManifestEdit {
    /// The edit as a payload ready to be framed.
    ///
    /// # Errors
    /// When it is larger than a record may be.
    pub fn to_payload(&self) -> Result<Payload> {
        let mut bytes = Vec::new();
        varint::put_usize(&mut bytes, self.added.len());
        for part in &self.added {
            put_text(&part.name, &mut bytes);
            varint::put_u64(&mut bytes, part.bytes);
            varint::put_u64(&mut bytes, part.wal_seq_min);
            varint::put_u64(&mut bytes, part.wal_seq_max);
        }
        varint::put_usize(&mut bytes, self.removed.len());
        for name in &self.removed {
            put_text(name, &mut bytes);
        }
        Payload::new(KIND_EDIT, &bytes)
    }

    /// Reads an edit.
    ///
    /// # Errors
    /// When the bytes are anything else, or a name could lead out of the directory.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new("manifest edit", bytes);
        let count = reader.varint_len(reader.remaining() / 4)?;
        let mut edit = Self::default();
        for _ in 0..count {
            edit.added.push(PartEntry {
                name: read_name(&mut reader)?,
                bytes: reader.varint_u64()?,
                wal_seq_min: reader.varint_u64()?,
                wal_seq_max: reader.varint_u64()?,
            });
        }
        let count = reader.varint_len(reader.remaining())?;
        for _ in 0..count {
            edit.removed.push(read_name(&mut reader)?);
        }
        reader.finish()?;
        Ok(edit)
    }
}

/// Whether `name` is a plain file name that a manifest may hold.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

fn read_name(reader: &mut Reader<'_>) -> Result<String> {
    let name = read_text(reader)?;
    if is_valid_name(&name) {
        Ok(name)
    } else {
        Err(reader.corrupt("a part's name is not a plain file name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit() -> ManifestEdit {
        ManifestEdit {
            added: vec![PartEntry {
                name: "1-00000130.part".to_owned(),
                bytes: 1 << 33,
                wal_seq_min: 5,
                wal_seq_max: 1 << 40,
            }],
            removed: vec!["0-00000001.part".to_owned(), "0-00000002.part".to_owned()],
        }
    }

    fn plain(edit: &ManifestEdit) -> Vec<u8> {
        let identity = crate::log::LogIdentity {
            salt: 0,
            kind: crate::log::LogKind::Manifest,
            number: 0,
        };
        let mut out = Vec::new();
        edit.to_payload().unwrap().frame(&identity, 1, 0, &mut out);
        out.split_off(crate::log::RECORD_HEADER_BYTES)
    }

    #[test]
    fn an_edit_comes_back_and_every_prefix_is_refused() {
        let bytes = plain(&edit());
        assert_eq!(ManifestEdit::decode(&bytes).unwrap(), edit());
        for end in 0..bytes.len() {
            assert!(ManifestEdit::decode(&bytes[..end]).is_err(), "{end}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = ManifestEdit::decode(&flipped);
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["../x", "", "a/b", ".hidden", "..", "a\0b"] {
            let edit = ManifestEdit {
                removed: vec![name.to_owned()],
                ..ManifestEdit::default()
            };
            assert!(ManifestEdit::decode(&plain(&edit)).is_err(), "{name:?}");
        }
    }
}
