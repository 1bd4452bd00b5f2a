//! The series of a data directory while it is opened: from the registry log to the registry, and what the records of
//! the write-ahead log say of them.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use chronoxide_format::log::Payload;
use chronoxide_format::registry::decode_entries;
use chronoxide_format::wal_record::{Batch, WalRecord};
use chronoxide_model::{CanonicalKey, KeyEncoding, Labels};
use roaring::RoaringBitmap;

use super::sink::{Admitted, Change, Sink};
use crate::registry::Registry;
use crate::wal::Wal;
use crate::{Error, Result};

/// Takes in the records of the registry log on a thread of its own. It only computes: files are read by one thread.
///
/// Records that wait for it are as they are on disk: a tenth of what they take in the registry.
pub(super) struct SeriesLoader {
    records: Sender<Payload>,
    thread: JoinHandle<chronoxide_format::Result<KnownSeries>>,
}

impl SeriesLoader {
    /// Starts the thread; `dir` is where the log is.
    pub(super) fn start(hash_seed: u64, dir: &Path) -> Result<Self> {
        let (records, received) = channel();
        let thread = std::thread::Builder::new()
            .name("chronoxide-series".to_owned())
            .spawn(move || load(hash_seed, &received))
            .map_err(|source| Error::io("start a thread for", dir, source))?;
        Ok(Self { records, thread })
    }

    /// Hands a record over, in the order of the log.
    pub(super) fn add(&self, record: Payload) {
        // The thread has ended when a record was bad, which `finish` tells.
        let _ = self.records.send(record);
    }

    /// There are no more records; `is_complete` says that the log has lost none.
    pub(super) fn end(self, is_complete: bool) -> ComingSeries {
        ComingSeries {
            thread: self.thread,
            is_complete,
        }
    }
}

/// The series of the registry log while the last records of it are taken in.
#[derive(Debug)]
pub(super) struct ComingSeries {
    thread: JoinHandle<chronoxide_format::Result<KnownSeries>>,
    is_complete: bool,
}

impl ComingSeries {
    /// All series, once they are taken in.
    ///
    /// # Errors
    /// When a record holds no entries.
    pub(super) fn finish(self) -> chronoxide_format::Result<KnownSeries> {
        let loaded = self.thread.join();
        let mut known = loaded.unwrap_or_else(|panic| resume_unwind(panic))?;
        known.is_complete &= self.is_complete;
        Ok(known)
    }
}

fn load(hash_seed: u64, records: &Receiver<Payload>) -> chronoxide_format::Result<KnownSeries> {
    let mut series = FoundSeries::new(hash_seed);
    for record in records {
        decode_entries(&record.plain()?, |sid, key| series.add(sid, key))?;
    }
    Ok(series.finish())
}

/// The series of the registry log while they are read.
struct FoundSeries {
    registry: Registry,
    /// Labels of ids that were given to another series later on, which is rare.
    replaced: HashMap<u32, Labels>,
    has_doubles: bool,
    /// Every entry could be read.
    is_complete: bool,
}

/// The series while the write-ahead log is replayed.
#[derive(Debug)]
pub(super) struct KnownSeries {
    pub(super) registry: Registry,
    /// Ids whose labels another id has too.
    same_as: HashMap<u32, u32>,
    /// Ids in records that no series has, and those whose labels another id has.
    pub(super) unknown: RoaringBitmap,
    pub(super) samples: u64,
    samples_without_series: u64,
    /// The first record that has such samples.
    first_without_series: Option<u64>,
    /// No series is known to have been lost.
    is_complete: bool,
}

impl FoundSeries {
    fn new(seed: u64) -> Self {
        Self {
            registry: Registry::new(seed),
            replaced: HashMap::new(),
            has_doubles: false,
            is_complete: true,
        }
    }

    /// Takes over one entry; of several for one id the last counts.
    fn add(&mut self, sid: u32, key: &[u8]) {
        if !self.registry.live().contains(sid) {
            let hash = self.registry.key_hash(key);
            if let Some(is_known) = self.registry.insert_key(sid, key, hash) {
                self.has_doubles |= is_known;
                return;
            }
        }
        match CanonicalKey.decode(key) {
            Ok(labels) if self.registry.live().contains(sid) => {
                self.replaced.insert(sid, labels);
            }
            Ok(labels) => self.insert(sid, &labels),
            Err(error) => {
                self.is_complete = false;
                tracing::error!(sid, %error, "a registry entry holds no labels and is left out");
            }
        }
    }

    fn insert(&mut self, sid: u32, labels: &Labels) {
        let hash = self.registry.canonical_hash(labels, &mut Vec::new());
        self.has_doubles |= self.registry.find_alone(hash).is_some();
        self.registry.insert(sid, labels, hash);
    }

