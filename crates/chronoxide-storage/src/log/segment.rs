//! The files of a log: names, identities, headers.

use std::path::PathBuf;
use std::sync::Arc;

use chronoxide_format::log::{LogIdentity, LogKind};

use crate::quarantine::Quarantine;
use crate::{Fs, Result};

/// Where a log lives and what its files are.
#[derive(Clone, Debug)]
pub(crate) struct LogSpec {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) quarantine: Arc<Quarantine>,
    pub(crate) dir: PathBuf,
    pub(crate) kind: LogKind,
    pub(crate) salt: u64,
    /// What file names end in, without the dot.
    pub(crate) extension: &'static str,
    /// A segment that would grow past this is followed by a new one.
    pub(crate) segment_bytes_max: u64,
    /// So many zeroes at most follow the records of a segment that is written to. Records that take their place leave
    /// the file's length as it is, so that the system has less to write when it is synced.
    pub(crate) zeroes_ahead_max: u64,
}

impl LogSpec {
    pub(crate) const fn identity(&self, number: u64) -> LogIdentity {
        LogIdentity {
            salt: self.salt,
            kind: self.kind,
            number,
        }
    }

    pub(crate) fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:08}.{}", self.extension))
    }

    /// Creates the directory if need be. Its entries, and its own, are made durable: an earlier process may have ended
    /// between creating a file and that.
    pub(crate) fn prepare_dir(&self) -> Result<()> {
        self.fs.create_dir_all(&self.dir)?;
        self.fs.sync_dir(&self.dir)
    }

    /// Numbers of the segments that exist, ascending.
    pub(crate) fn numbers(&self) -> Result<Vec<u64>> {
        let entries = self.fs.list(&self.dir)?;
        let mut numbers: Vec<u64> = entries
            .iter()
            .filter(|entry| !entry.is_dir)
            .filter_map(|entry| parse_name(&entry.name, self.extension))
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// The number in a segment's name.
pub(crate) fn parse_name(name: &str, extension: &str) -> Option<u64> {
    let number = name.strip_suffix(extension)?.strip_suffix('.')?;
    let plain = number.len() >= 8 && number.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| number.parse().ok()).flatten()
}

/// A segment that is no longer written to.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) path: PathBuf,
    /// Highest number of its records; one below its first when it has none.
    pub(crate) last_seq: u64,
    pub(crate) bytes: u64,
    /// Records were lost in it, or could not be used: it is set aside instead of removed.
    pub(crate) damaged: bool,
}
