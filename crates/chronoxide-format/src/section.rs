//! The frame that sections of a file share: kind, length, payload, CRC32.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | kind, so that one section is never taken for another |
//! | 4 | length of the payload |
//! | n | payload |
//! | 4 | CRC32 of everything before it |

use crate::{Error, Reader, Result};

/// Bytes of the frame in front of the payload.
pub const HEAD_BYTES: usize = 5;

/// Bytes of the frame after the payload.
pub const TAIL_BYTES: usize = 4;

/// What stands before and after one payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Kind and length.
    pub head: [u8; HEAD_BYTES],
    /// The checksum.
    pub crc32: u32,
}

impl Frame {
    /// The frame of `payload` as a section of `kind`.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when the payload has 4 GiB or more.
    pub fn of(what: &'static str, kind: u8, payload: &[u8]) -> Result<Self> {
        let len = u32::try_from(payload.len()).map_err(|_| Error::TooLarge {
            what,
            value: payload.len() as u64,
            limit: u64::from(u32::MAX),
        })?;
        let [a, b, c, d] = len.to_le_bytes();
        let head = [kind, a, b, c, d];
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&head);
        hasher.update(payload);
        Ok(Self {
            head,
            crc32: hasher.finalize(),
        })
    }
}

/// Appends `payload` as a section of `kind` to `out`, and returns its checksum.
///
/// # Errors
///
/// [`Error::TooLarge`] when the payload has 4 GiB or more.
pub fn append(what: &'static str, kind: u8, payload: &[u8], out: &mut Vec<u8>) -> Result<u32> {
    let frame = Frame::of(what, kind, payload)?;
    out.extend_from_slice(&frame.head);
    out.extend_from_slice(payload);
    out.extend_from_slice(&frame.crc32.to_le_bytes());
    Ok(frame.crc32)
}

/// The payload of a section that fills `bytes` and must be of `kind`, and its checksum.
///
/// # Errors
///
/// When the bytes are not one whole section, are of another kind, or fail their checksum.
pub fn payload<'a>(what: &'static str, kind: u8, bytes: &'a [u8]) -> Result<(&'a [u8], u32)> {
    let mut reader = Reader::new(what, bytes);
    let found = reader.u8()?;
    if found != kind {
        return Err(Error::UnknownCodec { what, id: found });
    }
    let len = reader.u32()?;
    let payload = reader.bytes(usize::try_from(len).unwrap_or(usize::MAX))?;
    let expected = reader.u32()?;
    reader.finish()?;
    let got = Frame::of(what, kind, payload)?.crc32;
    if got == expected {
        Ok((payload, got))
    } else {
        Err(Error::ChecksumMismatch {
            what,
            expected,
            got,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_comes_back_with_its_checksum() {
        let mut bytes = Vec::new();
        let crc32 = append("test", 7, b"payload", &mut bytes).unwrap();
        assert_eq!(bytes.len(), HEAD_BYTES + 7 + TAIL_BYTES);
        assert_eq!(payload("test", 7, &bytes), Ok((&b"payload"[..], crc32)));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_an_error() {
        let mut bytes = Vec::new();
        append("test", 7, b"some payload", &mut bytes).unwrap();
        for end in 0..bytes.len() {
            assert!(payload("test", 7, &bytes[..end]).is_err(), "cut at {end}");
        }
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(payload("test", 7, &bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
