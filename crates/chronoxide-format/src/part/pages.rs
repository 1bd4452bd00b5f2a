//! Checksums of the data region, one for each page.

use crate::{Error, Reader, Result};

/// Bytes of one page of the data region; the last page may be shorter.
pub const PAGE_BYTES: usize = 32 << 10;

const WHAT: &str = "data page";

/// The checksum of page `index`: CRC32 of the index as four bytes and the page, so that swapped pages are noticed.
#[must_use]
pub fn page_checksum(index: u32, page: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&index.to_le_bytes());
    hasher.update(page);
    hasher.finalize()
}

/// The section with the checksums: four bytes for each page.
#[derive(Clone, Copy, Debug)]
pub struct Pages<'a> {
    bytes: &'a [u8],
}

impl<'a> Pages<'a> {
    /// The checksums of a data region of `data_len` bytes.
    ///
    /// # Errors
    ///
    /// When there are more or fewer checksums than pages.
    pub fn new(bytes: &'a [u8], data_len: u64) -> Result<Self> {
        if bytes.len() as u64 == data_len.div_ceil(PAGE_BYTES as u64) * 4 {
            Ok(Self { bytes })
        } else {
            Err(Reader::new("pages section", bytes).corrupt("checksums do not fit the data region"))
        }
    }

    /// How many pages there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len() / 4
    }

    /// Whether the data region is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Checks the bytes of page `index`.
    ///
    /// # Errors
    ///
    /// [`Error::ChecksumMismatch`] when they are not what was written.
    pub fn check(&self, index: u32, page: &[u8]) -> Result<()> {
        let at = usize::try_from(index)
            .unwrap_or(usize::MAX)
            .saturating_mul(4);
        let mut reader = Reader::new("pages section", self.bytes);
        reader.bytes(at)?;
        let expected = reader.u32()?;
        let got = page_checksum(index, page);
        if expected == got {
            Ok(())
        } else {
            Err(Error::ChecksumMismatch {
                what: WHAT,
                expected,
                got,
            })
        }
    }
}
