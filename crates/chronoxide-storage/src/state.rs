//! What an application keeps with its samples: changes that are stored together with batches, and checkpoints.
//!
//! A change goes through the write-ahead log in the record of its batch, so that a crash leaves both or neither. Before
//! the log lets go of it, it is appended to a file, which a checkpoint writes anew. Storage cannot read any of it, and
//! keeps nothing in memory but what is not in the file yet.

use std::path::{Path, PathBuf};

use chronoxide_format::log::{LogKind, Payload};
use chronoxide_format::state::{self, StateRecord};
use parking_lot::Mutex;

use crate::quarantine::Quarantine;
use crate::record_file::{OpenRecordFile, RecordFile, RecordFileState};
use crate::{Error, Fs, Result};

/// What an application had stored when the database was opened; see [`Database::take_state`](crate::Database::take_state).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedState {
    /// The last checkpoint, if there is one and it can be read.
    pub checkpoint: Option<Vec<u8>>,
    /// The changes since, in the order they were stored. Without a checkpoint that could be read, these are all that are
    /// left.
    pub changes: Vec<Vec<u8>>,
}

/// The file, below the data directory.
const FILE: &str = "STATE";

/// A checkpoint is cut into records of this size.
const PIECE_BYTES: usize = 4 << 20;

/// Changes that were stored with batches, and the file they go to.
#[derive(Debug)]
pub(crate) struct StateStore {
    file: RecordFile,
    dir: PathBuf,
    /// The file that was found has all changes up to this log record.
    found_sequence: u64,
    pending: Mutex<Pending>,
    saved: Mutex<Saved>,
}

#[derive(Debug, Default)]
struct Pending {
    /// What was found, until the application takes it.
    found: SavedState,
    /// Changes that are in the log only, with the numbers of their records.
    unsaved: Vec<(u64, Vec<u8>)>,
    /// The last log record with a change.
    sequence: u64,
    /// Bytes of changes since the last checkpoint.
    changes_bytes: u64,
    checkpoint_bytes: u64,
    must_rewrite: bool,
}

/// The file as this process has written it.
#[derive(Debug, Default)]
struct Saved {
    /// `None` when it must be written anew: what an earlier process left may be in the system's cache only.
    file: Option<OpenRecordFile>,
}

impl StateStore {
    /// Reads the file in `dir`, if there is one. A damaged one is set aside, and its good records are used.
    pub(crate) fn open(
        fs: &dyn Fs,
        quarantine: &Quarantine,
        dir: &Path,
        salt: u64,
    ) -> Result<Self> {
        let file = RecordFile::new(FILE, LogKind::State, salt);
        let (is_damaged, records) = load(file, fs, dir)?;
        let mut pending = Pending::default();
        for record in &records {
            pending.take_found(record, is_damaged);
        }
        if is_damaged {
            let path = file.path(dir);
            tracing::error!(
                file = %path.display(),
                "the file of the application's state is damaged; changes that can be read are used, its checkpoint is not"
            );
            quarantine.set_aside(&path)?;
            // Its good changes are in no file now.
            pending.unsaved = records
                .into_iter()
                .filter_map(StateRecord::into_change)
                .collect();
            pending.must_rewrite = true;
        }
        Ok(Self {
            file,
            dir: dir.to_owned(),
            found_sequence: if is_damaged { 0 } else { pending.sequence },
            pending: Mutex::new(pending),
            saved: Mutex::default(),
        })
    }

    /// Whether the file in `dir`, if there is one, is good; nothing is changed.
    pub(crate) fn inspect(fs: &dyn Fs, dir: &Path, salt: u64) -> Result<bool> {
        let file = RecordFile::new(FILE, LogKind::State, salt);
        load(file, fs, dir).map(|(is_damaged, _)| !is_damaged)
    }

    /// The last log record that is in the file as it was found; new ones have higher numbers.
    pub(crate) const fn found_sequence(&self) -> u64 {
        self.found_sequence
    }

    /// Takes over the changes of log record `sequence` while the log is replayed: the application will ask for them.
    pub(crate) fn replay(&self, sequence: u64, changes: Vec<Vec<u8>>) {
        let mut pending = self.pending.lock();
        if sequence <= self.found_sequence {
            // The file has them, but perhaps in the system's cache only.
            pending.must_rewrite = true;
            return;
        }
        pending.found.changes.extend(changes.iter().cloned());
        pending.take(sequence, changes);
    }

    /// Takes over the changes of log record `sequence`, which are durable now.
    pub(crate) fn take(&self, sequence: u64, changes: Vec<Vec<u8>>) {
        if !changes.is_empty() {
            self.pending.lock().take(sequence, changes);
        }
    }

    /// What was found when the database was opened; once.
    pub(crate) fn take_found(&self) -> SavedState {
        std::mem::take(&mut self.pending.lock().found)
    }

