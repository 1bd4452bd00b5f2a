//! The first bytes of a part file.

use crate::{Error, Reader, Result};

/// Bytes of the header; the data region starts right after it.
pub const HEADER_BYTES: usize = 16;

/// The version of the part format that this build writes, and the newest it reads.
pub const VERSION: u16 = 3;

const MAGIC: [u8; 8] = *b"cxo.part";

const WHAT: &str = "part header";

/// The header: magic bytes, version, two zero bytes, CRC32 of these.
#[must_use]
pub fn header() -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    let fields = MAGIC.into_iter().chain(VERSION.to_le_bytes()).chain([0, 0]);
    for (to, from) in bytes.iter_mut().zip(fields) {
        *to = from;
    }
    let crc32 = crc32fast::hash(bytes.first_chunk::<12>().expect("the header has 16 bytes"));
    *bytes.last_chunk_mut().expect("the header has 16 bytes") = crc32.to_le_bytes();
    bytes
}

/// Checks that `bytes` begin with the header of a part this build can read.
///
/// # Errors
///
/// [`Error::BadMagic`] when the file is something else, [`Error::UnsupportedVersion`] when it is newer, and the others
/// when the header is damaged.
pub fn check_header(bytes: &[u8]) -> Result<()> {
    let mut reader = Reader::new(WHAT, bytes);
    if reader.array::<8>()? != MAGIC {
        return Err(Error::BadMagic { what: WHAT });
    }
    let version = reader.u16()?;
    let zero = reader.u16()?;
    let expected = reader.u32()?;
    let got = crc32fast::hash(bytes.get(..12).unwrap_or_default());
    if expected != got {
        return Err(Error::ChecksumMismatch {
            what: WHAT,
            expected,
            got,
        });
    }
    if version == 0 || version > VERSION {
        return Err(Error::UnsupportedVersion {
            what: WHAT,
            found: u32::from(version),
            supported: u32::from(VERSION),
        });
    }
    if zero != 0 {
        return Err(reader.corrupt("reserved bytes are not zero"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_and_every_flipped_bit_is_an_error() {
        let mut bytes = header();
        assert_eq!(check_header(&bytes), Ok(()));
        for end in 0..bytes.len() {
            assert!(check_header(&bytes[..end]).is_err());
        }
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(check_header(&bytes).is_err());
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = header();
        bytes[8] = 9;
        let crc32 = crc32fast::hash(&bytes[..12]).to_le_bytes();
        bytes[12..].copy_from_slice(&crc32);
        assert!(matches!(
            check_header(&bytes),
            Err(Error::UnsupportedVersion { found: 9, .. })
        ));
    }
}
