//! Read-only bytes of a whole file. The only unsafe code of the crate is here.

use std::fs::File;
use std::ops::Deref;
use std::sync::Arc;
use std::{fmt, io};

/// The bytes of a file that never changes, mapped or copied. Cloning is cheap.
#[derive(Clone)]
pub struct Map(Bytes);

#[derive(Clone)]
enum Bytes {
    Mapped(Arc<memmap2::Mmap>),
    Copied(Arc<[u8]>),
}

impl Map {
    /// A copy held in memory, for file systems that cannot map.
    #[must_use]
    pub fn copied(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(Bytes::Copied(bytes.into()))
    }

    /// Maps a whole file.
    #[expect(
        unsafe_code,
        reason = "mapping a file is unsafe since others could change it"
    )]
    pub(super) fn of_file(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Self::copied(Vec::new()));
        }
        // SAFETY: storage maps only finished files, which it synced and renamed into place; it holds the directory's
        // lock, and it never writes to, cuts or replaces the content of such a file afterwards: it only unlinks it.
        let map = unsafe { memmap2::Mmap::map(file) }?;
        Ok(Self(Bytes::Mapped(Arc::new(map))))
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Mapped(map) => map,
            Bytes::Copied(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Map({} bytes)", self.len())
    }
}
