//! The write-ahead log: what a write must reach before it is acknowledged.
//!
//! Writers form groups. The first of a group leads it: it writes everybody's records, syncs once, applies them in the
//! order of their numbers, and answers for all; the next group forms meanwhile. So the order in which batches become
//! visible is the order of the log, and nothing is visible that a crash can undo.
//!
//! A group that cannot be written is refused as a whole with [`Error::GroupFailed`], and nothing of it is applied. The
//! next group begins a new segment; so writes work again as soon as the disk does, without a restart. With
//! [`Durability::Interval`], records that were acknowledged and not yet synced are kept in memory and come first in
//! that segment: until it is durable, nothing more is acknowledged.

mod figures;
mod group;
mod syncer;

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use chronoxide_format::log::{LogKind, Payload};
use chronoxide_format::wal_record::WalRecord;
use parking_lot::Mutex;

use self::figures::Figures;
use self::group::Queue;
use self::syncer::Syncer;
use crate::abort::AbortOnPanic;
use crate::log::{Known, LogSpec, LogWriter, Recovered, ReplayReport, recover};
use crate::quarantine::Quarantine;
use crate::stats::{TimingCounter, Timings};
use crate::{Durability, Fs, Result};

/// How the write-ahead log works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WalOptions {
    /// What an acknowledged write survives. Default: [`Durability::Sync`].
    pub(crate) durability: Durability,
    /// Bytes at which a segment is followed by a new one. Default: 32 MiB.
    pub(crate) segment_bytes_max: u64,
    /// The store's salt, from its FORMAT file.
    pub(crate) salt: u64,
    /// The highest record number known from elsewhere (parts, tombstones): new records are numbered above it.
    pub(crate) seq_floor: u64,
}

impl Default for WalOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Sync,
            segment_bytes_max: 32 << 20,
            salt: 0,
            seq_floor: 0,
        }
    }
}

/// With [`Durability::Interval`], this much is acknowledged at most without a sync.
const UNDURABLE_BYTES_MAX: usize = 16 << 20;

/// A larger write of zeroes would hold up the group that it comes with.
const ZEROES_AHEAD_MAX: u64 = 512 << 10;

/// What the log's records are for: told before a group is written and synced, and given what to apply after.
pub(crate) trait GroupSink<T>: Debug + Send + Sync {
    /// Called before a group's records are written; writes to the operating system what they depend on (new series).
    ///
    /// # Errors
    /// Refuse the group.
    fn before_write(&self) -> Result<()> {
        Ok(())
    }

    /// Called before a segment is synced; makes durable what its records depend on.
    ///
    /// # Errors
    /// Refuse what has not been acknowledged.
    fn before_sync(&self) -> Result<()> {
        Ok(())
    }

    /// Applies a group in the order of its numbers. Called by one thread at a time, groups in order, never while a
    /// lock of the log is held that [`Wal::commit`] of another thread would need to write.
    fn apply(&self, group: &mut Vec<(u64, T)>);
}

/// The write-ahead log. Locks are taken in this order: `writer`, then `queue` or `applying`.
#[derive(Debug)]
pub(crate) struct Wal<T> {
    shared: Arc<Shared<T>>,
    syncer: Option<Syncer>,
}

/// A log that has been read, before its records are handed out.
#[derive(Debug)]
pub(crate) struct FoundWal<T> {
    recovered: Recovered,
    durability: Durability,
    sink: Arc<dyn GroupSink<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    writer: Mutex<LogWriter>,
    /// Of `writer`, which is held while the disk works.
    figures: Figures,
    queue: Mutex<Queue<T>>,
    /// Held while a group is applied; taken before `writer` is set free, so that groups are applied in order.
    applying: Mutex<()>,
    sink: Arc<dyn GroupSink<T>>,
    durability: Durability,
    groups: AtomicU64,
    refused_groups: AtomicU64,
    syncs: TimingCounter,
    refused_in_a_row: AtomicU64,
}

/// Figures of the log since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct WalStats {
    /// The number the next record will have.
    pub(crate) next_seq: u64,
    /// Records up to this one survive a power cut.
    pub(crate) durable_seq: u64,
    /// Records up to this one are in parts.
    pub(crate) released_seq: u64,
    /// Records up to this one will not be replayed, whatever happens.
    pub(crate) recorded_released_seq: u64,
    /// Segments on disk.
    pub(crate) segments: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Syncs of the log and of what it depends on.
    pub(crate) syncs: Timings,
    /// Groups written.
    pub(crate) groups: u64,
    /// Groups refused.
    pub(crate) refused_groups: u64,
    /// Writes, syncs and creations of segments that failed.
    pub(crate) failures: u64,
}

