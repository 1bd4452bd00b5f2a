//! Which series a sid stands for, on disk.
//!
//! New series are appended to a log; a checkpoint, now and then, writes all active ones to a file of its own and
//! drops the log before it. Entries are replayed in the order they were written, and a later one for a sid replaces
//! an earlier one: so a sid may be given to another series after no write-ahead log record and no part needs its old
//! meaning any more.
//!
//! An entry must be durable before a write-ahead log record that uses its sid: [`RegistryLog::append`] keeps entries
//! in memory, [`RegistryLog::flush`] hands them to the operating system, [`RegistryLog::sync`] makes them durable.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chronoxide_format::log::{
    FILE_HEADER_BYTES_MAX, FileHeader, Found, LogIdentity, LogKind, Payload, Scan,
};
use chronoxide_format::registry::{
    EntriesEncoder, KIND_CHECKPOINT_END, KIND_ENTRIES, checkpoint_end, count_entries,
    decode_checkpoint_end, decode_entries,
};
use parking_lot::Mutex;

use crate::log::{Known, LogSpec, LogWriter, ReplayReport, inspect, parse_name, recover};
use crate::quarantine::Quarantine;
use crate::{Error, Fs, FsFile, Result};

const LOG_EXTENSION: &str = "log";
const CHECKPOINT_EXTENSION: &str = "ckpt";
const TEMP_EXTENSION: &str = "tmp";

/// A record is closed when its entries take this much.
const RECORD_BYTES: usize = 256 << 10;

/// Bytes at which a segment of the log is followed by a new one.
const SEGMENT_BYTES_MAX: u64 = 32 << 20;

/// The log of series. One lock, held while its files are written.
#[derive(Debug)]
pub(crate) struct RegistryLog {
    spec: LogSpec,
    inner: Mutex<Inner>,
    /// Held while a checkpoint is written, so that there is one at a time.
    checkpoints: Mutex<Checkpoints>,
}

#[derive(Debug)]
struct Inner {
    writer: LogWriter,
    open: EntriesEncoder,
    /// Full records that were not written yet.
    full: Vec<Payload>,
}

#[derive(Debug)]
struct Checkpoints {
    /// Existing checkpoint files: number, and whether it is damaged.
    existing: Vec<(u64, bool)>,
    next_number: u64,
}

/// What opening the registry log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RegistryReport {
    /// What the log's segments were like.
    pub(crate) log: ReplayReport,
    /// Checkpoints that are damaged: series in them are lost. They are set aside once a new checkpoint is complete.
    pub(crate) damaged: Vec<PathBuf>,
}

impl RegistryReport {
    /// Whether no series was lost.
    pub(crate) const fn is_clean(&self) -> bool {
        self.log.is_clean() && self.damaged.is_empty()
    }
}

impl RegistryLog {
    /// Opens the log in `dir`, created if need be, and hands every record with entries to `each`, whose plain payload is for
    /// [`decode_entries`]: sid and canonical label key. Of several entries for one sid the last counts.
    ///
    /// # Errors
    /// When a file cannot be read or is newer than this build. Damage is no error: see the report.
    pub(crate) fn open(
        fs: Arc<dyn Fs>,
        quarantine: Arc<Quarantine>,
        dir: &Path,
        salt: u64,
        mut each: impl FnMut(Payload),
    ) -> Result<(Self, RegistryReport)> {
        let spec = log_spec(fs, quarantine, dir, salt);
        spec.prepare_dir()?;
        remove_unfinished(&spec)?;
        let mut report = RegistryReport::default();
        let (checkpoints, covered_seq) = read_checkpoints(&spec, &mut report, &mut each)?;
        let known = Known {
            seq_floor: covered_seq,
            released_seq: covered_seq,
        };
        let (writer, log) = recover(spec.clone(), known)?.replay(|record| {
            check_kind(record.kind)?;
            each(record.to_payload());
            Ok(())
        })?;
        report.log = log;
        let inner = Inner {
            writer,
            open: EntriesEncoder::default(),
            full: Vec::new(),
        };
        let opened = Self {
            spec,
            inner: Mutex::new(inner),
            checkpoints: Mutex::new(checkpoints),
        };
        Ok((opened, report))
    }

