//! A simulated disk, for tests that cut the power and fail operations.
//!
//! [`SimFs`] keeps, for every file, what has been synced and the writes since; for every directory, the entries that
//! have been synced and the changes since. [`SimFs::power_cut`] leaves what was synced and a random choice of the
//! rest: each 512-byte sector of an unsynced write may be there, missing (zeroes) or garbage; each unsynced change of
//! a directory may have happened or not, whatever came after it. So a test that passes does not rely on an order that
//! file systems do not promise.
//!
//! Assumed of disks: a sector is written whole or not at all, and a successful sync is true.
//!
//! A failed sync behaves as on Linux: some of the unsynced writes are lost although reading still shows them, and the
//! next sync succeeds without writing them.
//!
//! ```
//! use std::path::Path;
//!
//! use chronoxide_storage::system::{Fs, SimFs};
//!
//! let disk = SimFs::new(7);
//! disk.create_dir_all(Path::new("/data"))?;
//! let file = disk.create_new(Path::new("/data/log"))?;
//! file.append(b"synced")?;
//! file.sync_data()?;
//! disk.sync_dir(Path::new("/data"))?;
//! file.append(b", not synced")?;
//! disk.power_cut();
//! assert!(disk.read(Path::new("/data/log"))?.starts_with(b"synced"));
//! # Ok::<(), chronoxide_storage::Error>(())
//! ```

mod random;
mod state;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use self::state::{NodeId, Operation, State};
use crate::{DirEntry, Error, Fs, FsFile, FsLock, Map, Result};

/// A simulated disk. Clones share it.
#[derive(Clone, Debug)]
pub struct SimFs {
    state: Arc<Mutex<State>>,
    /// The handle of a process: dead once that has ended.
    epoch: Option<u64>,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimFault {
    /// The device reports an error. A write may have taken effect in part; a sync loses some of what it should have
    /// made durable.
    Io,
    /// There is no room: part of a write takes effect. Operations that need no room are not affected.
    NoSpace,
    /// Half of a write takes effect before the device reports an error. Other operations are not affected.
    ShortWrite,
    /// A sync fails as with [`SimFault::Io`], and what was synced before is damaged where it shares a page with what
    /// was not. Other operations are not affected.
    BadPage,
}

/// What a power cut leaves of writes that were not synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SimLoss {
    /// Any part of them, decided by the seed.
    #[default]
    Random,
    /// Nothing.
    All,
    /// Everything.
    None,
}

