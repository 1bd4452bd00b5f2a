//! Start-up: from the files of a data directory to an engine that can be used.
//!
//! In this order: the directory is locked and its FORMAT read; the parts that manifests list are opened; the registry
//! log says which series there are; the write-ahead log brings back what was not in parts yet. Recovery deletes
//! nothing that may hold data, and doing it twice gives the same.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use chronoxide_format::tombstones::Tombstone;
use chronoxide_format::wal_record::{Batch, WalRecord};
use chronoxide_model::{CanonicalKey, KeyEncoding, Labels};
use parking_lot::{Mutex, RwLock};
use roaring::RoaringBitmap;

use super::engine::{Backlog, Engine, LastWrite};
use super::flush::Files;
use super::sink::{Admitted, Change, Sink};
use super::snapshots;
use super::worker::Bell;
use crate::catalog::Catalog;
use crate::churn::Churn;
use crate::counters::Counters;
use crate::data_dir::DataDir;
use crate::exemplars::{ExemplarLimits, ExemplarStore};
use crate::head::BatchRows;
use crate::metadata::MetadataStore;
use crate::partitions::{FoundParts, Partitions};
use crate::quarantine::Quarantine;
use crate::registry::{LabelLimits, OrderCache, Refusals, Registry};
use crate::registry_log::RegistryLog;
use crate::state::StateStore;
use crate::tombstones::TombstoneFile;
use crate::wal::{Wal, WalOptions};
use crate::{Clock, Error, Fs, Options, Result};

/// The registry log's directory, below the data directory.
pub(crate) const REGISTRY_DIR: &str = "registry";

/// The write-ahead log's.
pub(crate) const WAL_DIR: &str = "wal";

impl Engine {
    pub(super) fn open(
        dir: &Path,
        options: Options,
        fs: Arc<dyn Fs>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let started = Instant::now();
        if let Some(reason) = options.problem() {
            return Err(Error::InvalidArgument {
                what: "options",
                reason,
            });
        }
        let data_dir = DataDir::open(fs.as_ref(), clock.as_ref(), dir)?;
        snapshots::remove_unfinished(fs.as_ref(), dir)?;
        let files = Opening {
            dir,
            salt: data_dir.header.log_salt,
            quarantine: Arc::new(Quarantine::new(Arc::clone(&fs), Arc::clone(&clock))),
            fs: Arc::clone(&fs),
        };
        let (partitions, found) = files.partitions()?;
        let (registry_log, mut series) = files.registry(data_dir.header.hash_seed)?;
        let (tombstones, pending) = files.tombstones()?;
        let sink = Arc::new(Sink {
            catalog: Catalog::default(),
            metadata: MetadataStore::open(fs.as_ref(), &files.quarantine, dir, files.salt)?,
            exemplars: files.exemplars(&options)?,
            tombstones,
            state: StateStore::open(fs.as_ref(), &files.quarantine, dir, files.salt)?,
            registry_log,
        });
        let deleted = pending.iter().map(|tombstone| tombstone.seq).max();
        let seq_floor = partitions
            .wal_seq_max()
            .max(sink.exemplars.found_sequence())
            .max(deleted.unwrap_or(0))
            .max(sink.state.found_sequence());
        sink.catalog.edit(|snapshot| {
            snapshot.partitions = found;
            snapshot.tombstones = pending;
        });
        let wal = files.wal(&options, seq_floor, &sink, &mut series)?;
        let mut registry = series.registry;
        registry.free_all_but(&series.unknown);
        let counters = Counters::default();
        counters.opened(series.samples, started.elapsed());
        Ok(Self {
            limits: LabelLimits::new(&options),
            files: Mutex::new(Files::new(partitions, registry.id_bound(), clock.now_ms())),
            dir: dir.to_owned(),
            options,
            fs,
            clock,
            quarantine: files.quarantine,
            registry: RwLock::new(registry),
            creation: Mutex::default(),
            writers: RwLock::default(),
            order: OrderCache::default(),
            refusals: Refusals::default(),
            churn: Churn::default(),
            sink,
            wal,
            maintenance: Mutex::default(),
            counters,
            flush_bell: Bell::default(),
            maintenance_bell: Bell::default(),
            backlog: Backlog::default(),
            last_write: LastWrite::new(),
            checkpoint_due: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            data_dir,
        })
    }
}