/// Reads the log in `dir` without changing anything, and hands every record that was not released to `each`.
///
/// # Errors
/// When a segment cannot be read, is newer than this build, or holds a record that is not what its type says.
pub(crate) fn inspect(
    fs: Arc<dyn Fs>,
    quarantine: Arc<Quarantine>,
    dir: &Path,
    salt: u64,
    mut each: impl FnMut(WalRecord),
) -> Result<ReplayReport> {
    let options = WalOptions {
        salt,
        ..WalOptions::default()
    };
    let spec = log_spec(fs, quarantine, dir, options);
    crate::log::inspect(&spec, Known::default(), |path, _, kind, plain| {
        each(WalRecord::decode(kind, plain).map_err(|source| crate::Error::format(path, source))?);
        Ok(())
    })
}

fn log_spec(
    fs: Arc<dyn Fs>,
    quarantine: Arc<Quarantine>,
    dir: &Path,
    options: WalOptions,
) -> LogSpec {
    LogSpec {
        fs,
        quarantine,
        dir: dir.to_owned(),
        kind: LogKind::Wal,
        salt: options.salt,
        extension: "wal",
        segment_bytes_max: options.segment_bytes_max,
        zeroes_ahead_max: ZEROES_AHEAD_MAX,
    }
}

impl<T: Send + Debug + 'static> Wal<T> {
    /// Reads the log in `dir`, created if need be; [`FoundWal::open`] opens it.
    ///
    /// The records found have been made durable, if the disk has room.
    ///
    /// # Errors
    /// When the directory or a segment cannot be read, or a segment is newer than this build. Damage is no error: the
    /// report of opening says what is lost.
    pub(crate) fn find(
        fs: Arc<dyn Fs>,
        quarantine: Arc<Quarantine>,
        dir: &Path,
        options: WalOptions,
        sink: Arc<dyn GroupSink<T>>,
    ) -> Result<FoundWal<T>> {
        let spec = log_spec(fs, quarantine, dir, options);
        spec.prepare_dir()?;
        let known = Known {
            seq_floor: options.seq_floor,
            ..Known::default()
        };
        Ok(FoundWal {
            recovered: recover(spec, known)?,
            durability: options.durability,
            sink,
        })
    }

    /// Writes one record, and applies `item` together with its group. Returns the record's number once the record is
    /// as durable as [`Durability`] says and `item` has been applied.
    ///
    /// # Errors
    /// [`Error::GroupFailed`] when the group could not be written: nothing of it was applied, and it may be tried
    /// again. [`Error::Closed`] after [`Wal::close`].
    pub(crate) fn commit(&self, payload: Payload, item: T) -> Result<u64> {
        self.commit_placed(payload, item, || ())
    }

    /// The same; `placed` is called once the record has its place in the order of records, before it is written.
    ///
    /// # Errors
    /// As [`Wal::commit`].
    pub(crate) fn commit_placed(
        &self,
        payload: Payload,
        item: T,
        placed: impl FnOnce(),
    ) -> Result<u64> {
        let shared = &*self.shared;
        let (group, index, leads) = shared.queue.lock().join(payload, item)?;
        placed();
        if leads || group.wait_or_lead() {
            shared.lead();
        }
        group.outcome(index)
    }

    /// Makes everything acknowledged durable.
    ///
    /// # Errors
    /// When neither the current nor a new segment could be synced. What was acknowledged is still kept in memory.
    pub(crate) fn sync(&self) -> Result<()> {
        self.shared.sync()
    }

    /// Says that records up to `seq` are in durable parts: segments that hold no others are removed. Returns how many.
    ///
    /// # Errors
    /// When the segment that records this cannot be created; nothing was removed then, and a later call may work.
    pub(crate) fn drop_through(&self, seq: u64) -> Result<usize> {
        let shared = &*self.shared;
        let mut writer = shared.writer.lock();
        let released = writer.release(seq, &|| shared.sink.before_sync());
        shared.figures.publish(&writer);
        released
    }

    /// Has the segments found at the start that may hold records from `seq` on set aside instead of removed, because not
    /// all of these records could be used. Called before anything is released.
    pub(crate) fn keep_found_from(&self, seq: u64) {
        self.shared.writer.lock().keep_ended_from(seq);
    }

    /// Figures of the log. Waits for nobody.
    #[must_use]
    pub(crate) fn stats(&self) -> WalStats {
        WalStats {
            groups: self.shared.groups.load(Ordering::Relaxed),
            refused_groups: self.shared.refused_groups.load(Ordering::Relaxed),
            syncs: self.shared.syncs.read(),
            ..self.shared.figures.read()
        }
    }

    /// Takes no more records, ends the background thread and makes everything acknowledged durable. Dropping the log
    /// does the same, without a word about failure.
    ///
    /// # Errors
    /// As [`Wal::sync`].
    pub(crate) fn close(&self) -> Result<()> {
        self.shared.queue.lock().close();
        if let Some(syncer) = &self.syncer {
            syncer.stop();
        }
        self.shared.sync()
    }
}

