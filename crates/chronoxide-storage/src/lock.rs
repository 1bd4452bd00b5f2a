//! One process at a time: the LOCK file of a data directory.

use std::path::Path;

use crate::{Error, Fs, FsLock, Result};

/// Name of the file that is locked. It stays when the lock is set free.
pub(crate) const LOCK_FILE: &str = "LOCK";

/// Holds a data directory for this process, until it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct DirLock {
    _held: Box<dyn FsLock>,
}

impl DirLock {
    /// Locks `dir`, which exists.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process, or another handle of this one, holds it.
    pub(crate) fn acquire(fs: &dyn Fs, dir: &Path) -> Result<Self> {
        match fs.lock_exclusive(&dir.join(LOCK_FILE))? {
            Some(held) => Ok(Self { _held: held }),
            None => Err(Error::InUse {
                path: dir.to_owned(),
            }),
        }
    }
}
