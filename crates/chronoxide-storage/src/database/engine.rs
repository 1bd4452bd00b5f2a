//! What the database and its threads share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chronoxide_format::wal_record::Batch;
use chronoxide_model::{HashKeys, TimeRange, WriteBatch, WriteOutcome};
use parking_lot::{Condvar, Mutex, RwLock};

use super::flush::Files;
use super::found_series::ComingSeries;
use super::open::REGISTRY_DIR;
use super::sink::{Change, Sink};
use super::worker::Bell;
use crate::abort::AbortOnPanic;
use crate::catalog::Snapshot;
use crate::churn::Churn;
use crate::counters::Counters;
use crate::data_dir::DataDir;
use crate::head::BatchRows;
use crate::partition::{TIME_MAX_MS, TIME_MIN_MS};
use crate::quarantine::Quarantine;
use crate::registry::{LabelLimits, OrderCache, Refusals, SharedRegistry};
use crate::select::{FoundCache, Held, View};
use crate::wal::Wal;
use crate::{Cardinality, Clock, Error, Fs, Options, Result, Stats};

/// The engine behind a [`Database`](crate::Database).
///
/// Lock order: `maintenance`, `files`, `writers`, `creation`, `registry`, `order`, `found`, the locks of the logs, the catalog's
/// edit lock, a batch's lock.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) dir: PathBuf,
    pub(super) options: Options,
    pub(super) limits: LabelLimits,
    pub(super) fs: Arc<dyn Fs>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) quarantine: Arc<Quarantine>,
    pub(super) registry: SharedRegistry,
    /// What the registry waits for, until somebody takes it in.
    pub(super) coming: Mutex<Option<ComingSeries>>,
    /// Why the registry lacks series that its log may have: no samples can be written then.
    pub(super) lost: OnceLock<chronoxide_format::Error>,
    /// Held while series are made or taken out, so that none is made twice.
    pub(super) creation: Mutex<()>,
    /// Shared by whoever holds series ids on the way to the log; held alone while ids are taken back.
    pub(super) writers: RwLock<()>,
    pub(super) order: OrderCache,
    pub(super) found: FoundCache,
    pub(super) refusals: Refusals,
    pub(super) churn: Churn,
    pub(super) sink: Arc<Sink>,
    pub(super) wal: Wal<Change>,
    /// Held by a flush, and while the list of parts changes.
    pub(super) files: Mutex<Files>,
    /// Held while parts are merged or partitions dropped, which exclude one another.
    pub(super) maintenance: Mutex<()>,
    pub(super) counters: Counters,
    pub(super) flush_bell: Bell,
    pub(super) maintenance_bell: Bell,
    pub(super) backlog: Backlog,
    pub(super) last_write: LastWrite,
    /// Series have left the registry that its log still has.
    pub(super) checkpoint_due: AtomicBool,
    pub(super) closed: AtomicBool,
    /// Holds the directory's lock, which is set free last.
    pub(super) data_dir: DataDir,
}

/// Writers wait here while flushes cannot keep up.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    waiting: Mutex<()>,
    shrunk: Condvar,
    /// Bytes written to the log since the head was frozen for that reason.
    logged_bytes: AtomicU64,
}

/// When the last write was, for the decision that the database is idle.
#[derive(Debug)]
pub(super) struct LastWrite {
    opened: Instant,
    milliseconds: AtomicU64,
}

impl LastWrite {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            milliseconds: AtomicU64::new(0),
        }
    }

    fn note(&self) {
        let since = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.milliseconds.store(since, Ordering::Relaxed);
    }

    fn elapsed(&self) -> Duration {
        let last = Duration::from_millis(self.milliseconds.load(Ordering::Relaxed));
        self.opened.elapsed().saturating_sub(last)
    }
}

impl Backlog {
    /// Tells waiting writers that a batch has left the head.
    pub(super) fn shrunk(&self) {
        let _waiting = self.waiting.lock();
        self.shrunk.notify_all();
    }
}

/// How long a write waits for a flush before it is refused.
const BACKLOG_WAIT: Duration = Duration::from_secs(10);

impl Engine {
    /// What the keys of series are hashed by, as long as the database is open.
    pub(super) fn key_hasher(&self) -> Arc<dyn HashKeys> {
        Arc::clone(self.registry.hasher()) as Arc<dyn HashKeys>
    }