impl<T: Send + Debug + 'static> FoundWal<T> {
    /// Number and last record of each segment, in order.
    pub(crate) fn files(&self) -> Vec<(u64, u64)> {
        self.recovered.files().collect()
    }

    /// Whether any record waits to be replayed.
    pub(crate) fn has_records(&self) -> bool {
        self.recovered.has_records()
    }

    /// Hands every record that was not released to `replayed`, in the order of their numbers, before anything new can
    /// be committed.
    ///
    /// # Errors
    /// When a segment cannot be read, a record is not what its type says, or `replayed` fails.
    pub(crate) fn open(
        self,
        replayed: impl FnMut(u64, WalRecord) -> Result<()>,
    ) -> Result<(Wal<T>, ReplayReport)> {
        let replay = self.recovered.replay_decoded(WalRecord::decode, replayed);
        let (writer, report) = replay?;
        let figures = Figures::default();
        figures.publish(&writer);
        let shared = Arc::new(Shared {
            writer: Mutex::new(writer),
            figures,
            queue: Mutex::new(Queue::default()),
            applying: Mutex::new(()),
            sink: self.sink,
            durability: self.durability,
            groups: AtomicU64::new(0),
            refused_groups: AtomicU64::new(0),
            syncs: TimingCounter::default(),
            refused_in_a_row: AtomicU64::new(0),
        });
        let syncer = match self.durability {
            Durability::Sync => None,
            Durability::Interval(interval) => Some(Syncer::start(&shared, interval)?),
        };
        Ok((Wal { shared, syncer }, report))
    }
}

impl<T> Drop for Wal<T> {
    fn drop(&mut self) {
        self.shared.queue.lock().close();
        if let Some(syncer) = &self.syncer {
            syncer.stop();
        }
        if let Err(error) = self.shared.sync() {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "could not sync the write-ahead log at its end"
            );
        }
    }
}

impl<T> Shared<T> {
    fn sync(&self) -> Result<()> {
        let mut writer = self.writer.lock();
        let synced = self.timed_sync(&mut writer);
        self.figures.publish(&writer);
        synced
    }

    fn timed_sync(&self, writer: &mut LogWriter) -> Result<()> {
        let started = Instant::now();
        let synced = writer.sync(&|| self.sink.before_sync());
        self.syncs.add(started.elapsed(), synced.is_ok());
        synced
    }

    /// Writes and applies the group that has formed, and passes the lead on.
    fn lead(&self) {
        // A group that was written and only half applied must not go on, and its members would wait for ever.
        let _whole = AbortOnPanic::of("a group of writes");
        let mut writer = self.writer.lock();
        let group = self.queue.lock().take();
        let (payloads, items) = group.take_members();
        let written = self.write(&mut writer, payloads);
        self.figures.publish(&writer);
        let _applying = self.applying.lock();
        drop(writer);
        self.queue.lock().pass_lead();
        match &written {
            Ok(first) => {
                self.groups.fetch_add(1, Ordering::Relaxed);
                self.refused_in_a_row.store(0, Ordering::Relaxed);
                let mut numbered: Vec<(u64, T)> = (*first..).zip(items).collect();
                self.sink.apply(&mut numbered);
            }
            Err(error) => {
                self.refused_groups.fetch_add(1, Ordering::Relaxed);
                let in_a_row = self.refused_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
                // A full disk refuses thousands a second; the first, second, fourth and so on are enough to say so.
                if in_a_row.is_power_of_two() {
                    tracing::warn!(
                        error = error as &dyn std::error::Error,
                        in_a_row,
                        "refused a group of writes"
                    );
                }
            }
        }
        group.finish(written);
    }

    fn write(&self, writer: &mut LogWriter, payloads: Vec<Payload>) -> Result<u64> {
        let before_sync = || self.sink.before_sync();
        self.sink.before_write()?;
        let first = writer
            .write(payloads, &before_sync)
            .map_err(|refused| refused.error)?;
        let sync_now = match self.durability {
            Durability::Sync => true,
            Durability::Interval(_) => writer.undurable_bytes() > UNDURABLE_BYTES_MAX,
        };
        if sync_now && let Err(error) = self.timed_sync(writer) {
            writer.refuse_from(first);
            return Err(error);
        }
        Ok(first)
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod crash_tests;
