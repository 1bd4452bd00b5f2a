//! What is on the simulated disk, and what is only in its cache.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use super::random::Random;
use super::{SimFault, SimLoss};
use crate::DirEntry;

/// The smallest unit that a disk writes whole.
const SECTOR_BYTES: usize = 512;

/// What the system's cache writes at once.
const PAGE_BYTES: usize = 4096;

pub(super) type NodeId = usize;

const ROOT: NodeId = 0;

#[derive(Debug)]
pub(super) struct State {
    nodes: Vec<Node>,
    random: Random,
    locks: BTreeSet<PathBuf>,
    pub(super) loss: SimLoss,
    pub(super) capacity: u64,
    pub(super) operations: u64,
    pub(super) cut_at: Option<u64>,
    pub(super) is_off: bool,
    /// Rises when open files die.
    pub(super) epoch: u64,
    /// Index of the first operation to fail, how, and whether all after it fail too.
    pub(super) fault: Option<(u64, SimFault, bool)>,
    pub(super) fault_hits: u64,
}

#[derive(Debug)]
enum Node {
    File(File),
    Dir(Dir),
}

#[derive(Debug, Default)]
struct File {
    /// What processes read.
    cached: Vec<u8>,
    /// What a power cut leaves for certain.
    synced: Vec<u8>,
    unsynced: Vec<FileChange>,
}

