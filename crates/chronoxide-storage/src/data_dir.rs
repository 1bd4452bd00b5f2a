//! The data directory as a whole: whose it is, and which version.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;

use chronoxide_format::store_header::StoreHeader;

use crate::lock::{DirLock, LOCK_FILE};
use crate::{Clock, Error, Fs, Result};

const FORMAT_FILE: &str = "FORMAT";
const FORMAT_TEMP_FILE: &str = "FORMAT.tmp";

/// What an empty directory may hold all the same: the root of a file system has `lost+found`.
const HARMLESS: [&str; 3] = [LOCK_FILE, FORMAT_TEMP_FILE, "lost+found"];

/// A data directory, held for this process.
#[derive(Debug)]
pub(crate) struct DataDir {
    /// What its FORMAT file says.
    pub(crate) header: StoreHeader,
    _lock: DirLock,
}

impl DataDir {
    /// Creates `dir` if need be, locks it, and reads its FORMAT file or, in an empty directory, writes one.
    ///
    /// # Errors
    /// [`Error::InUse`]; [`Error::ForeignDirectory`] when it holds something but no FORMAT file; [`Error::Format`]
    /// when that is too new or damaged; [`Error::Io`].
    pub(crate) fn open(fs: &dyn Fs, clock: &dyn Clock, dir: &Path) -> Result<Self> {
        fs.create_dir_all(dir)?;
        let existing = fs.list(dir)?;
        let is_chronoxide = existing.iter().any(|entry| entry.name == FORMAT_FILE);
        let foreign = existing
            .into_iter()
            .find(|entry| !HARMLESS.contains(&entry.name.as_str()));
        if let Some(entry) = foreign.filter(|_| !is_chronoxide) {
            return Err(Error::ForeignDirectory {
                path: dir.to_owned(),
                found: entry.name,
            });
        }
        let lock = DirLock::acquire(fs, dir)?;
        let path = dir.join(FORMAT_FILE);
        let header = if fs.exists(&path)? {
            StoreHeader::decode(&fs.read(&path)?).map_err(|source| Error::format(&path, source))?
        } else {
            create(fs, clock, dir)?
        };
        // An earlier process may have ended between writing FORMAT and making its name durable.
        fs.sync_dir(dir)?;
        Ok(Self {
            header,
            _lock: lock,
        })
    }
}

/// What the FORMAT file of `dir` says, without changing anything.
///
/// # Errors
/// As [`DataDir::open`]; a directory without the file is a foreign one.
pub(crate) fn inspect(fs: &dyn Fs, dir: &Path) -> Result<StoreHeader> {
    let path = dir.join(FORMAT_FILE);
    if !fs.exists(&path)? {
        let found = fs.list(dir)?.into_iter().next();
        return Err(Error::ForeignDirectory {
            path: dir.to_owned(),
            found: found.map(|entry| entry.name).unwrap_or_default(),
        });
    }
    StoreHeader::decode(&fs.read(&path)?).map_err(|source| Error::format(&path, source))
}

/// Writes the FORMAT file of `from` to the directory `to`, durably but for its name.
pub(crate) fn copy_format(fs: &dyn Fs, from: &Path, to: &Path) -> Result<()> {
    let file = fs.create_new(&to.join(FORMAT_FILE))?;
    file.append(&fs.read(&from.join(FORMAT_FILE))?)?;
    file.sync_all()
}

fn create(fs: &dyn Fs, clock: &dyn Clock, dir: &Path) -> Result<StoreHeader> {
    let header = StoreHeader {
        hash_seed: random(),
        log_salt: random(),
        created_ms: clock.now_ms(),
    };
    let temp = dir.join(FORMAT_TEMP_FILE);
    if fs.exists(&temp)? {
        fs.remove(&temp)?;
    }
    let file = fs.create_new(&temp)?;
    file.append(&header.encode())?;
    file.sync_all()?;
    drop(file);
    fs.rename(&temp, &dir.join(FORMAT_FILE))?;
    fs.sync_dir(dir)?;
    Ok(header)
}

/// Seeds need to be unknown to senders, no more: the standard library's hash keys are.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ManualClock, RealFs};

    fn open(dir: &Path) -> Result<DataDir> {
        DataDir::open(&RealFs, &ManualClock::new(77), dir)
    }

    #[test]
    fn a_new_directory_gets_a_header_that_stays() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        let header = open(&dir).unwrap().header;
        assert_eq!(header.created_ms, 77);
        assert_ne!(header.hash_seed, header.log_salt);
        assert_eq!(open(&dir).unwrap().header, header);
    }

    #[test]
    fn a_second_handle_is_refused_by_name() {
        let root = tempfile::tempdir().unwrap();
        let _held = open(root.path()).unwrap();
        let error = open(root.path()).unwrap_err();
        assert!(matches!(error, Error::InUse { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains(&root.path().display().to_string())
        );
    }

    #[test]
    fn a_directory_of_something_else_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("thesis.tex"), "x").unwrap();
        let error = open(root.path()).unwrap_err();
        assert!(error.to_string().contains("thesis.tex"), "{error}");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_newer_or_damaged_format_file_is_refused() {
        let root = tempfile::tempdir().unwrap();
        drop(open(root.path()).unwrap());
        let path = root.path().join(FORMAT_FILE);
        let good = std::fs::read(&path).unwrap();
        for (at, value) in [(8, 9), (20, good[20] ^ 1)] {
            let mut bad = good.clone();
            bad[at] = value;
            std::fs::write(&path, &bad).unwrap();
            assert!(matches!(open(root.path()), Err(Error::Format { .. })));
        }
    }

    #[test]
    fn an_unfinished_creation_is_begun_again() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join(FORMAT_TEMP_FILE), "half").unwrap();
        open(root.path()).unwrap();
        open(root.path()).unwrap();
    }
}
