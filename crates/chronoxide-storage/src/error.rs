//! What can go wrong in storage.

use std::io;
use std::path::{Path, PathBuf};

/// Short for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file or directory. See [`Error::is_out_of_space`]; other
    /// failures need somebody to look at the disk.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried, as an English verb phrase: "open", "sync".
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process (or another handle of this one) has the database open.
    #[error("data directory {} is in use by another process", path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// The directory holds files, but no chronoxide data: choose another one.
    #[error("{} is not a chronoxide data directory: it has no FORMAT file but contains {found:?}", path.display())]
    ForeignDirectory {
        /// The directory.
        path: PathBuf,
        /// One of the entries that do not belong to chronoxide.
        found: String,
    },
    /// A file does not hold what it should: too new, cut short or damaged.
    #[error("file {} cannot be read", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with its bytes.
        source: chronoxide_format::Error,
    },
    /// A value given by the caller cannot be used.
    #[error("invalid {what}: {reason}")]
    InvalidArgument {
        /// Which value.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Something is larger than it may be.
    #[error("{what} of {value} is over the limit of {limit}")]
    LimitExceeded {
        /// What is limited, with its unit.
        what: &'static str,
        /// What it would have been.
        value: u64,
        /// What it may be.
        limit: u64,
    },
    /// A commit shared its group with others, and the group's write failed for all of them. Nothing of it was
    /// acknowledged; it may be tried again.
    #[error("write-ahead log group failed: {reason}")]
    GroupFailed {
        /// The error of the group, as text.
        reason: String,
        /// Whether the disk had no room.
        out_of_space: bool,
    },
    /// Less is free on the file system than is to be left free. Writes work again by themselves when there is room.
    #[error("{} has {free_bytes} bytes left, and writes stop below {free_bytes_min}", path.display())]
    DiskFull {
        /// The data directory.
        path: PathBuf,
        /// Bytes left.
        free_bytes: u64,
        /// Bytes to leave free.
        free_bytes_min: u64,
    },
    /// Samples in memory wait for the disk, and there is no room for more. The same write may work a little later.
    #[error("{head_bytes} bytes of samples wait to be flushed, the limit is {head_bytes_max}")]
    Overloaded {
        /// Bytes that wait.
        head_bytes: u64,
        /// Bytes that may wait.
        head_bytes_max: u64,
    },
    /// The database has been closed.
    #[error("the database is closed")]
    Closed,
}

impl Error {
    /// An I/O failure of `operation` on `path`; implementations of [`Fs`](crate::system::Fs) report with it.
    #[must_use]
    pub fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    /// Bytes of `path` that cannot be read.
    #[must_use]
    pub fn format(path: &Path, source: chronoxide_format::Error) -> Self {
        Self::Format {
            path: path.to_owned(),
            source,
        }
    }

    /// Whether the disk (or the quota) is full: the same call may work later, when there is room again.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ),
            Self::GroupFailed { out_of_space, .. } => *out_of_space,
            Self::DiskFull { .. } => true,
            _ => false,
        }
    }

    /// Whether the file or directory does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