    /// Reads the log in `dir` without changing anything; otherwise as [`RegistryLog::open`].
    ///
    /// # Errors
    /// As [`RegistryLog::open`].
    pub(crate) fn inspect(
        fs: Arc<dyn Fs>,
        quarantine: Arc<Quarantine>,
        dir: &Path,
        salt: u64,
        mut each: impl FnMut(u32, &[u8]),
    ) -> Result<RegistryReport> {
        let spec = log_spec(fs, quarantine, dir, salt);
        let mut report = RegistryReport::default();
        let (_, covered_seq) = read_checkpoints(&spec, &mut report, &mut |record: Payload| {
            // It was read once already.
            let _ = record
                .plain()
                .and_then(|plain| decode_entries(&plain, &mut each));
        })?;
        let known = Known {
            seq_floor: covered_seq,
            released_seq: covered_seq,
        };
        report.log = inspect(&spec, known, |path, _, kind, plain| {
            check_kind(kind)
                .and_then(|()| decode_entries(plain, &mut each))
                .map_err(|source| Error::format(path, source))
        })?;
        Ok(report)
    }

    /// Adds that `sid` stands for the canonical label key `key`, in memory.
    ///
    /// # Errors
    /// When the key is too long to be kept.
    pub(crate) fn append(&self, sid: u32, key: &[u8]) -> Result<()> {
        self.inner.lock().append(sid, key)
    }

    /// Hands everything appended to the operating system: it survives the process.
    ///
    /// # Errors
    /// When that fails. The entries are kept, and come first at the next call.
    pub(crate) fn flush(&self) -> Result<()> {
        self.inner.lock().flush()
    }

    /// Makes everything appended durable. Costs nothing when it is already.
    ///
    /// # Errors
    /// As [`RegistryLog::flush`].
    pub(crate) fn sync(&self) -> Result<()> {
        let mut inner = self.inner.lock();
        inner.flush()?;
        inner.writer.sync(&|| Ok(()))
    }

    /// Bytes of the log since the last checkpoint: what a checkpoint would save.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.inner.lock().writer.size().1
    }

    /// Writes all active series to a checkpoint, and drops what the log held before. `entries` is called after it is
    /// settled which part of the log the checkpoint replaces: it must give every series known at that time.
    ///
    /// # Errors
    /// When the checkpoint cannot be written. The log stays as it was; a later call may work.
    pub(crate) fn checkpoint<I, K>(&self, entries: impl FnOnce() -> I) -> Result<()>
    where
        I: IntoIterator<Item = (u32, K)>,
        K: AsRef<[u8]>,
    {
        let mut checkpoints = self.checkpoints.lock();
        self.sync()?;
        let covered_seq = self.inner.lock().writer.durable_seq();
        let number = checkpoints.next_number;
        checkpoints.next_number += 1;
        let path = checkpoint_path(&self.spec, number);
        let temp = path.with_extension(TEMP_EXTENSION);
        let written = write_checkpoint(&self.spec, number, &temp, covered_seq, entries())
            .and_then(|()| self.spec.fs.rename(&temp, &path))
            .and_then(|()| self.spec.fs.sync_dir(&self.spec.dir));
        if let Err(error) = written {
            // What is left of it is removed when the log is opened again.
            let _ = self.spec.fs.remove(&temp);
            if self.spec.fs.exists(&path).unwrap_or(true) {
                checkpoints.existing.push((number, false));
            }
            return Err(error);
        }
        checkpoints.remove_older(&self.spec);
        checkpoints.existing.push((number, false));
        self.inner.lock().writer.release(covered_seq, &|| Ok(()))?;
        Ok(())
    }
}

impl Inner {
    fn append(&mut self, sid: u32, key: &[u8]) -> Result<()> {
        self.open
            .push(sid, key)
            .map_err(|source| Error::InvalidArgument {
                what: "series key",
                reason: source.to_string(),
            })?;
        if self.open.byte_len() >= RECORD_BYTES {
            self.close_record();
        }
        Ok(())
    }

