//! Files and directories: the one way storage touches the disk.
//!
//! Everything goes through [`Fs`], so that tests can put a simulated disk under the engine. The trait offers only
//! what the engine's files need: they are created once, appended to, synced, renamed into place and removed. Nothing is
//! overwritten in place but the zeroes that a log is followed by.
//!
//! A new, renamed or removed directory entry survives a power cut only after [`Fs::sync_dir`] on its directory.

mod map;
mod real;

use std::fmt::Debug;
use std::io::ErrorKind;
use std::path::Path;

pub use map::Map;
pub use real::RealFs;

use crate::{Error, Result};

/// A file system. Every failure names the operation and the path.
pub trait Fs: Debug + Send + Sync {
    /// Creates a file, open for appending and reading, readable by its owner only.
    ///
    /// # Errors
    /// When it exists already or cannot be created.
    fn create_new(&self, path: &Path) -> Result<Box<dyn FsFile>>;

    /// Creates a file, open for writing with [`FsFile::write_at`] alone and reading, by its owner only.
    ///
    /// # Errors
    /// When it exists already or cannot be created.
    fn create_log(&self, path: &Path) -> Result<Box<dyn FsFile>>;

    /// Opens an existing file for appending and reading.
    ///
    /// # Errors
    /// When it does not exist or cannot be opened.
    fn open_append(&self, path: &Path) -> Result<Box<dyn FsFile>>;

    /// Opens an existing file for reading.
    ///
    /// # Errors
    /// When it does not exist or cannot be opened.
    fn open_read(&self, path: &Path) -> Result<Box<dyn FsFile>>;

    /// The whole content of a file.
    ///
    /// # Errors
    /// When it does not exist or cannot be read.
    fn read(&self, path: &Path) -> Result<Vec<u8>>;

    /// The whole content of a file that will never change, brought in as it is touched where the system can do that.
    ///
    /// # Errors
    /// When it does not exist or cannot be mapped.
    fn map(&self, path: &Path) -> Result<Map>;

    /// Length of a file in bytes.
    ///
    /// # Errors
    /// When it does not exist.
    fn len(&self, path: &Path) -> Result<u64>;

    /// Whether a file or directory exists.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn exists(&self, path: &Path) -> Result<bool>;

    /// Gives a file another name, replacing what bears that name.
    ///
    /// # Errors
    /// When the system refuses.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Gives a file a second name, which may be in another directory.
    ///
    /// # Errors
    /// When that name is taken, or the file system has no hard links.
    fn hard_link(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When it does not exist or the system refuses.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Creates one directory, for its owner only, in an existing one.
    ///
    /// # Errors
    /// When it exists already or the system refuses.
    fn create_dir(&self, path: &Path) -> Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// When it is not empty or the system refuses.
    fn remove_dir(&self, path: &Path) -> Result<()>;

    /// Makes the entries of a directory durable.
    ///
    /// # Errors
    /// When the system cannot promise it.
    fn sync_dir(&self, path: &Path) -> Result<()>;

    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// When it does not exist or cannot be read.
    fn list(&self, dir: &Path) -> Result<Vec<DirEntry>>;

    /// Locks a file, created if need be, against every other holder, until the returned value is dropped or the
    /// process ends. `None` when somebody else holds it.
    ///
    /// # Errors
    /// When the file cannot be created or the system has no locks.
    fn lock_exclusive(&self, path: &Path) -> Result<Option<Box<dyn FsLock>>>;

    /// Bytes that an unprivileged process may still write below `dir`.
    ///
    /// # Errors
    /// When the system does not say.
    fn free_space(&self, dir: &Path) -> Result<u64>;

    /// Creates a directory and the ancestors that are missing; each new entry is made durable. So is the entry of a
    /// directory that exists: an earlier attempt may have failed just then.
    ///
    /// # Errors
    /// When one cannot be created or made durable.
    fn create_dir_all(&self, path: &Path) -> Result<()> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) => Path::new("."),
            None => return Ok(()),
        };
        if self.exists(path)? {
            return match self.sync_dir(parent) {
                // A directory that may not be read is not one that an earlier attempt created anything in.
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
                    Ok(())
                }
                synced => synced,
            };
        }
        self.create_dir_all(parent)?;
        self.create_dir(path)?;
        self.sync_dir(parent)
    }
}

/// An open file.
pub trait FsFile: Debug + Send + Sync {
    /// Writes all of `bytes` at the end of the file. After an error any part of them may be there.
    ///
    /// # Errors
    /// When the system refuses, or the file is one of [`Fs::create_log`].
    fn append(&self, bytes: &[u8]) -> Result<()>;

    /// Writes all of `bytes` from `offset` on, over what is there and beyond it; only for files of [`Fs::create_log`].
    /// After an error any part of them may be there.
    ///
    /// # Errors
    /// When the system refuses, or the file is open for appending.
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()>;

    /// Makes the content and the length durable.
    ///
    /// # Errors
    /// When the system cannot promise it. The state of everything written since the last successful sync is then
    /// unknown, and a later success says nothing about it.
    fn sync_data(&self) -> Result<()>;

    /// Makes the content and all metadata durable.
    ///
    /// # Errors
    /// As [`FsFile::sync_data`].
    fn sync_all(&self) -> Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// When the system does not say.
    fn len(&self) -> Result<u64>;

    /// Whether the file has no content.
    ///
    /// # Errors
    /// As [`FsFile::len`].
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file, or extends it with zeroes.
    ///
    /// # Errors
    /// When the system refuses.
    fn set_len(&self, len: u64) -> Result<()>;

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// When the file ends before that, or the system refuses.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()>;
}

/// A held lock; dropping it sets the file free.
pub trait FsLock: Debug + Send + Sync {}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// Its name, without the directory; bytes that are not UTF-8 are replaced.
    pub name: String,
    /// Whether it is a directory itself.
    pub is_dir: bool,
}

#[cfg(test)]
mod tests;
