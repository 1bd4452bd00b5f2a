//! The database: what an embedder opens, writes to and reads from.

mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chronoxide_format::wal_record::Batch;
use chronoxide_model::{
    Labels, Matcher, Metadata, SeriesSet, SeriesSource, SourceError, TimeRange, WriteBatch,
    WriteOutcome,
};
use parking_lot::{Mutex, RwLock};

use crate::catalog::Catalog;
use crate::counters::Counters;
use crate::head::BatchRows;
use crate::metadata::MetadataStore;
use crate::partition::{TIME_MAX_MS, TIME_MIN_MS};
use crate::registry::{KeyHash, LabelLimits, LabelOrder, Registry};
use crate::select::View;
use crate::{Clock, Error, Fs, Options, RealFs, Result, Selection, Stats, SystemClock};

/// A time-series database in one directory.
///
/// All methods take `&self` and may be called from any thread. Dropping the database closes it as well as it can;
/// [`Database::close`] also says whether that worked.
#[derive(Debug)]
pub struct Database {
    engine: Arc<Engine>,
}

/// What the database and its threads share.
///
/// Lock order: `creation`, then `registry`, then the catalog's edit lock, then a batch's lock; `order` alone.
#[derive(Debug)]
struct Engine {
    dir: PathBuf,
    options: Options,
    limits: LabelLimits,
    fs: Arc<dyn Fs>,
    clock: Arc<dyn Clock>,
    registry: RwLock<Registry>,
    /// Held while new series are made, so that none is made twice.
    creation: Mutex<RegistryLog>,
    order: Mutex<Arc<LabelOrder>>,
    catalog: Catalog,
    metadata: MetadataStore,
    counters: Counters,
}

impl Database {
    /// Opens the database in directory `path`, which is created if need be.
    ///
    /// # Errors
    /// When the directory is in use, holds something else or data of a newer version, cannot be read or written, or
    /// the options cannot work.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        Self::open_with(path, options, Arc::new(RealFs), Arc::new(SystemClock))
    }

    /// Opens the database with another file system and clock.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub fn open_with(
        path: impl AsRef<Path>,
        options: Options,
        fs: Arc<dyn Fs>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        if let Some(reason) = options.problem() {
            return Err(Error::InvalidArgument {
                what: "options",
                reason,
            });
        }
        let engine = Engine {
            dir: path.as_ref().to_owned(),
            limits: LabelLimits::new(&options),
            options,
            fs,
            clock,
            registry: RwLock::new(Registry::new(0)),
            creation: Mutex::default(),
            order: Mutex::default(),
            catalog: Catalog::default(),
            metadata: MetadataStore::default(),
            counters: Counters::default(),
        };
        Ok(Self {
            engine: Arc::new(engine),
        })
    }

    /// Stores a batch. When this returns, what was accepted is as durable as [`Options::durability`] says, and seen by
    /// every selection made from then on.
    ///
    /// A sample equal to a stored one changes nothing; one with the same timestamp and another value replaces it. Of
    /// equal timestamps within the batch the last counts. Samples refused one by one are listed in the outcome.
    /// Exemplars are not stored, and never counted as accepted.
    ///
    /// # Errors
    /// When nothing of the batch was stored: the disk is full (see [`Error::is_out_of_space`]; the same batch may be
    /// written again later), the write-ahead log failed, or the database is closed.
    pub fn write(&self, batch: &WriteBatch<'_>) -> Result<WriteOutcome> {
        let written = self.engine.write(batch);
        match &written {
            Ok(outcome) => self.engine.counters.accepted(outcome),
            Err(_) => self.engine.counters.write_failed(),
        }
        written
    }

    /// The series that satisfy all matchers and have samples in `range`, as they are now.
    ///
    /// No matcher at all selects every series.
    ///
    /// # Errors
    /// When a part cannot be read or is damaged.
    pub fn select(&self, matchers: &[Matcher], range: TimeRange) -> Result<Selection> {
        match self.engine.view(range) {
            Some(view) => view.select(matchers),
            None => Ok(Selection::empty(range)),
        }
    }

    /// The labels of the series that satisfy all matchers and may have samples in `range`, in order.
    ///
    /// # Errors
    /// As [`Database::select`].
    pub fn series(&self, matchers: &[Matcher], range: TimeRange) -> Result<Vec<Labels>> {
        Ok(self.select(matchers, range)?.labels().cloned().collect())
    }

    /// Names of labels of the series that satisfy all matchers and may have samples in `range`, sorted.
    ///
    /// # Errors
    /// As [`Database::select`].
    pub fn label_names(&self, matchers: &[Matcher], range: TimeRange) -> Result<Vec<String>> {
        match self.engine.view(range) {
            Some(view) => view.label_names(matchers),
            None => Ok(Vec::new()),
        }
    }

    /// Values of label `name` among the series that satisfy all matchers and may have samples in `range`, sorted.
    ///
    /// # Errors
    /// As [`Database::select`].
    pub fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>> {
        match self.engine.view(range) {
            Some(view) => view.label_values(name, matchers),
            None => Ok(Vec::new()),
        }
    }

    /// What is known of metrics, by name.
    #[must_use]
    pub fn metadata(&self) -> Vec<(String, Metadata)> {
        self.engine.metadata.all()
    }

    /// What is known of metric `name`.
    #[must_use]
    pub fn metadata_of(&self, name: &str) -> Option<Metadata> {
        self.engine.metadata.get(name)
    }

    /// Writes all samples in memory to parts, so that the write-ahead log is not needed for them any more.
    ///
    /// # Errors
    /// When a part cannot be written. The samples stay in memory and in the write-ahead log.
    pub fn flush(&self) -> Result<()> {
        Ok(())
    }

    /// Flushes and ends the database's threads.
    ///
    /// # Errors
    /// When the flush fails. The database is closed all the same; the samples are in the write-ahead log.
    pub fn close(self) -> Result<()> {
        self.flush()
    }

    /// Numbers about the database now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }
}