    /// Stores a batch: admits it, logs it, and has it applied with its group; `state` is asked and `placed` called in between.
    pub(super) fn write(
        &self,
        batch: &WriteBatch<'_>,
        state: impl FnOnce(&WriteOutcome) -> Option<Vec<u8>>,
        placed: impl FnOnce(),
    ) -> Result<WriteOutcome> {
        self.check_room()?;
        // A panic may leave series that are in the registry's log and not in the registry, or half there.
        let _whole = AbortOnPanic::of("a write");
        let _holds_ids = self.writers.read();
        let (mut admitted, mut outcome) = self.admit(batch)?;
        (admitted.batch.metadata, outcome.metadata_rejected) =
            self.sink.metadata.news(batch.metadata());
        admitted.batch.state_changes = batch.state_changes().to_vec();
        admitted.batch.state_changes.extend(state(&outcome));
        if is_empty(&admitted.batch) {
            return Ok(outcome);
        }
        let payload = admitted
            .batch
            .as_columns()
            .to_payload(&mut Vec::new())
            .map_err(|error| Error::InvalidArgument {
                what: "batch",
                reason: error.to_string(),
            })?;
        let logged_bytes = payload.framed_len() as u64;
        let change = Change::Batch(Box::new(admitted));
        self.wal.commit_placed(payload, change, placed)?;
        self.backlog
            .logged_bytes
            .fetch_add(logged_bytes, Ordering::Relaxed);
        self.last_write.note();
        self.freeze_if_full();
        Ok(outcome)
    }

    /// Puts a checkpoint in the place of the application's changes.
    pub(super) fn put_state(&self, checkpoint: &[u8]) -> Result<()> {
        if self.is_closed() {
            return Err(Error::Closed);
        }
        self.sink.state.checkpoint(self.fs.as_ref(), checkpoint)
    }

    /// Refuses writes that there is no room for, on disk or in memory.
    fn check_room(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        self.check_series()?;
        let free_bytes = self.fs.free_space(&self.dir)?;
        if free_bytes < self.options.free_bytes_min {
            return Err(Error::DiskFull {
                path: self.dir.clone(),
                free_bytes,
                free_bytes_min: self.options.free_bytes_min,
            });
        }
        self.wait_for_flush()
    }

