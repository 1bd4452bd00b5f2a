//! The FORMAT file: says that a directory is chronoxide's, and in which version.

use crate::{Error, Reader, Result};

/// The newest version of a data directory that this build reads, and the one it writes.
pub const VERSION: u32 = 1;

/// Length of the file.
pub const BYTES: usize = 48;

const MAGIC: [u8; 8] = *b"chronoxi";
const WHAT: &str = "FORMAT file";

/// What the FORMAT file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreHeader {
    /// Seed of the hash that finds series by their keys.
    pub hash_seed: u64,
    /// Salt of the checksums of all log files.
    pub log_salt: u64,
    /// When the directory was made, in Unix milliseconds.
    pub created_ms: i64,
}

impl StoreHeader {
    /// The bytes of the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&self.hash_seed.to_le_bytes());
        out.extend_from_slice(&self.log_salt.to_le_bytes());
        out.extend_from_slice(&self.created_ms.to_le_bytes());
        let checksum = crc32fast::hash(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Reads the file. Magic and version are looked at first, so that any later version is named as such.
    ///
    /// # Errors
    /// [`Error::BadMagic`] when the file is something else, [`Error::UnsupportedVersion`] when it is newer than this
    /// build; others when it is cut short or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(WHAT, bytes);
        if reader.array::<8>()? != MAGIC {
            return Err(Error::BadMagic { what: WHAT });
        }
        let found = reader.u32()?;
        if found > VERSION {
            return Err(Error::UnsupportedVersion {
                what: WHAT,
                found,
                supported: VERSION,
            });
        }
        reader.bytes(8)?;
        let header = Self {
            hash_seed: reader.u64()?,
            log_salt: reader.u64()?,
            created_ms: reader.i64()?,
        };
        let got = crc32fast::hash(bytes.get(..reader.offset()).unwrap_or_default());
        let expected = reader.u32()?;
        reader.finish()?;
        if expected != got {
            return Err(Error::ChecksumMismatch {
                what: WHAT,
                expected,
                got,
            });
        }
        if found == 0 {
            return Err(reader.corrupt("versions start at 1"));
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: StoreHeader = StoreHeader {
        hash_seed: 0x0123_4567_89ab_cdef,
        log_salt: 42,
        created_ms: 1_700_000_000_000,
    };

    #[test]
    fn the_header_comes_back_and_anything_else_is_refused() {
        let bytes = HEADER.encode();
        assert_eq!(bytes.len(), BYTES);
        assert_eq!(StoreHeader::decode(&bytes).unwrap(), HEADER);
        for end in 0..bytes.len() {
            assert!(StoreHeader::decode(&bytes[..end]).is_err(), "{end}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(StoreHeader::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = HEADER.encode();
        bytes[8] = 7;
        let error = StoreHeader::decode(&bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "FORMAT file has format version 7, this build reads up to 1"
        );
        assert!(matches!(
            StoreHeader::decode(b"# not ours, but long enough to be read as something"),
            Err(Error::BadMagic { .. })
        ));
    }
}