    fn finish(mut self) -> KnownSeries {
        let replaced = std::mem::take(&mut self.replaced);
        if !replaced.is_empty() {
            self.registry = self.registry.retained(|sid| !replaced.contains_key(&sid));
        }
        for (sid, labels) in &replaced {
            self.insert(*sid, labels);
        }
        let (registry, same_as) = if self.has_doubles {
            self.registry.without_doubles()
        } else {
            (self.registry, HashMap::new())
        };
        KnownSeries {
            registry,
            unknown: same_as.keys().copied().collect(),
            same_as,
            samples: 0,
            samples_without_series: 0,
            first_without_series: None,
            is_complete: self.is_complete,
        }
    }
}

impl KnownSeries {
    /// Gives a record of the write-ahead log to the sink.
    pub(super) fn replay(&mut self, sink: &Sink, sequence: u64, record: WalRecord) {
        let mut batch = match record {
            WalRecord::Batch(batch) => batch,
            WalRecord::Deletion(tombstone) => {
                return sink.take(sequence, Change::Deletion(tombstone));
            }
            other => {
                tracing::error!(
                    sequence,
                    record = ?std::mem::discriminant(&other),
                    "the log holds a record of a kind that this version does not know; it is left out"
                );
                return;
            }
        };
        let state_changes = std::mem::take(&mut batch.state_changes);
        sink.state.replay(sequence, state_changes);
        self.resolve(&mut batch);
        if self.samples_without_series > 0 {
            self.first_without_series.get_or_insert(sequence);
        }
        self.samples += (batch.sids.len() + batch.histogram_sids.len()) as u64;
        let series = batch.exemplars.iter();
        let exemplar_series = series.map(|(sid, _)| self.registry.labels(*sid)).collect();
        let admitted = Admitted {
            batch,
            exemplar_series,
        };
        sink.take(sequence, Change::Batch(Box::new(admitted)));
    }

    /// Brings the ids of a batch up to date, and leaves out samples of series that nobody knows.
    fn resolve(&mut self, batch: &mut Batch) {
        if !self.same_as.is_empty() {
            let exemplars = batch.exemplars.iter_mut().map(|(sid, _)| sid);
            let samples = batch.sids.iter_mut().chain(&mut batch.histogram_sids);
            for sid in samples.chain(exemplars) {
                *sid = self.same_as.get(sid).copied().unwrap_or(*sid);
            }
        }
        // Those of an evicted series are in the file of exemplars.
        let is_known = |sid: u32| self.registry.has(sid);
        batch.exemplars.retain(|(sid, _)| is_known(*sid));
        let mut ids = batch.sids.iter().chain(&batch.histogram_sids);
        if ids.all(|sid| self.registry.has(*sid)) {
            return;
        }
        let whole = std::mem::take(batch);
        batch.metadata = whole.metadata;
        batch.exemplars = whole.exemplars;
        let started = !whole.start_timestamps_ms.is_empty();
        for (index, sid) in whole
            .sids
            .iter()
            .enumerate()
            .filter(|(_, sid)| self.is_known(**sid))
        {
            batch.sids.push(*sid);
            batch.timestamps_ms.push(whole.timestamps_ms[index]);
            batch.values.push(whole.values[index]);
            if started {
                batch
                    .start_timestamps_ms
                    .push(whole.start_timestamps_ms[index]);
            }
        }
        let started = !whole.histogram_start_timestamps_ms.is_empty();
        for (index, histogram) in whole.histograms.into_iter().enumerate() {
            let sid = whole.histogram_sids[index];
            if self.is_known(sid) {
                batch.histogram_sids.push(sid);
                batch
                    .histogram_timestamps_ms
                    .push(whole.histogram_timestamps_ms[index]);
                batch.histograms.push(histogram);
                if started {
                    let start = whole.histogram_start_timestamps_ms[index];
                    batch.histogram_start_timestamps_ms.push(start);
                }
            }
        }
    }

    /// The series to go on with. Ids that records of the log name without a series behind them are given to none.
    pub(super) fn into_registry(mut self) -> Registry {
        self.registry.free_all_but(&self.unknown);
        self.registry
    }

    fn is_known(&mut self, sid: u32) -> bool {
        let known = self.registry.has(sid);
        if !known {
            self.unknown.insert(sid);
            self.samples_without_series += 1;
        }
        known
    }

    /// A series leaves the registry only when its samples are in parts, so that records may outlive it. But when the
    /// registry has lost series, the log may have the only copy of their samples, and no flush may remove it.
    pub(super) fn report_unknown(&self, wal: &Wal<Change>) {
        let Some(sequence) = self.first_without_series else {
            return;
        };
        if self.is_complete {
            tracing::info!(
                series = self.unknown.len(),
                samples = self.samples_without_series,
                "left out log records of series that have been evicted; their samples are in parts"
            );
        } else {
            tracing::error!(
                series = self.unknown.len(),
                samples = self.samples_without_series,
                first_record = sequence,
                "left out log records of series that the damaged registry has lost; the log's segments that hold \
                 them will be set aside, not removed"
            );
            wal.keep_found_from(sequence);
        }
    }
}
