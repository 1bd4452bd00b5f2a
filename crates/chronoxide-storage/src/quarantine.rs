//! Setting damaged files aside. Nothing that may hold data is ever deleted by recovery.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Clock, Error, Fs, Result};

/// Renames damaged files to `<name>.corrupt-<Unix seconds>` beside where they were, and counts them.
#[derive(Debug)]
pub(crate) struct Quarantine {
    fs: Arc<dyn Fs>,
    clock: Arc<dyn Clock>,
    count: AtomicU64,
}

/// Files of one name set aside within one second.
const SAME_NAME_MAX: u32 = 1000;

impl Quarantine {
    /// A quarantine that has nothing yet.
    #[must_use]
    pub(crate) fn new(fs: Arc<dyn Fs>, clock: Arc<dyn Clock>) -> Self {
        Self {
            fs,
            clock,
            count: AtomicU64::new(0),
        }
    }

    /// Renames `path` and makes that durable; returns the new path.
    ///
    /// # Errors
    /// When the file cannot be renamed.
    pub(crate) fn set_aside(&self, path: &Path) -> Result<PathBuf> {
        let target = self.free_name(path)?;
        self.fs.rename(path, &target)?;
        self.count.fetch_add(1, Ordering::Relaxed);
        tracing::error!(from = %path.display(), to = %target.display(), "set a damaged file aside");
        if let Some(dir) = path.parent() {
            self.fs.sync_dir(dir)?;
        }
        Ok(target)
    }

    /// Writes a damaged file's content beside it under the name it would be set aside to, for a file that is about to
    /// be replaced; returns the new path.
    ///
    /// # Errors
    /// When the copy cannot be made durable.
    pub(crate) fn keep_copy(&self, path: &Path, content: &[u8]) -> Result<PathBuf> {
        let target = self.free_name(path)?;
        let copy = self.fs.create_new(&target)?;
        copy.append(content)?;
        copy.sync_all()?;
        self.count.fetch_add(1, Ordering::Relaxed);
        tracing::error!(of = %path.display(), copy = %target.display(), "kept a copy of a damaged file");
        if let Some(dir) = path.parent() {
            self.fs.sync_dir(dir)?;
        }
        Ok(target)
    }

    fn free_name(&self, path: &Path) -> Result<PathBuf> {
        let seconds = self.clock.now_ms().div_euclid(1000);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for attempt in 0..SAME_NAME_MAX {
            let suffix = if attempt == 0 {
                String::new()
            } else {
                format!("-{attempt}")
            };
            let target = path.with_file_name(format!("{name}.corrupt-{seconds}{suffix}"));
            if !self.fs.exists(&target)? {
                return Ok(target);
            }
        }
        Err(Error::LimitExceeded {
            what: "files of one name set aside in one second",
            value: u64::from(SAME_NAME_MAX),
            limit: u64::from(SAME_NAME_MAX),
        })
    }

    /// How many files have been set aside since the start.
    #[must_use]
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ManualClock, RealFs};

    #[test]
    fn a_file_set_aside_keeps_its_content_and_replaces_nothing() {
        let root = tempfile::tempdir().unwrap();
        let quarantine = Quarantine::new(Arc::new(RealFs), Arc::new(ManualClock::new(5_999)));
        let path = root.path().join("x.wal");
        for content in ["one", "two"] {
            std::fs::write(&path, content).unwrap();
            quarantine.set_aside(&path).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(root.path().join(name)).unwrap();
        assert_eq!(read("x.wal.corrupt-5"), "one");
        assert_eq!(read("x.wal.corrupt-5-1"), "two");
        assert_eq!(quarantine.count(), 2);
        assert!(!path.exists());
    }
}
