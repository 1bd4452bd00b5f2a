//! Start-up: from the files of a data directory to an engine that can be used.
//!
//! In this order: the directory is locked and its FORMAT read; the parts that manifests list are opened; the registry
//! log says which series there are; the write-ahead log brings back what was not in parts yet. Recovery deletes
//! nothing that may hold data, and doing it twice gives the same.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use chronoxide_format::tombstones::Tombstone;
use parking_lot::{Mutex, RwLock};

use super::engine::{Backlog, Engine, LastWrite};
use super::flush::Files;
use super::found_series::{ComingSeries, SeriesLoader};
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
use crate::log::ReplayReport;
use crate::metadata::MetadataStore;
use crate::part::ColumnCache;
use crate::partitions::{FoundParts, Partitions};
use crate::quarantine::Quarantine;
use crate::registry::{LabelLimits, OrderCache, Refusals, Registry, SharedRegistry};
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
        let coming = series.end(is_clean);
        let column_bytes_max = options.cache_bytes_max / 5 * 2;
        let found_bytes_max = options.cache_bytes_max - column_bytes_max;
        let (partitions, found) = files.partitions(ColumnCache::new(column_bytes_max))?;
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
        let watch = ReplayWatch::start(progress, found.files());
        let Replayed {
            wal,
            samples,
            registry,
            coming,
        } = files.replay(found, &options, &sink, coming, watch)?;
        let mut files_on_disk = Files::new(partitions, clock.now_ms());
        if let Some(registry) = &registry {
            files_on_disk.found(registry.id_bound());
        }
        let counters = Counters::default();
        counters.opened(samples, started.elapsed());
        let seed = data_dir.header.hash_seed;
        Ok(Self {
            limits: LabelLimits::new(&options),
            files: Mutex::new(files_on_disk),
            dir: dir.to_owned(),
            options,
            fs,
            clock,
            quarantine: files.quarantine,
            registry: registry.map_or_else(|| SharedRegistry::awaited(seed), SharedRegistry::new),
            coming: Mutex::new(coming),
            lost: OnceLock::new(),
            creation: Mutex::default(),
            writers: RwLock::default(),
            order: OrderCache::default(),
            found: FoundCache::new(found_bytes_max),
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
    fn partitions(&self, columns: ColumnCache) -> Result<(Partitions, FoundParts)> {
        let (fs, quarantine) = (Arc::clone(&self.fs), Arc::clone(&self.quarantine));
        Partitions::open(fs, quarantine, self.dir, self.salt, columns)
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

    /// Opens the write-ahead log, whose records go to the sink on the way, a batch of the head at a time. Only records need
    /// the series.
    fn replay(
        &self,
        found: FoundWal<Change>,
        options: &Options,
        sink: &Sink,
        coming: ComingSeries,
        mut watch: ReplayWatch<'_>,
    ) -> Result<Replayed> {
        if !found.has_records() {
            let (wal, report) = found.open(|_, _| Ok(()))?;
            watch.finish();
            report_damage(&report);
            return Ok(Replayed {
                wal,
                samples: 0,
                registry: None,
                coming: Some(coming),
            });
        }
        let series = coming.finish();
        let mut series =
            series.map_err(|source| Error::format(&self.dir.join(REGISTRY_DIR), source))?;
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
        report_damage(&report);
        Ok(Replayed {
            wal,
            samples: series.samples,
            registry: Some(series.into_registry()),
            coming: None,
        })
    }
}

/// What is there after the write-ahead log was replayed.
struct Replayed {
    wal: Wal<Change>,
    samples: u64,
    /// The active series, or else they are `coming`.
    registry: Option<Registry>,
    coming: Option<ComingSeries>,
}

fn report_damage(report: &ReplayReport) {
    if !report.is_clean() {
        tracing::error!(
            ?report,
            "the write-ahead log is damaged; acknowledged samples are lost"
        );
    }
}