/// A boxed selection, so that a query engine can read the database without knowing it.
impl SeriesSource for Database {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Box<dyn SeriesSet + '_>, SourceError> {
        Ok(Box::new(Self::select(self, matchers, range)?))
    }

    fn label_names(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        Ok(Self::label_names(self, matchers, range)?)
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        Ok(Self::label_values(self, name, matchers, range)?)
    }
}

impl Engine {
    fn write(&self, batch: &WriteBatch<'_>) -> Result<WriteOutcome> {
        let (mut admitted, outcome) = self.admit(batch)?;
        admitted.metadata = self.metadata.news(batch.metadata());
        if admitted == Batch::default() {
            return Ok(outcome);
        }
        let metadata = std::mem::take(&mut admitted.metadata);
        self.catalog.append(|rows| rows.push(admitted));
        self.metadata.insert(metadata);
        Ok(outcome)
    }

    /// Samples outside it are refused.
    fn admission_window(&self) -> TimeRange {
        let now_ms = self.clock.now_ms();
        let max_ms = now_ms
            .saturating_add(millis(self.options.future_limit))
            .min(TIME_MAX_MS);
        TimeRange::new(self.retention_cut_ms().min(max_ms), max_ms)
            .expect("the least of both comes first")
    }

    /// Samples before it are too old.
    fn retention_cut_ms(&self) -> i64 {
        let oldest = self
            .clock
            .now_ms()
            .saturating_sub(millis(self.options.retention));
        oldest.max(TIME_MIN_MS)
    }

    /// What a selection of `range` reads from; `None` when the range holds nothing that may be returned.
    fn view(&self, range: TimeRange) -> Option<View<'_>> {
        let kept = TimeRange::new(self.retention_cut_ms(), i64::MAX).ok()?;
        Some(View {
            range: range.intersection(&kept)?,
            order: self.label_order(),
            snapshot: self.catalog.snapshot(),
            registry: &self.registry,
        })
    }

    /// The label order of the active series, brought up to date when many are new.
    fn label_order(&self) -> Arc<LabelOrder> {
        let mut order = self.order.lock();
        let registry = self.registry.read();
        if registry.len() > order.sids().len() + UNRANKED_SERIES_MAX
            && let Some(updated) = order.updated(&registry)
        {
            *order = Arc::new(updated);
        }
        Arc::clone(&order)
    }

    fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        self.counters.fill(&mut stats);
        for batch in self.catalog.snapshot().batches() {
            batch.read(|rows: &BatchRows| {
                stats.head_samples += rows.sample_count() as u64;
                stats.head_bytes += rows.memory_bytes() as u64;
            });
        }
        let registry = self.registry.read();
        stats.series = registry.len() as u64;
        stats.series_max = u64::from(self.options.series_max);
        stats.registry_bytes = registry.memory_bytes() as u64;
        stats.disk_free_bytes = self.fs.free_space(&self.dir).unwrap_or(0);
        stats
    }
}

/// So few series may be out of order before a selection sorts them in for good.
const UNRANKED_SERIES_MAX: usize = 256;

fn millis(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Stands where the log of the registry goes.
#[derive(Debug, Default)]
struct RegistryLog;

impl RegistryLog {
    fn append(&mut self, _series: &[(u32, Labels, KeyHash)]) -> Result<()> {
        Ok(())
    }
}