    fn close_record(&mut self) {
        if !self.open.is_empty() {
            let record = std::mem::take(&mut self.open).finish();
            self.full
                .push(record.expect("a record is closed long before it is too large"));
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.close_record();
        if self.full.is_empty() {
            return Ok(());
        }
        match self
            .writer
            .write(std::mem::take(&mut self.full), &|| Ok(()))
        {
            Ok(_) => Ok(()),
            Err(refused) => {
                self.full = refused.payloads;
                Err(refused.error)
            }
        }
    }
}

impl Checkpoints {
    /// Removes the checkpoints that a newer one replaces, and sets damaged ones aside. What stays is tried next time.
    fn remove_older(&mut self, spec: &LogSpec) {
        self.existing.retain(|&(number, damaged)| {
            let path = checkpoint_path(spec, number);
            let gone = if damaged {
                spec.quarantine.set_aside(&path).map(drop)
            } else {
                spec.fs.remove(&path)
            };
            match gone {
                Ok(()) => false,
                Err(error) if error.is_not_found() => false,
                Err(error) => {
                    tracing::warn!(
                        checkpoint = %path.display(),
                        error = &error as &dyn std::error::Error,
                        "could not remove an older checkpoint; trying again later"
                    );
                    true
                }
            }
        });
    }
}

fn checkpoint_path(spec: &LogSpec, number: u64) -> PathBuf {
    spec.dir.join(format!("{number:08}.{CHECKPOINT_EXTENSION}"))
}

const fn checkpoint_identity(spec: &LogSpec, number: u64) -> LogIdentity {
    LogIdentity {
        salt: spec.salt,
        kind: LogKind::RegistryCheckpoint,
        number,
    }
}

/// Appends frames to the one file of a checkpoint, in writes of moderate size.
struct CheckpointWriter {
    file: Box<dyn FsFile>,
    identity: LogIdentity,
    next_seq: u64,
    buffer: Vec<u8>,
}

impl CheckpointWriter {
    fn put(&mut self, payload: &Payload) -> Result<()> {
        // The file counts only when it is complete: each record may call the ones before it durable.
        payload.frame(
            &self.identity,
            self.next_seq,
            self.next_seq - 1,
            &mut self.buffer,
        );
        self.next_seq += 1;
        if self.buffer.len() >= RECORD_BYTES {
            self.file.append(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

fn write_checkpoint<K: AsRef<[u8]>>(
    spec: &LogSpec,
    number: u64,
    path: &Path,
    covered_seq: u64,
    entries: impl IntoIterator<Item = (u32, K)>,
) -> Result<()> {
    let refused = |source| Error::format(path, source);
    let mut writer = CheckpointWriter {
        file: spec.fs.create_new(path)?,
        identity: checkpoint_identity(spec, number),
        next_seq: 1,
        buffer: Vec::new(),
    };
    let header = FileHeader {
        first_seq: 1,
        released_seq: covered_seq,
        ..FileHeader::default()
    };
    header.encode(&writer.identity, &mut writer.buffer);
    let mut open = EntriesEncoder::default();
    let mut count = 0;
    for (sid, key) in entries {
        open.push(sid, key.as_ref()).map_err(refused)?;
        count += 1;
        if open.byte_len() >= RECORD_BYTES {
            writer.put(&std::mem::take(&mut open).finish().map_err(refused)?)?;
        }
    }
    if !open.is_empty() {
        writer.put(&open.finish().map_err(refused)?)?;
    }
    writer.put(&checkpoint_end(count).map_err(refused)?)?;
    writer.file.append(&writer.buffer)?;
    writer.file.sync_all()
}

fn log_spec(fs: Arc<dyn Fs>, quarantine: Arc<Quarantine>, dir: &Path, salt: u64) -> LogSpec {
    LogSpec {
        fs,
        quarantine,
        dir: dir.to_owned(),
        kind: LogKind::Registry,
        salt,
        extension: LOG_EXTENSION,
        segment_bytes_max: SEGMENT_BYTES_MAX,
        // It is written to for new series only.
        zeroes_ahead_max: 0,
    }
}

/// Whether a record of the log holds entries.
fn check_kind(kind: u8) -> chronoxide_format::Result<()> {
    if kind == KIND_ENTRIES {
        return Ok(());
    }
    Err(chronoxide_format::Error::UnknownCodec {
        what: "registry log record",
        id: kind,
    })
}

/// Removes checkpoints that were never finished: nothing refers to them.
fn remove_unfinished(spec: &LogSpec) -> Result<()> {
    for entry in spec.fs.list(&spec.dir)? {
        if parse_name(&entry.name, TEMP_EXTENSION).is_some() {
            spec.fs.remove(&spec.dir.join(&entry.name))?;
        }
    }
    Ok(())
}

/// Hands out the records of the newest checkpoint; when it is damaged, of all that exist, oldest first. Returns the
/// checkpoints and how far up the log they reach.
fn read_checkpoints(
    spec: &LogSpec,
    report: &mut RegistryReport,
    each: &mut impl FnMut(Payload),
) -> Result<(Checkpoints, u64)> {
    let mut numbers = Vec::new();
    for entry in spec.fs.list(&spec.dir)? {
        numbers.extend(parse_name(&entry.name, CHECKPOINT_EXTENSION));
    }
    numbers.sort_unstable();
    let mut read = Vec::new();
    for &number in numbers.iter().rev() {
        let checkpoint = Checkpoint::read(spec, number)?;
        let is_good = checkpoint.is_complete;
        read.push(checkpoint);
        if is_good {
            break;
        }
    }
    read.reverse();
    let mut checkpoints = Checkpoints {
        existing: numbers.iter().map(|&number| (number, false)).collect(),
        next_number: numbers.last().map_or(1, |number| number + 1),
    };
    let mut covered_seq = 0;
    for checkpoint in read {
        covered_seq = covered_seq.max(checkpoint.covered_seq);
        checkpoint.records.into_iter().for_each(&mut *each);
        if !checkpoint.is_complete {
            let path = checkpoint_path(spec, checkpoint.number);
            tracing::error!(checkpoint = %path.display(), "a registry checkpoint is damaged; its good entries are used");
            report.damaged.push(path);
            for existing in &mut checkpoints.existing {
                existing.1 |= existing.0 == checkpoint.number;
            }
        }
    }
    Ok((checkpoints, covered_seq))
}

/// The content of one checkpoint file.
struct Checkpoint {
    number: u64,
    covered_seq: u64,
    is_complete: bool,
    /// The good records with entries.
    records: Vec<Payload>,
}

impl Checkpoint {
    fn read(spec: &LogSpec, number: u64) -> Result<Self> {
        let path = checkpoint_path(spec, number);
        let content = spec.fs.read(&path)?;
        let identity = checkpoint_identity(spec, number);
        let head = content.get(..FILE_HEADER_BYTES_MAX).unwrap_or(&content);
        let header = match FileHeader::decode(head, &identity) {
            Ok(header) => Some(header),
            Err(source @ chronoxide_format::Error::UnsupportedVersion { .. }) => {
                return Err(Error::format(&path, source));
            }
            Err(_) => None,
        };
        let mut checkpoint = Self {
            number,
            covered_seq: header.as_ref().map_or(0, |header| header.released_seq),
            is_complete: false,
            records: Vec::new(),
        };
        let (mut expected, mut count) = (None, 0);
        let mut bad = header.is_none();
        let header_len = header.as_ref().map_or(0, FileHeader::encoded_len);
        for found in Scan::new(identity, &content, header_len) {
            let Found::Record(record) = found else {
                bad = true;
                continue;
            };
            let plain = record
                .plain()
                .map_err(|source| Error::format(&path, source))?;
            match record.kind {
                KIND_ENTRIES => match count_entries(&plain) {
                    Ok(entries) => {
                        count += entries;
                        checkpoint.records.push(record.to_payload());
                    }
                    Err(error) => {
                        bad = true;
                        tracing::error!(
                            checkpoint = %path.display(),
                            error = &error as &dyn std::error::Error,
                            "a registry checkpoint holds a record that cannot be read"
                        );
                    }
                },
                KIND_CHECKPOINT_END => expected = decode_checkpoint_end(&plain).ok(),
                id => {
                    let source = chronoxide_format::Error::UnknownCodec {
                        what: "registry checkpoint record",
                        id,
                    };
                    return Err(Error::format(&path, source));
                }
            }
        }
        checkpoint.is_complete = !bad && expected == Some(count);
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod crash_tests;
