//! Payloads of the registry log: which series a sid stands for.
//!
//! A record holds entries in any order: the sid's difference to the previous one, then the key as the number of bytes
//! it shares with the previous key and the rest. Keys are canonical label keys.

use crate::log::Payload;
use crate::{Error, Reader, Result, varint};

/// Type of a record that holds entries.
pub const KIND_ENTRIES: u8 = 1;

/// Type of the last record of a checkpoint: how many entries the records before it hold.
pub const KIND_CHECKPOINT_END: u8 = 2;

/// The longest key.
pub const KEY_BYTES_MAX: usize = 1 << 20;

/// Appends entries to the payload of one record.
#[derive(Clone, Debug, Default)]
pub struct EntriesEncoder {
    bytes: Vec<u8>,
    previous_sid: u32,
    previous_key: Vec<u8>,
    count: u64,
}

impl EntriesEncoder {
    /// Adds that `sid` stands for `key`.
    ///
    /// # Errors
    /// When the key is longer than [`KEY_BYTES_MAX`].
    pub fn push(&mut self, sid: u32, key: &[u8]) -> Result<()> {
        if key.len() > KEY_BYTES_MAX {
            return Err(Error::TooLarge {
                what: "series key",
                value: key.len() as u64,
                limit: KEY_BYTES_MAX as u64,
            });
        }
        let shared = self
            .previous_key
            .iter()
            .zip(key)
            .take_while(|(a, b)| a == b)
            .count();
        let rest = key.get(shared..).unwrap_or_default();
        varint::put_i64(
            &mut self.bytes,
            i64::from(sid) - i64::from(self.previous_sid),
        );
        varint::put_usize(&mut self.bytes, shared);
        varint::put_usize(&mut self.bytes, rest.len());
        self.bytes.extend_from_slice(rest);
        self.previous_sid = sid;
        self.previous_key.truncate(shared);
        self.previous_key.extend_from_slice(rest);
        self.count += 1;
        Ok(())
    }

    /// Whether there is no entry yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many entries there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Bytes of the payload so far.
    #[must_use]
    pub const fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// The payload, ready to be framed.
    ///
    /// # Errors
    /// When it is larger than a record may be.
    pub fn finish(self) -> Result<Payload> {
        Payload::new(KIND_ENTRIES, &self.bytes)
    }
}

/// Hands every entry of the payload to `each`.
///
/// # Errors
/// When the bytes are no entries; `each` may have seen some by then.
pub fn decode_entries(bytes: &[u8], mut each: impl FnMut(u32, &[u8])) -> Result<()> {
    let mut key = Vec::new();
    walk_entries(bytes, |sid, shared, rest| {
        key.truncate(shared);
        key.extend_from_slice(rest);
        each(sid, &key);
    })
}

/// How many entries [`decode_entries`] finds in the payload.
///
/// # Errors
/// As [`decode_entries`].
pub fn count_entries(bytes: &[u8]) -> Result<u64> {
    let mut count = 0;
    walk_entries(bytes, |_, _, _| count += 1)?;
    Ok(count)
}

/// Hands every entry to `each`: its sid, how many bytes of its key are the previous one's, and the rest of the key.
fn walk_entries<'a>(bytes: &'a [u8], mut each: impl FnMut(u32, usize, &'a [u8])) -> Result<()> {
    let mut reader = Reader::new("registry entries", bytes);
    let (mut previous_sid, mut key_len) = (0_i64, 0);
    while !reader.is_empty() {
        previous_sid = previous_sid.wrapping_add(reader.varint_i64()?);
        let sid =
            u32::try_from(previous_sid).map_err(|_| reader.corrupt("a sid is out of range"))?;
        let shared = reader.varint_len(key_len)?;
        let rest = reader.varint_len(KEY_BYTES_MAX - shared)?;
        key_len = shared + rest;
        each(sid, shared, reader.bytes(rest)?);
    }
    Ok(())
}

/// The payload of a checkpoint's last record.
///
/// # Errors
/// Never: it is small.
pub fn checkpoint_end(entries: u64) -> Result<Payload> {
    let mut bytes = Vec::new();
    varint::put_u64(&mut bytes, entries);
    Payload::new(KIND_CHECKPOINT_END, &bytes)
}

/// How many entries a checkpoint's last record claims.
///
/// # Errors
/// When the bytes are anything else.
pub fn decode_checkpoint_end(bytes: &[u8]) -> Result<u64> {
    let mut reader = Reader::new("registry checkpoint end", bytes);
    let entries = reader.varint_u64()?;
    reader.finish()?;
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<(u32, Vec<u8>)> {
        vec![
            (7, b"\x08__name__\x02up\x03job\x04node".to_vec()),
            (8, b"\x08__name__\x02up\x03job\x05nodes".to_vec()),
            (0, Vec::new()),
            (u32::MAX, b"\x08__name__\x02up".to_vec()),
        ]
    }

    #[test]
    fn entries_come_back() {
        let mut encoder = EntriesEncoder::default();
        for (sid, key) in entries() {
            encoder.push(sid, &key).unwrap();
        }
        let bytes = encoder.bytes.clone();
        assert_eq!(
            bytes,
            b"\x0e\x00\x15\x08__name__\x02up\x03job\x04node\x02\x10\x06\x05nodes\x0f\x00\x00\
              \xfe\xff\xff\xff\x1f\x00\x0c\x08__name__\x02up",
            "version 1 is these bytes"
        );
        let mut found = Vec::new();
        decode_entries(&bytes, |sid, key| found.push((sid, key.to_vec()))).unwrap();
        assert_eq!(found, entries());
        assert_eq!(count_entries(&bytes).unwrap(), 4);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let mut found = 0;
            let decoded = decode_entries(&flipped, |_, key| {
                assert!(key.len() <= KEY_BYTES_MAX);
                found += 1;
            });
            assert_eq!(count_entries(&flipped), decoded.map(|()| found));
        }
        for end in 0..bytes.len() {
            let _ = decode_entries(&bytes[..end], |_, _| ());
        }
    }

    #[test]
    fn keys_are_bounded() {
        let mut encoder = EntriesEncoder::default();
        assert!(encoder.push(1, &vec![0; KEY_BYTES_MAX + 1]).is_err());
        let mut bytes = vec![2, 0];
        varint::put_u64(&mut bytes, u64::MAX);
        assert!(decode_entries(&bytes, |_, _| ()).is_err());
    }

    #[test]
    fn a_checkpoint_says_how_many_entries_it_has() {
        let payload = checkpoint_end(300).unwrap();
        assert_eq!(payload.kind(), KIND_CHECKPOINT_END);
        assert_eq!(decode_checkpoint_end(&[0xac, 2]).unwrap(), 300);
        assert!(decode_checkpoint_end(&[1, 1]).is_err());
    }
}