    /// Bytes of changes since the last checkpoint, and of that checkpoint.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        let pending = self.pending.lock();
        (pending.changes_bytes, pending.checkpoint_bytes)
    }

    /// Puts a checkpoint in the place of all changes so far, durably.
    pub(crate) fn checkpoint(&self, fs: &dyn Fs, state: &[u8]) -> Result<()> {
        let mut saved = self.saved.lock();
        let sequence = self.pending.lock().sequence;
        let pieces = state.chunks(PIECE_BYTES).map(|bytes| StateRecord::Piece {
            sequence,
            bytes: bytes.to_vec(),
        });
        // An empty checkpoint is one too.
        let empty = StateRecord::Piece {
            sequence,
            bytes: Vec::new(),
        };
        let empty = state.is_empty().then_some(empty);
        let records = self.payloads(pieces.chain(empty))?;
        saved.file = None;
        saved.file = Some(self.file.write(fs, &self.dir, &records)?);
        let mut pending = self.pending.lock();
        pending.unsaved.retain(|(unsaved, _)| *unsaved > sequence);
        pending.changes_bytes = pending.unsaved_bytes();
        pending.checkpoint_bytes = state.len() as u64;
        pending.must_rewrite = false;
        Ok(())
    }

    /// Writes the changes that the file does not have. Nothing is lost when it fails: see the log.
    pub(crate) fn save(&self, fs: &dyn Fs) -> Result<()> {
        let mut saved = self.saved.lock();
        let (unsaved, must_rewrite) = {
            let pending = self.pending.lock();
            (pending.unsaved.clone(), pending.must_rewrite)
        };
        if unsaved.is_empty() && !must_rewrite {
            return Ok(());
        }
        let records = self.payloads(unsaved.iter().cloned().map(StateRecord::from_change))?;
        let appended = match saved.file.take() {
            Some(mut file) => file.append(&records).map(|()| file),
            None => self.rewrite(fs, &records),
        };
        let file = match appended {
            Ok(file) => file,
            Err(error) => {
                tracing::error!(
                    file = %self.file.path(&self.dir).display(),
                    error = &error as &dyn std::error::Error,
                    "could not write to the file of the application's state; writing it anew"
                );
                self.rewrite(fs, &records)?
            }
        };
        saved.file = Some(file);
        let last = unsaved.last().map_or(0, |(sequence, _)| *sequence);
        let mut pending = self.pending.lock();
        pending.unsaved.retain(|(sequence, _)| *sequence > last);
        pending.must_rewrite = false;
        Ok(())
    }

    /// Writes a file, in any directory, with what the file has and what it does not have yet.
    pub(crate) fn write(&self, fs: &dyn Fs, dir: &Path) -> Result<()> {
        let _saved = self.saved.lock();
        let unsaved = self.pending.lock().unsaved.clone();
        let records = self.payloads(unsaved.into_iter().map(StateRecord::from_change))?;
        let all = self.with_former(fs, &records)?;
        if all.is_empty() {
            return Ok(());
        }
        self.file.write(fs, dir, &all).map(drop)
    }

    fn rewrite(&self, fs: &dyn Fs, records: &[Payload]) -> Result<OpenRecordFile> {
        let all = self.with_former(fs, records)?;
        self.file.write(fs, &self.dir, &all)
    }

    /// The good records of the file there is, but for changes that `records` repeat, then these.
    fn with_former(&self, fs: &dyn Fs, records: &[Payload]) -> Result<Vec<Payload>> {
        let (_, former) = load(self.file, fs, &self.dir)?;
        let first = self
            .pending
            .lock()
            .unsaved
            .first()
            .map(|(sequence, _)| *sequence);
        let is_former = |record: &StateRecord| first.is_none_or(|first| record.is_before(first));
        let mut all = self.payloads(former.into_iter().filter(is_former))?;
        all.extend_from_slice(records);
        Ok(all)
    }

    fn payloads(&self, records: impl Iterator<Item = StateRecord>) -> Result<Vec<Payload>> {
        let payload = |record: StateRecord| {
            state::payload(&record)
                .map_err(|source| Error::format(&self.file.path(&self.dir), source))
        };
        records.map(payload).collect()
    }
}

/// Whether the file in `dir` is damaged, and its good records.
fn load(file: RecordFile, fs: &dyn Fs, dir: &Path) -> Result<(bool, Vec<StateRecord>)> {
    let mut records = Vec::new();
    let state = file.read(fs, dir, |kind, plain| {
        records.push(StateRecord::decode(kind, plain)?);
        Ok(())
    })?;
    Ok((state == RecordFileState::Damaged, records))
}

impl Pending {
    fn take(&mut self, sequence: u64, changes: Vec<Vec<u8>>) {
        if changes.is_empty() {
            return;
        }
        self.sequence = self.sequence.max(sequence);
        self.changes_bytes += changes
            .iter()
            .map(|change| change.len() as u64)
            .sum::<u64>();
        let numbered = changes.into_iter().map(|change| (sequence, change));
        self.unsaved.extend(numbered);
    }

    /// Takes over a record of the file that was found.
    fn take_found(&mut self, record: &StateRecord, is_damaged: bool) {
        match record {
            StateRecord::Piece { .. } if is_damaged => {}
            StateRecord::Piece { sequence, bytes } => {
                self.sequence = self.sequence.max(*sequence);
                self.checkpoint_bytes += bytes.len() as u64;
                self.found
                    .checkpoint
                    .get_or_insert_default()
                    .extend_from_slice(bytes);
            }
            StateRecord::Change { sequence, bytes } => {
                self.sequence = self.sequence.max(*sequence);
                self.changes_bytes += bytes.len() as u64;
                self.found.changes.push(bytes.clone());
            }
        }
    }

    fn unsaved_bytes(&self) -> u64 {
        self.unsaved
            .iter()
            .map(|(_, change)| change.len() as u64)
            .sum()
    }
}

#[cfg(test)]
mod tests;