/// What all files are opened with.
struct Opening<'a> {
    dir: &'a Path,
    salt: u64,
    quarantine: Arc<Quarantine>,
    fs: Arc<dyn Fs>,
}

impl Opening<'_> {
    fn partitions(&self) -> Result<(Partitions, FoundParts)> {
        let (fs, quarantine) = (Arc::clone(&self.fs), Arc::clone(&self.quarantine));
        Partitions::open(fs, quarantine, self.dir, self.salt)
    }

    fn tombstones(&self) -> Result<(TombstoneFile, Vec<Arc<Tombstone>>)> {
        TombstoneFile::open(self.fs.as_ref(), &self.quarantine, self.dir, self.salt)
    }

    fn exemplars(&self, options: &Options) -> Result<ExemplarStore> {
        let limits = ExemplarLimits {
            bytes_max: options.exemplar_bytes_max,
            per_series_max: options.exemplars_per_series_max,
        };
        let fs = self.fs.as_ref();
        ExemplarStore::open(fs, &self.quarantine, self.dir, self.salt, limits)
    }

    fn registry(&self, hash_seed: u64) -> Result<(RegistryLog, KnownSeries)> {
        let (fs, quarantine) = (Arc::clone(&self.fs), Arc::clone(&self.quarantine));
        let mut series = FoundSeries::new(hash_seed);
        let dir = self.dir.join(REGISTRY_DIR);
        let opened = RegistryLog::open(fs, quarantine, &dir, self.salt, |sid, key| {
            series.add(sid, key)
        });
        let (log, report) = opened?;
        if !report.is_clean() {
            tracing::error!(
                ?report,
                "the registry log is damaged; samples of lost series that were in no part cannot be read"
            );
        }
        let mut known = series.finish();
        known.is_complete &= report.is_clean();
        Ok((log, known))
    }

    /// Opens the write-ahead log, whose records go to the sink on the way, a batch of the head at a time.
    fn wal(
        &self,
        options: &Options,
        seq_floor: u64,
        sink: &Arc<Sink>,
        series: &mut KnownSeries,
    ) -> Result<Wal<Change>> {
        let wal_options = WalOptions {
            durability: options.durability,
            salt: self.salt,
            seq_floor,
            segment_bytes_max: options.wal_segment_bytes(),
        };
        let head_bytes = options.head_bytes(series.registry.len());
        let is_full = |rows: &BatchRows| rows.memory_bytes() > head_bytes;
        let (wal, report) = Wal::open(
            Arc::clone(&self.fs),
            Arc::clone(&self.quarantine),
            &self.dir.join(WAL_DIR),
            wal_options,
            Arc::clone(sink) as _,
            |sequence, record| {
                series.replay(sink, sequence, record);
                sink.catalog
                    .freeze_if(|snapshot| snapshot.open.read(is_full));
                Ok(())
            },
        )?;
        series.report_unknown(&wal);
        if !report.is_clean() {
            tracing::error!(
                ?report,
                "the write-ahead log is damaged; acknowledged samples are lost"
            );
        }
        Ok(wal)
    }
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
struct KnownSeries {
    registry: Registry,
    /// Ids whose labels another id has too.
    same_as: HashMap<u32, u32>,
    /// Ids in records that no series has, and those whose labels another id has.
    unknown: RoaringBitmap,
    samples: u64,
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
            let is_known = self.registry.find_alone(hash).is_some();
            if self.registry.insert_key(sid, key, hash) {
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
    fn replay(&mut self, sink: &Sink, sequence: u64, record: WalRecord) {
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
        let is_known = |sid: u32| self.registry.live().contains(sid);
        batch.exemplars.retain(|(sid, _)| is_known(*sid));
        let mut ids = batch.sids.iter().chain(&batch.histogram_sids);
        if ids.all(|sid| self.registry.live().contains(*sid)) {
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

    fn is_known(&mut self, sid: u32) -> bool {
        let known = self.registry.live().contains(sid);
        if !known {
            self.unknown.insert(sid);
            self.samples_without_series += 1;
        }
        known
    }

    /// A series leaves the registry only when its samples are in parts, so that records may outlive it. But when the
    /// registry has lost series, the log may have the only copy of their samples, and no flush may remove it.
    fn report_unknown(&self, wal: &Wal<Change>) {
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