#[derive(Clone, Debug)]
enum FileChange {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

#[derive(Debug, Default)]
struct Dir {
    cached: BTreeMap<String, NodeId>,
    synced: BTreeMap<String, NodeId>,
    unsynced: Vec<DirChange>,
}

#[derive(Clone, Debug)]
enum DirChange {
    Link(String, NodeId),
    Unlink(String),
    Rename(String, String, NodeId),
}

/// What an operation needs, for deciding whether and how it fails.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation<'a> {
    Read,
    /// Needs room for a directory entry.
    Change,
    /// Sets room free.
    Free,
    /// From an offset on, or at the end.
    Write(NodeId, Option<u64>, &'a [u8]),
    Sync(NodeId),
    SyncDir,
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

fn device_error() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
}

fn no_space() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error())
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            nodes: vec![Node::Dir(Dir::default())],
            random: Random::new(seed),
            locks: BTreeSet::new(),
            loss: SimLoss::Random,
            capacity: u64::MAX,
            operations: 0,
            cut_at: None,
            is_off: false,
            epoch: 0,
            fault: None,
            fault_hits: 0,
        }
    }

    /// Begins an operation of the process of `epoch`.
    pub(super) fn begin_in(&mut self, epoch: u64, operation: Operation<'_>) -> io::Result<()> {
        if epoch == self.epoch {
            self.begin(operation)
        } else {
            Err(io::Error::other("the process has ended"))
        }
    }

    /// Counts an operation, and fails it when it is its turn.
    fn begin(&mut self, operation: Operation<'_>) -> io::Result<()> {
        if self.is_off {
            return Err(power_is_off());
        }
        let index = self.operations;
        self.operations += 1;
        if self.cut_at == Some(index) {
            self.is_off = true;
            self.leave_part_of(operation);
            return Err(power_is_off());
        }
        match self.fault {
            Some((at, fault, persists)) if index == at || (persists && index > at) => {
                self.fail(operation, fault)
            }
            _ => Ok(()),
        }
    }

    fn fail(&mut self, operation: Operation<'_>, fault: SimFault) -> io::Result<()> {
        let error = match (fault, operation) {
            (SimFault::Io, _) => {
                if self.random.below(2) == 0 {
                    self.leave_part_of(operation);
                }
                device_error()
            }
            (SimFault::NoSpace, Operation::Write(..)) => {
                self.leave_part_of(operation);
                no_space()
            }
            (SimFault::NoSpace, Operation::Change) => no_space(),
            (SimFault::NoSpace, Operation::Sync(node)) => {
                self.lose_unsynced(node);
                no_space()
            }
            (SimFault::ShortWrite, Operation::Write(node, offset, bytes)) => {
                self.put(node, offset, &bytes[..bytes.len() / 2]);
                device_error()
            }
            (SimFault::BadPage, Operation::Sync(node)) => {
                let start = self.unsynced_start(node);
                self.lose_unsynced(node);
                self.spoil_page(node, start);
                device_error()
            }
            (SimFault::NoSpace | SimFault::ShortWrite | SimFault::BadPage, _) => return Ok(()),
        };
        self.fault_hits += 1;
        Err(error)
    }

    /// What an operation that fails does all the same.
    fn leave_part_of(&mut self, operation: Operation<'_>) {
        match operation {
            Operation::Write(node, offset, bytes) => {
                let length = self.random.below(bytes.len() as u64 + 1);
                self.put(node, offset, &bytes[..usize::try_from(length).unwrap_or(0)]);
            }
            Operation::Sync(node) if !self.is_off => self.lose_unsynced(node),
            _ => {}
        }
    }

    /// Where the first of a file's unsynced writes begins.
    fn unsynced_start(&self, node: NodeId) -> usize {
        let Some(Node::File(file)) = self.nodes.get(node) else {
            return 0;
        };
        let starts = file.unsynced.iter().filter_map(|change| match change {
            FileChange::Write { offset, .. } => Some(*offset),
            FileChange::SetLen(_) => None,
        });
        starts.min().unwrap_or(0)
    }

    /// Makes garbage of the synced stretch before `end`, where unsynced bytes began, in the same page.
    fn spoil_page(&mut self, node: NodeId, end: usize) {
        let Some(Node::File(file)) = self.nodes.get_mut(node) else {
            return;
        };
        let start = end / PAGE_BYTES * PAGE_BYTES;
        if let Some(page) = file.synced.get_mut(start..end) {
            page.fill_with(|| self.random.next().to_le_bytes()[0]);
        }
    }

    /// A sync failed: of the unsynced changes some have reached the disk and the others never will, though they are
    /// still in the cache.
    fn lose_unsynced(&mut self, node: NodeId) {
        let (random, loss) = (&mut self.random, self.loss);
        if let Some(Node::File(file)) = self.nodes.get_mut(node) {
            file.synced = file.survivors(random, loss);
            file.unsynced.clear();
        }
    }

    pub(super) fn power_cut(&mut self) {
        for node in &mut self.nodes {
            match node {
                Node::File(file) => {
                    file.synced = file.survivors(&mut self.random, self.loss);
                    file.cached.clone_from(&file.synced);
                    file.unsynced.clear();
                }
                Node::Dir(dir) => {
                    dir.synced = dir.survivors(&mut self.random, self.loss);
                    dir.cached.clone_from(&dir.synced);
                    dir.unsynced.clear();
                }
            }
        }
        self.is_off = false;
        self.cut_at = None;
        self.kill_process();
    }

    pub(super) fn kill_process(&mut self) {
        self.epoch += 1;
        self.locks.clear();
    }

    pub(super) fn damage(
        &mut self,
        path: &Path,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<()> {
        let node = self.file(path)?;
        let file = self.file_at(node)?;
        change(&mut file.cached);
        file.synced.clone_from(&file.cached);
        file.unsynced.clear();
        Ok(())
    }

    fn file_at(&mut self, node: NodeId) -> io::Result<&mut File> {
        match self.nodes.get_mut(node) {
            Some(Node::File(file)) => Ok(file),
            _ => Err(ErrorKind::IsADirectory.into()),
        }
    }

    fn dir_at(&mut self, node: NodeId) -> io::Result<&mut Dir> {
        match self.nodes.get_mut(node) {
            Some(Node::Dir(dir)) => Ok(dir),
            _ => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn node(&self, path: &Path) -> io::Result<NodeId> {
        let mut node = ROOT;
        for component in path.components() {
            let Component::Normal(name) = component else {
                continue;
            };
            let Some(Node::Dir(dir)) = self.nodes.get(node) else {
                return Err(ErrorKind::NotADirectory.into());
            };
            node = *dir
                .cached
                .get(&*name.to_string_lossy())
                .ok_or(ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<NodeId> {
        let node = self.node(path)?;
        match self.nodes.get(node) {
            Some(Node::File(_)) => Ok(node),
            _ => Err(ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn content(&self, node: NodeId) -> io::Result<&[u8]> {
        match self.nodes.get(node) {
            Some(Node::File(file)) => Ok(&file.cached),
            _ => Err(ErrorKind::IsADirectory.into()),
        }
    }

    /// The directory of `path`, and the last part of its name.
    fn split(&self, path: &Path) -> io::Result<(NodeId, String)> {
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
        let parent = self.node(path.parent().unwrap_or_else(|| Path::new("")))?;
        Ok((parent, name.to_string_lossy().into_owned()))
    }

    fn link(&mut self, path: &Path, new: Node) -> io::Result<NodeId> {
        let (parent, name) = self.split(path)?;
        let node = self.nodes.len();
        let dir = self.dir_at(parent)?;
        if dir.cached.contains_key(&name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        dir.change(DirChange::Link(name, node));
        self.nodes.push(new);
        Ok(node)
    }

    fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.split(path)?;
        self.dir_at(parent)?.change(DirChange::Unlink(name));
        Ok(())
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<NodeId> {
        self.link(path, Node::File(File::default()))
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        self.link(path, Node::Dir(Dir::default())).map(drop)
    }

    pub(super) fn hard_link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.file(from)?;
        let (parent, name) = self.split(to)?;
        let dir = self.dir_at(parent)?;
        if dir.cached.contains_key(&name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        dir.change(DirChange::Link(name, node));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        self.unlink(path)
    }

    pub(super) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        let node = self.node(path)?;
        if !self.dir_at(node)?.cached.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        self.unlink(path)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.node(from)?;
        let (from_dir, from_name) = self.split(from)?;
        let (to_dir, to_name) = self.split(to)?;
        if from_dir != to_dir {
            return Err(ErrorKind::CrossesDevices.into());
        }
        self.dir_at(from_dir)?
            .change(DirChange::Rename(from_name, to_name, node));
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let node = self.node(path)?;
        let dir = self.dir_at(node)?;
        dir.synced.clone_from(&dir.cached);
        dir.unsynced.clear();
        Ok(())
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let Some(Node::Dir(dir)) = self.nodes.get(self.node(path)?) else {
            return Err(ErrorKind::NotADirectory.into());
        };
        let entries = dir.cached.iter().map(|(name, node)| DirEntry {
            name: name.clone(),
            is_dir: matches!(self.nodes.get(*node), Some(Node::Dir(_))),
        });
        Ok(entries.collect())
    }

    /// Writes at `offset`, or at the end of the file.
    fn put(&mut self, node: NodeId, offset: Option<u64>, bytes: &[u8]) {
        if let Some(Node::File(file)) = self.nodes.get_mut(node) {
            let offset = offset.and_then(|offset| usize::try_from(offset).ok());
            let write = FileChange::Write {
                offset: offset.unwrap_or(file.cached.len()),
                bytes: bytes.to_vec(),
            };
            write.apply(&mut file.cached);
            file.unsynced.push(write);
        }
    }

    pub(super) fn write(
        &mut self,
        node: NodeId,
        offset: Option<u64>,
        bytes: &[u8],
    ) -> io::Result<()> {
        let len = self.file_at(node)?.cached.len() as u64;
        let room = self
            .free_bytes()
            .saturating_add(len - offset.unwrap_or(len).min(len));
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        if room < bytes.len() {
            self.put(node, offset, &bytes[..room]);
            return Err(no_space());
        }
        self.put(node, offset, bytes);
        Ok(())
    }

    pub(super) fn set_len(&mut self, node: NodeId, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| ErrorKind::InvalidInput)?;
        let file = self.file_at(node)?;
        file.cached.resize(len, 0);
        file.unsynced.push(FileChange::SetLen(len));
        Ok(())
    }

    pub(super) fn sync(&mut self, node: NodeId) -> io::Result<()> {
        let file = self.file_at(node)?;
        // Not simply the cache: what an earlier failed sync lost stays lost.
        for change in std::mem::take(&mut file.unsynced) {
            change.apply(&mut file.synced);
        }
        Ok(())
    }

    pub(super) fn free_bytes(&self) -> u64 {
        let used: usize = self.reachable(ROOT, &mut BTreeSet::new());
        self.capacity.saturating_sub(used as u64)
    }

    /// Bytes of the files below `node`, each counted once however many names it has.
    fn reachable(&self, node: NodeId, seen: &mut BTreeSet<NodeId>) -> usize {
        if !seen.insert(node) {
            return 0;
        }
        match self.nodes.get(node) {
            Some(Node::File(file)) => file.cached.len(),
            Some(Node::Dir(dir)) => {
                let nodes = dir.cached.values();
                nodes.map(|&node| self.reachable(node, seen)).sum()
            }
            None => 0,
        }
    }

    pub(super) fn lock(&mut self, path: &Path) -> bool {
        self.locks.insert(path.to_owned())
    }

    pub(super) fn unlock(&mut self, path: &Path) {
        self.locks.remove(path);
    }
}

impl FileChange {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
            Self::SetLen(len) => content.resize(*len, 0),
        }
    }
}

/// What happens to one stretch of an unsynced write.
enum Fate {
    Kept,
    Zeroes,
    Garbage,
    Missing,
}

impl File {
    /// What the disk holds when the unsynced changes reach it in part.
    fn survivors(&self, random: &mut Random, loss: SimLoss) -> Vec<u8> {
        let mut content = self.synced.clone();
        let mood = match loss {
            SimLoss::All => return content,
            SimLoss::None => 0,
            SimLoss::Random => random.below(5),
        };
        for change in &self.unsynced {
            match (change, mood) {
                (_, 0) => change.apply(&mut content),
                (_, 1) => {}
                (FileChange::SetLen(_), _) => {
                    if random.below(2) == 0 {
                        change.apply(&mut content);
                    }
                }
                (FileChange::Write { offset, bytes }, _) => {
                    write_in_part(&mut content, *offset, bytes, mood, random);
                }
            }
        }
        content
    }
}

/// Writes each sector of `bytes`, or leaves it, or something else.
fn write_in_part(
    content: &mut Vec<u8>,
    offset: usize,
    bytes: &[u8],
    mood: u64,
    random: &mut Random,
) {
    let mut start = 0;
    while start < bytes.len() {
        let sector_end = (offset + start) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES;
        let end = bytes.len().min(sector_end - offset);
        let fate = match (mood, random.below(8)) {
            // Mostly there, mostly missing, or anything.
            (2, 0) | (3, 1..) | (4, 0..=1) => Fate::Missing,
            (2, 1) | (4, 2) => Fate::Zeroes,
            (4, 3) => Fate::Garbage,
            _ => Fate::Kept,
        };
        let mut piece = bytes[start..end].to_vec();
        match fate {
            Fate::Kept => {}
            Fate::Zeroes => piece.fill(0),
            Fate::Garbage => piece.fill_with(|| random.next().to_le_bytes()[0]),
            Fate::Missing => piece.clear(),
        }
        if !piece.is_empty() {
            let write = FileChange::Write {
                offset: offset + start,
                bytes: piece,
            };
            write.apply(content);
        }
        start = end;
    }
}

impl Dir {
    fn change(&mut self, change: DirChange) {
        change.apply(&mut self.cached);
        self.unsynced.push(change);
    }

    /// The entries when the unsynced changes reach the disk in part.
    fn survivors(&self, random: &mut Random, loss: SimLoss) -> BTreeMap<String, NodeId> {
        let mut entries = self.synced.clone();
        let mood = match loss {
            SimLoss::All => return entries,
            SimLoss::None => 0,
            SimLoss::Random => random.below(3),
        };
        for change in &self.unsynced {
            if mood == 0 || (mood == 1 && random.below(2) == 0) {
                change.apply(&mut entries);
            }
        }
        entries
    }
}

impl DirChange {
    fn apply(&self, entries: &mut BTreeMap<String, NodeId>) {
        match self {
            Self::Link(name, node) => {
                entries.insert(name.clone(), *node);
            }
            Self::Unlink(name) => {
                entries.remove(name);
            }
            Self::Rename(from, to, node) => {
                entries.remove(from);
                entries.insert(to.clone(), *node);
            }
        }
    }
}
