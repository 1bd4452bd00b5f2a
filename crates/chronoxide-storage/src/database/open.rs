//! Start-up: from the files of a data directory to an engine that can be used.
//!
//! In this order: the directory is locked and its FORMAT read; the parts that manifests list are opened; the registry
//! log says which series there are; the write-ahead log brings back what was not in parts yet. Recovery deletes
//! nothing that may hold data, and doing it twice gives the same.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use chronoxide_format::tombstones::Tombstone;
use parking_lot::{Mutex, RwLock};

use super::engine::{Backlog, Engine, LastWrite};
use super::flush::Files;
use super::found_series::{KnownSeries, SeriesLoader};
use super::replay_progress::{ReplayProgress, ReplayWatch};
use super::sink::{Change, Sink};
use super::snapshots;
use super::worker::Bell;
use crate::catalog::{Catalog, Snapshot};
use crate::churn::Churn;
use crate::counters::Counters;
use crate::data_dir::DataDir;
use crate::exemplars::{ExemplarLimits, ExemplarStore};
use crate::head::BatchRows;
use crate::metadata::MetadataStore;
use crate::partitions::{FoundParts, Partitions};
use crate::quarantine::Quarantine;
use crate::registry::{LabelLimits, OrderCache, Refusals};
use crate::registry_log::RegistryLog;
use crate::select::FoundCache;
use crate::state::StateStore;
use crate::tombstones::TombstoneFile;
use crate::wal::{FoundWal, Wal, WalOptions};
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
        progress: &ReplayProgress,
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
        // Reading goes on while another thread takes the series in.
        let series = SeriesLoader::start(data_dir.header.hash_seed, &dir.join(REGISTRY_DIR))?;
        let (registry_log, is_clean) = files.registry(&series)?;
        let (partitions, found) = files.partitions()?;
        let (tombstones, pending) = files.tombstones()?;
        let sink = Arc::new(Sink {
            catalog: Catalog::default(),
            metadata: files.metadata(&options)?,
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
        let found = files.wal(&options, seq_floor, &sink)?;
        let mut series = series.finish(is_clean)?;
        let watch = ReplayWatch::start(progress, found.files());
        let wal = replay(found, &options, &sink, &mut series, watch)?;
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
            found: FoundCache::default(),
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

    fn metadata(&self, options: &Options) -> Result<MetadataStore> {
        let bytes_max = options.metadata_bytes_max;
        let fs = self.fs.as_ref();
        MetadataStore::open(fs, &self.quarantine, self.dir, self.salt, bytes_max)
    }

    fn exemplars(&self, options: &Options) -> Result<ExemplarStore> {
        let limits = ExemplarLimits {
            bytes_max: options.exemplar_bytes_max,
            per_series_max: options.exemplars_per_series_max,
        };
        let fs = self.fs.as_ref();
        ExemplarStore::open(fs, &self.quarantine, self.dir, self.salt, limits)
    }

    /// Opens the registry log and hands its records to `series`; whether nothing of it was lost.
    fn registry(&self, series: &SeriesLoader) -> Result<(RegistryLog, bool)> {
        let (fs, quarantine) = (Arc::clone(&self.fs), Arc::clone(&self.quarantine));
        let dir = self.dir.join(REGISTRY_DIR);
        let (log, report) = RegistryLog::open(fs, quarantine, &dir, self.salt, |record| {
            series.add(record);
        })?;
        if !report.is_clean() {
            tracing::error!(
                ?report,
                "the registry log is damaged; samples of lost series that were in no part cannot be read"
            );
        }
        Ok((log, report.is_clean()))
    }

    /// Reads the write-ahead log.
    fn wal(&self, options: &Options, seq_floor: u64, sink: &Arc<Sink>) -> Result<FoundWal<Change>> {
        let wal_options = WalOptions {
            durability: options.durability,
            salt: self.salt,
            seq_floor,
            segment_bytes_max: options.wal_segment_bytes(),
        };
        Wal::find(
            Arc::clone(&self.fs),
            Arc::clone(&self.quarantine),
            &self.dir.join(WAL_DIR),
            wal_options,
            Arc::clone(sink) as _,
        )
    }
}

/// Opens the write-ahead log, whose records go to the sink on the way, a batch of the head at a time.
fn replay(
    found: FoundWal<Change>,
    options: &Options,
    sink: &Sink,
    series: &mut KnownSeries,
    mut watch: ReplayWatch<'_>,
) -> Result<Wal<Change>> {
    let head_bytes = options.head_bytes(series.registry.len());
    let is_full = |rows: &BatchRows| rows.memory_bytes() > head_bytes;
    let (wal, report) = found.open(|sequence, record| {
        watch.reach(sequence);
        series.replay(sink, sequence, record);
        let is_due = |snapshot: &Snapshot| snapshot.open.read(is_full);
        if is_due(&sink.catalog.snapshot()) {
            sink.catalog.freeze_if(is_due);
        }
        Ok(())
    })?;
    watch.finish();
    series.report_unknown(&wal);
    if !report.is_clean() {
        tracing::error!(
            ?report,
            "the write-ahead log is damaged; acknowledged samples are lost"
        );
    }
    Ok(wal)
}