impl SimFs {
    /// An empty disk with unlimited room, whose choices follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(seed))),
            epoch: None,
        }
    }

    /// The disk as a process sees it that ends with the next [`SimFs::power_cut`] or [`SimFs::kill_process`]: all its
    /// operations fail from then on, so that nothing left over from it (a destructor, a thread) touches the disk.
    #[must_use]
    pub fn process(&self) -> Self {
        let epoch = self.state.lock().epoch;
        Self {
            state: Arc::clone(&self.state),
            epoch: Some(epoch),
        }
    }

    /// How many operations there have been, reads included. The next one has this index.
    #[must_use]
    pub fn operation_count(&self) -> u64 {
        self.state.lock().operations
    }

    /// Cuts the power at the operation with index `operation`: it takes effect in part at most, and everything from
    /// then on fails until [`SimFs::power_cut`].
    pub fn cut_power_at(&self, operation: u64) {
        self.state.lock().cut_at = Some(operation);
    }

    /// Whether the operation given to [`SimFs::cut_power_at`] has been reached.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.state.lock().is_off
    }

    /// The power goes and comes back: what was not synced is lost as `loss` of [`SimFs::set_loss`] says, open files
    /// are dead and locks are free.
    pub fn power_cut(&self) {
        self.state.lock().power_cut();
    }

    /// The process ends: open files are dead and locks are free, but nothing is lost.
    pub fn kill_process(&self) {
        self.state.lock().kill_process();
    }

    /// What power cuts leave of unsynced writes from now on.
    pub fn set_loss(&self, loss: SimLoss) {
        self.state.lock().loss = loss;
    }

    /// Lets the operation with index `operation` fail, and all after it until [`SimFs::clear_faults`] when `persists`.
    pub fn fail_at(&self, operation: u64, fault: SimFault, persists: bool) {
        let mut state = self.state.lock();
        state.fault = Some((operation, fault, persists));
        state.fault_hits = 0;
    }

    /// Ends the failures set by [`SimFs::fail_at`].
    pub fn clear_faults(&self) {
        self.state.lock().fault = None;
    }

    /// How many operations have failed since [`SimFs::fail_at`].
    #[must_use]
    pub fn fault_hits(&self) -> u64 {
        self.state.lock().fault_hits
    }

    /// Limits the bytes of all files together.
    pub fn set_capacity(&self, bytes: u64) {
        self.state.lock().capacity = bytes;
    }

    /// Changes bytes of a file behind everybody's back, as bit rot does: durable at once, and no operation.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let mut state = self.state.lock();
        state
            .damage(path, change)
            .map_err(|source| Error::io("damage", path, source))
    }

    fn run<T>(
        &self,
        name: &'static str,
        path: &Path,
        operation: Operation,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Result<T> {
        let mut state = self.state.lock();
        let epoch = self.epoch.unwrap_or(state.epoch);
        let begun = state.begin_in(epoch, operation);
        begun
            .and_then(|()| act(&mut state))
            .map_err(|source| Error::io(name, path, source))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn FsFile>> {
        self.run("open", path, Operation::Read, |state| {
            let node = state.file(path)?;
            Ok(self.handle(path, node, state.epoch))
        })
    }

    fn handle(&self, path: &Path, node: NodeId, epoch: u64) -> Box<dyn FsFile> {
        Box::new(SimFile {
            fs: self.clone(),
            path: path.to_owned(),
            node,
            epoch,
        })
    }
}

impl Fs for SimFs {
    fn create_new(&self, path: &Path) -> Result<Box<dyn FsFile>> {
        self.run("create", path, Operation::Change, |state| {
            let node = state.create(path)?;
            Ok(self.handle(path, node, state.epoch))
        })
    }

    fn create_log(&self, path: &Path) -> Result<Box<dyn FsFile>> {
        self.create_new(path)
    }

    fn open_append(&self, path: &Path) -> Result<Box<dyn FsFile>> {
        self.open(path)
    }

    fn open_read(&self, path: &Path) -> Result<Box<dyn FsFile>> {
        self.open(path)
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        self.run("read", path, Operation::Read, |state| {
            let node = state.file(path)?;
            Ok(state.content(node)?.to_vec())
        })
    }

    fn map(&self, path: &Path) -> Result<Map> {
        self.read(path).map(Map::copied)
    }

    fn len(&self, path: &Path) -> Result<u64> {
        self.run("look at", path, Operation::Read, |state| {
            let node = state.file(path)?;
            Ok(state.content(node)?.len() as u64)
        })
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        self.run("look at", path, Operation::Read, |state| {
            Ok(state.node(path).is_ok())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.run("rename", from, Operation::Change, |state| {
            state.rename(from, to)
        })
    }

    fn hard_link(&self, from: &Path, to: &Path) -> Result<()> {
        self.run("link", from, Operation::Change, |state| {
            state.hard_link(from, to)
        })
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.run("remove", path, Operation::Free, |state| state.remove(path))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.run("create directory", path, Operation::Change, |state| {
            state.create_dir(path)
        })
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        self.run("remove directory", path, Operation::Free, |state| {
            state.remove_dir(path)
        })
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.run("sync directory", path, Operation::SyncDir, |state| {
            state.sync_dir(path)
        })
    }

    fn list(&self, dir: &Path) -> Result<Vec<DirEntry>> {
        self.run("list", dir, Operation::Read, |state| state.list(dir))
    }

    fn lock_exclusive(&self, path: &Path) -> Result<Option<Box<dyn FsLock>>> {
        self.run("lock", path, Operation::Change, |state| {
            if state.node(path).is_err() {
                state.create(path)?;
            }
            let epoch = state.epoch;
            Ok(state.lock(path).then(|| {
                let lock = SimLock {
                    fs: self.clone(),
                    path: path.to_owned(),
                    epoch,
                };
                Box::new(lock) as Box<dyn FsLock>
            }))
        })
    }

    fn free_space(&self, dir: &Path) -> Result<u64> {
        self.run("measure the free space of", dir, Operation::Read, |state| {
            Ok(state.free_bytes())
        })
    }
}

#[derive(Debug)]
struct SimFile {
    fs: SimFs,
    path: PathBuf,
    node: NodeId,
    epoch: u64,
}

impl SimFile {
    fn run<T>(
        &self,
        name: &'static str,
        operation: Operation,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Result<T> {
        let mut state = self.fs.state.lock();
        let begun = state.begin_in(self.epoch, operation);
        begun
            .and_then(|()| act(&mut state))
            .map_err(|source| Error::io(name, &self.path, source))
    }
}

impl SimFile {
    fn write(&self, offset: Option<u64>, bytes: &[u8]) -> Result<()> {
        let write = Operation::Write(self.node, offset, bytes);
        self.run("write to", write, |state| {
            state.write(self.node, offset, bytes)
        })
    }
}

impl FsFile for SimFile {
    fn append(&self, bytes: &[u8]) -> Result<()> {
        self.write(None, bytes)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.write(Some(offset), bytes)
    }

    fn sync_data(&self) -> Result<()> {
        self.run("sync", Operation::Sync(self.node), |state| {
            state.sync(self.node)
        })
    }

    fn sync_all(&self) -> Result<()> {
        self.sync_data()
    }

    fn len(&self) -> Result<u64> {
        self.run("look at", Operation::Read, |state| {
            Ok(state.content(self.node)?.len() as u64)
        })
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.run("resize", Operation::Change, |state| {
            state.set_len(self.node, len)
        })
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.run("read", Operation::Read, |state| {
            let content = state.content(self.node)?;
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let end = start.saturating_add(buffer.len());
            let found = content
                .get(start..end)
                .ok_or(io::ErrorKind::UnexpectedEof)?;
            buffer.copy_from_slice(found);
            Ok(())
        })
    }
}

#[derive(Debug)]
struct SimLock {
    fs: SimFs,
    path: PathBuf,
    epoch: u64,
}

impl FsLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.fs.state.lock();
        if state.epoch == self.epoch {
            state.unlock(&self.path);
        }
    }
}

#[cfg(test)]
mod tests;