    /// Takes in the series that a start did not wait for.
    pub(super) fn take_series_in(&self) {
        let Some(coming) = self.coming.lock().take() else {
            return;
        };
        let registry = match coming.finish() {
            Ok(series) => series.into_registry(),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the active series cannot be read; no samples can be written"
                );
                self.lost.get_or_init(|| error);
                self.registry.read_at_once().emptied()
            }
        };
        let ids = registry.id_bound();
        // Whoever has the files may wait for the registry.
        self.registry.complete(registry);
        self.files.lock().found(ids);
    }

    /// Refuses writes when there may be series that are not known, whose ids would be given to others.
    fn check_series(&self) -> Result<()> {
        self.registry.wait();
        match self.lost.get() {
            Some(error) => Err(Error::format(&self.dir.join(REGISTRY_DIR), error.clone())),
            None => Ok(()),
        }
    }

    fn wait_for_flush(&self) -> Result<()> {
        let limit = self.options.backlog_bytes(self.registry.read().len());
        if !self.is_behind(limit) {
            return Ok(());
        }
        self.flush_bell.ring();
        let deadline = Instant::now() + BACKLOG_WAIT;
        let mut waiting = self.backlog.waiting.lock();
        while self.is_behind(limit) {
            if self
                .backlog
                .shrunk
                .wait_until(&mut waiting, deadline)
                .timed_out()
            {
                return Err(Error::Overloaded {
                    head_bytes: self.backlog_bytes() as u64,
                    head_bytes_max: limit as u64,
                });
            }
        }
        Ok(())
    }

    /// Whether flushes have to catch up before more is written.
    fn is_behind(&self, head_bytes_max: usize) -> bool {
        let is_log_long = || {
            self.wal.stats().bytes > self.options.wal_bytes_max + self.options.wal_segment_bytes()
                && !self.sink.catalog.snapshot().frozen.is_empty()
        };
        self.backlog_bytes() > head_bytes_max || is_log_long()
    }

    fn backlog_bytes(&self) -> usize {
        let snapshot = self.sink.catalog.snapshot();
        let frozen = snapshot.frozen.iter();
        frozen
            .map(|batch| batch.read(BatchRows::memory_bytes))
            .sum()
    }

    /// Freezes the open batch when it has grown past its budget, in memory or in the log.
    pub(super) fn freeze_if_full(&self) {
        let logged_bytes = &self.backlog.logged_bytes;
        if logged_bytes.load(Ordering::Relaxed) > self.options.wal_bytes_max / 4
            && logged_bytes.swap(0, Ordering::Relaxed) > 0
        {
            self.sink.catalog.freeze_if(|_| true);
            self.flush_bell.ring();
            return;
        }
        let budget = self.options.head_bytes(self.registry.read().len());
        let is_full = |snapshot: &Snapshot| snapshot.open.read(BatchRows::memory_bytes) > budget;
        if is_full(&self.sink.catalog.snapshot()) {
            self.sink.catalog.freeze_if(is_full);
            self.flush_bell.ring();
        }
    }

    /// Whether there are samples in the head and nothing has been written for a while.
    pub(super) fn is_idle(&self) -> bool {
        self.last_write.elapsed() >= self.options.flush_idle
    }

    /// Samples outside it are refused.
    pub(super) fn admission_window(&self) -> TimeRange {
        let now_ms = self.clock.now_ms();
        let max_ms = now_ms
            .saturating_add(millis(self.options.future_limit))
            .min(TIME_MAX_MS);
        let min_ms = self.retention_cut_ms().min(max_ms);
        TimeRange::new(min_ms, max_ms).expect("the least of both comes first")
    }

    /// Samples before it are too old.
    pub(super) fn retention_cut_ms(&self) -> i64 {
        let oldest = self
            .clock
            .now_ms()
            .saturating_sub(millis(self.options.retention));
        oldest.max(TIME_MIN_MS)
    }

    /// `range` as far as retention reaches back; `None` when nothing of it may be returned.
    pub(super) fn kept_range(&self, range: TimeRange) -> Option<TimeRange> {
        let kept = TimeRange::new(self.retention_cut_ms(), i64::MAX).ok()?;
        range.intersection(&kept)
    }

    /// What a selection of `range` reads from; `None` when the range holds nothing that may be returned.
    pub(super) fn view(&self, range: TimeRange) -> Option<View<'_>> {
        Some(self.view_of_all(self.kept_range(range)?))
    }

    /// What a selection of `range` reads from, whatever retention says.
    pub(super) fn view_of_all(&self, range: TimeRange) -> View<'_> {
        View {
            range,
            order: &self.order,
            found: &self.found,
            catalog: &self.sink.catalog,
            registry: &self.registry,
            held: None,
        }
    }

    /// What there is to read now, to be read later.
    pub(super) fn hold(&self) -> Held {
        Held::new(&self.sink.catalog)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Ends writing: makes everything acknowledged durable.
    pub(super) fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        self.wal.close()
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        self.counters.fill(&mut stats);
        stats.metadata_bytes = self.sink.metadata.memory_bytes() as u64;
        stats.metadata_rejected_total = self.sink.metadata.refused();
        let exemplars = self.sink.exemplars.figures();
        stats.exemplars = exemplars.exemplars;
        stats.exemplar_bytes = exemplars.bytes;
        stats.exemplars_evicted_total = exemplars.evicted;
        self.fill_head(&mut stats);
        self.fill_files(&mut stats);
        stats.series_rejected_total = self.refusals.totals();
        let registry = self.registry.read();
        stats.series = registry.len() as u64;
        stats.series_max = u64::from(self.options.series_max);
        stats.registry_bytes = registry.memory_bytes() as u64;
        stats
    }

    pub(super) fn cardinality(&self, limit: usize) -> Cardinality {
        Cardinality {
            series_created_last_hour: self.churn.last_hour(self.clock.now_ms()),
            series_rejected: self.refusals.totals(),
            ..self.registry.read().cardinality(limit)
        }
    }

    fn fill_head(&self, stats: &mut Stats) {
        let snapshot = self.sink.catalog.snapshot();
        for batch in snapshot.batches() {
            batch.read(|rows: &BatchRows| {
                stats.head_samples += rows.sample_count() as u64;
                stats.head_bytes += rows.memory_bytes() as u64;
            });
        }
        stats.head_bytes += snapshot.open.read(BatchRows::spare_bytes) as u64;
        let ranges = snapshot.time_ranges();
        let range = ranges.reduce(|all, range| all.union(&range));
        stats.oldest_sample_ms = range.map(|range| range.min_ms().max(self.retention_cut_ms()));
        stats.newest_sample_ms = range.map(|range| range.max_ms());
        stats.partitions = snapshot.partitions.len() as u64;
        stats.tombstones = snapshot.tombstones.len() as u64;
        let columns = snapshot
            .parts()
            .next()
            .map(|part| part.column_cache_bytes());
        stats.cache_bytes = (columns.unwrap_or(0) + self.found.memory_bytes()) as u64;
        for part in snapshot.parts() {
            stats.parts += 1;
            stats.cache_bytes += part.matches().memory_bytes() as u64;
            stats.parts_bytes += part.summary().bytes;
            stats.parts_samples += part.summary().samples;
            stats.parts_chunks += part.summary().chunks;
            stats.parts_damaged += u64::from(part.damage().is_damaged());
            stats.pages_damaged += part.damage().pages() as u64;
        }
    }

    fn fill_files(&self, stats: &mut Stats) {
        let wal = self.wal.stats();
        stats.wal_bytes = wal.bytes;
        stats.wal_segments = wal.segments;
        stats.wal_syncs = wal.syncs;
        stats.files_quarantined_total = self.quarantine.count();
        match self.fs.free_space(&self.dir) {
            Ok(free_bytes) => {
                stats.disk_free_bytes = free_bytes;
                stats.out_of_space = free_bytes < self.options.free_bytes_min;
            }
            Err(_) => stats.out_of_space = false,
        }
    }
}

fn is_empty(batch: &Batch) -> bool {
    batch.sids.is_empty()
        && batch.histogram_sids.is_empty()
        && batch.metadata.is_empty()
        && batch.exemplars.is_empty()
        && batch.state_changes.is_empty()
}

/// A span in milliseconds, as long as it can be.
pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
