//! The file system of the operating system.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{DirEntry, Fs, FsFile, FsLock, Map};
use crate::{Error, Result};

/// Directories are for their owner only.
const DIR_MODE: u32 = 0o700;

/// Files are for their owner only.
const FILE_MODE: u32 = 0o600;

/// The file system of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFs;

#[derive(Debug)]
struct RealFile {
    path: PathBuf,
    file: File,
    /// Systems append what is written to a file that is open for it, whatever the offset; and write to any other where
    /// its cursor stands.
    is_log: bool,
}

/// Holding the file open holds the lock.
#[derive(Debug)]
struct RealLock {
    _file: File,
}

impl FsLock for RealLock {}

impl RealFs {
    fn open(
        operation: &'static str,
        path: &Path,
        options: &mut OpenOptions,
    ) -> Result<Box<dyn FsFile>> {
        let file = options
            .mode(FILE_MODE)
            .open(path)
            .map_err(|source| Error::io(operation, path, source))?;
        Ok(Box::new(RealFile {
            path: path.to_owned(),
            file,
            is_log: false,
        }))
    }
}

impl RealFile {
    /// Refuses to write in the way that the file was not opened for.
    fn expect_log(&self, is_log: bool) -> Result<()> {
        if self.is_log == is_log {
            return Ok(());
        }
        Err(Error::io(
            "write to",
            &self.path,
            io::ErrorKind::Unsupported.into(),
        ))
    }
}

impl Fs for RealFs {
    fn create_new(&self, path: &Path) -> Result<Box<dyn FsFile>> {
        let mut options = OpenOptions::new();
        Self::open(
            "create",
            path,
            options.create_new(true).read(true).append(true),
        )
    }

    fn create_log(&self, path: &Path) -> Result<Box<dyn FsFile>> {
        let mut options = OpenOptions::new();
        let file = options
            .create_new(true)
            .read(true)
            .write(true)
            .mode(FILE_MODE)
            .open(path)
            .map_err(|source| Error::io("create", path, source))?;
        Ok(Box::new(RealFile {
            path: path.to_owned(),
            file,
            is_log: true,
        }))
    }

    fn open_append(&self, path: &Path) -> Result<Box<dyn FsFile>> {
        Self::open("open", path, OpenOptions::new().read(true).append(true))
    }

    fn open_read(&self, path: &Path) -> Result<Box<dyn FsFile>> {
        Self::open("open", path, OpenOptions::new().read(true))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        std::fs::read(path).map_err(|source| Error::io("read", path, source))
    }

    fn map(&self, path: &Path) -> Result<Map> {
        File::open(path)
            .and_then(|file| Map::of_file(&file))
            .map_err(|source| Error::io("map", path, source))
    }

    fn len(&self, path: &Path) -> Result<u64> {
        let metadata =
            std::fs::metadata(path).map_err(|source| Error::io("look at", path, source))?;
        Ok(metadata.len())
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        path.try_exists()
            .map_err(|source| Error::io("look at", path, source))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        std::fs::rename(from, to).map_err(|source| Error::io("rename", from, source))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> Result<()> {
        std::fs::hard_link(from, to).map_err(|source| Error::io("link", from, source))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        std::fs::remove_file(path).map_err(|source| Error::io("remove", path, source))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        DirBuilder::new()
            .mode(DIR_MODE)
            .create(path)
            .map_err(|source| Error::io("create directory", path, source))
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        std::fs::remove_dir(path).map_err(|source| Error::io("remove directory", path, source))
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        File::open(path)
            .and_then(|dir| dir.sync_all())
            .map_err(|source| Error::io("sync directory", path, source))
    }

    fn list(&self, dir: &Path) -> Result<Vec<DirEntry>> {
        let read = || -> io::Result<Vec<DirEntry>> {
            let mut entries = Vec::new();
            for entry in std::fs::read_dir(dir)? {
                let entry = entry?;
                entries.push(DirEntry {
                    name: entry.file_name().to_string_lossy().into_owned(),
                    is_dir: entry.file_type()?.is_dir(),
                });
            }
            entries.sort();
            Ok(entries)
        };
        read().map_err(|source| Error::io("list", dir, source))
    }

    fn lock_exclusive(&self, path: &Path) -> Result<Option<Box<dyn FsLock>>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(FILE_MODE)
            .open(path)
            .map_err(|source| Error::io("open", path, source))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Box::new(RealLock { _file: file }))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(Error::io("lock", path, errno.into())),
        }
    }

    fn free_space(&self, dir: &Path) -> Result<u64> {
        let stat = rustix::fs::statvfs(dir)
            .map_err(|errno| Error::io("measure the free space of", dir, errno.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl FsFile for RealFile {
    fn append(&self, bytes: &[u8]) -> Result<()> {
        self.expect_log(false)?;
        (&self.file)
            .write_all(bytes)
            .map_err(|source| Error::io("write to", &self.path, source))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.expect_log(true)?;
        self.file
            .write_all_at(bytes, offset)
            .map_err(|source| Error::io("write to", &self.path, source))
    }

    fn sync_data(&self) -> Result<()> {
        self.file
            .sync_data()
            .map_err(|source| Error::io("sync", &self.path, source))
    }

    fn sync_all(&self) -> Result<()> {
        self.file
            .sync_all()
            .map_err(|source| Error::io("sync", &self.path, source))
    }

    fn len(&self) -> Result<u64> {
        let metadata = self
            .file
            .metadata()
            .map_err(|source| Error::io("look at", &self.path, source))?;
        Ok(metadata.len())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.file
            .set_len(len)
            .map_err(|source| Error::io("resize", &self.path, source))
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.file
            .read_exact_at(buffer, offset)
            .map_err(|source| Error::io("read", &self.path, source))
    }
}
