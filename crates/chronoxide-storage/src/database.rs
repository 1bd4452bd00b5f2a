//! The database: what an embedder opens, writes to and reads from.

mod deletes;
mod engine;
mod flush;
mod found_series;
mod maintenance;
mod open;
mod pace;
mod part_pairs;
mod partitions;
mod repeats;
mod replay_progress;
mod sink;
mod snapshot;
mod snapshots;
mod worker;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chronoxide_model::{
    Labels, Matcher, Metadata, SeriesSet, SeriesSource, SourceError, TimeRange, WriteBatch,
    WriteOutcome,
};

pub use self::deletes::DeleteOutcome;
pub use self::partitions::PartitionStats;
pub use self::replay_progress::{ReplayProgress, ReplayedFiles};

pub(crate) use self::open::{REGISTRY_DIR, WAL_DIR};

use self::engine::Engine;
use self::snapshot::Snapshot;
use self::worker::Workers;
use crate::{
    Cardinality, Clock, Fs, Options, RealFs, Result, SavedState, Selection, SeriesExemplars, Stats,
    SystemClock,
};

/// A time-series database in one directory.
///
/// All methods take `&self` and may be called from any thread. Dropping the database closes it as well as it can;
/// [`Database::close`] also says whether that worked.
#[derive(Debug)]
pub struct Database {
    engine: Arc<Engine>,
    workers: Workers,
}

impl Database {
    /// Opens the database in directory `path`, which is created if need be.
    ///
    /// # Errors
    /// When the directory is in use, holds something else or data of a newer version, cannot be read or written, or
    /// the options cannot work.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        Self::open_watched(path, options, &ReplayProgress::new())
    }

    /// The same; `progress` tells other threads meanwhile how far it is.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub fn open_watched(
        path: impl AsRef<Path>,
        options: Options,
        progress: &ReplayProgress,
    ) -> Result<Self> {
        let (fs, clock) = (Arc::new(RealFs), Arc::new(SystemClock));
        Self::start(Engine::open(path.as_ref(), options, fs, clock, progress)?)
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
        let progress = ReplayProgress::new();
        Self::start(Engine::open(path.as_ref(), options, fs, clock, &progress)?)
    }

    fn start(engine: Engine) -> Result<Self> {
        let engine = Arc::new(engine);
        let workers = Workers::start(&engine)?;
        Ok(Self { engine, workers })
    }

    /// An empty batch for this database: it hashes the keys of series as they are pushed, which is faster than to do it
    /// when all have been. Any other batch will do.
    #[must_use]
    pub fn batch<'a>(&self) -> WriteBatch<'a> {
        WriteBatch::hashed_by(self.engine.key_hasher())
    }

    /// Stores a batch. When this returns, what was accepted is as durable as [`Options::durability`] says, and seen by
    /// every selection made from then on.
    ///
    /// A sample equal to a stored one changes nothing; one with the same timestamp and another value replaces it. Of
    /// equal timestamps within the batch the last counts. Samples refused one by one are listed in the outcome.
    /// Help and unit of a metric are cut to 4 KiB; beyond [`Options::metadata_bytes_max`] nothing new is taken, and counted in the
    /// outcome and in [`Stats::metadata_rejected_total`]. An exemplar with labels of more than 128 characters, or outside the times that samples may have, is refused
    /// without a word but in [`Stats::exemplars_rejected_total`].
    ///
    /// # Errors
    /// When nothing of the batch was stored: the disk is full (see [`is_out_of_space`](crate::Error::is_out_of_space); the same batch may be
    /// written again later), the write-ahead log failed, or the database is closed.
    pub fn write(&self, batch: &WriteBatch<'_>) -> Result<WriteOutcome> {
        self.write_placed(batch, || ())
    }

    /// Stores a batch like [`Database::write`], and calls `placed` as soon as the batch has its place in the log and before
    /// the disk is waited for. Batches that are handed over one after another's `placed` are logged in that order, and
    /// still share syncs. A batch may fail although a later one is stored.
    ///
    /// `placed` is dropped without a call when the batch comes to no record of the log; it must not write itself.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub fn write_placed(
        &self,
        batch: &WriteBatch<'_>,
        placed: impl FnOnce(),
    ) -> Result<WriteOutcome> {
        self.write_with_state(batch, |_| None, placed)
    }

    /// Stores a batch like [`Database::write_placed`], with a change of the application's own state that depends on what of
    /// the batch is stored: `state` is asked for it when that is known, and before anything is.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub fn write_with_state(
        &self,
        batch: &WriteBatch<'_>,
        state: impl FnOnce(&WriteOutcome) -> Option<Vec<u8>>,
        placed: impl FnOnce(),
    ) -> Result<WriteOutcome> {
        let written = self.engine.write(batch, state, placed);
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

    /// Exemplars in `range` of the series that satisfy all matchers of any selector: by labels, each series' by time.
    ///
    /// A selector without matchers selects every series; without selectors there is nothing.
    ///
    /// # Errors
    /// None today: exemplars are in memory.
    pub fn exemplars(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
    ) -> Result<Vec<SeriesExemplars>> {
        let range = self.engine.kept_range(range);
        let exemplars = &self.engine.sink.exemplars;
        Ok(range.map_or_else(Vec::new, |range| exemplars.select(selectors, range)))
    }

    /// Deletes samples and exemplars in `range` of the series that satisfy all matchers of any selector. When this
    /// returns, the deletion is as durable as [`Options::durability`] says and no selection shows what it deleted. What
    /// is written later stays, at the same times too.
    ///
    /// A selector without matchers selects every series; without selectors nothing is deleted. The space on disk is
    /// set free by later merges, or at once by [`Database::clean_tombstones`].
    ///
    /// # Errors
    /// When parts cannot be read to count the series, more than 1,000 deletions wait for
    /// [`Database::clean_tombstones`], or the write-ahead log failed; with several selectors, some may have been
    /// applied then. Doing it again does no harm.
    pub fn delete_series(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
    ) -> Result<DeleteOutcome> {
        self.engine.delete_series(selectors, range)
    }

    /// Sets free what deleted samples take on disk: writes every part anew that has some. Happens in the background too, an hour
    /// after a deletion.
    ///
    /// # Errors
    /// When a part cannot be read or written. What was there before stays, and so do the deletions.
    pub fn clean_tombstones(&self) -> Result<()> {
        self.engine.clean_tombstones(|| false)
    }

    /// What is known of metrics, by name. A metric that is said to have several types has an entry for each; what was said
    /// last comes last.
    #[must_use]
    pub fn metadata(&self) -> Vec<(String, Metadata)> {
        self.engine.sink.metadata.all()
    }

    /// What is known of metric `name`, one entry for each type that it is said to have; what was said last comes first.
    #[must_use]
    pub fn metadata_types(&self, name: &str) -> Vec<Metadata> {
        self.engine.sink.metadata.types(name)
    }

    /// What was said last of metric `name`.
    #[must_use]
    pub fn metadata_of(&self, name: &str) -> Option<Metadata> {
        self.engine.sink.metadata.get(name)
    }

    /// The application's own state as it was when the database was opened: the last checkpoint of [`Database::put_state`], and
    /// the changes of [`WriteBatch::push_state`] since. Once; nothing after that, since it is not kept in memory.
    ///
    /// After a crash in a checkpoint, changes that are in it may be among those after it.
    #[must_use]
    pub fn take_state(&self) -> SavedState {
        self.engine.sink.state.take_found()
    }

    /// Puts a checkpoint of the application's own state in the place of all changes so far. When this returns it is durable.
    ///
    /// The application must see to it that no batch with a change is being written meanwhile.
    ///
    /// # Errors
    /// When it cannot be written; the former checkpoint and the changes since stay then.
    pub fn put_state(&self, checkpoint: &[u8]) -> Result<()> {
        self.engine.put_state(checkpoint)
    }

    /// Bytes of changes since the last checkpoint of the application's own state, and of that checkpoint. All of it is read
    /// when the database is opened: a new checkpoint is due when the first are much more.
    #[must_use]
    pub fn state_bytes(&self) -> (u64, u64) {
        self.engine.sink.state.bytes()
    }

    /// Writes all samples in memory to parts, so that the write-ahead log is not needed for them any more.
    ///
    /// # Errors
    /// When a part cannot be written. The samples stay in memory and in the write-ahead log.
    pub fn flush(&self) -> Result<()> {
        self.engine.flush()
    }

    /// Makes a snapshot of what can be read now, without the samples in memory when `skip_head`; returns its directory,
    /// `snapshots/<time>-<random>` below the database's.
    ///
    /// It can be checked, copied, and opened as a database of its own; to keep it as it is, open a copy, since an open
    /// database merges parts and enforces retention. It takes next to no room at first: parts are hard links. What the
    /// database merges or drops later stays on disk as long as a snapshot has it, and is not counted in
    /// [`Options::retention_bytes`] any more: delete snapshots that are not needed.
    ///
    /// # Errors
    /// When the head cannot be flushed, or the directory not be made; nothing is left behind then.
    pub fn snapshot(&self, skip_head: bool) -> Result<PathBuf> {
        self.engine.snapshot(skip_head)
    }

    /// Names of the snapshots, oldest first.
    ///
    /// # Errors
    /// When the directory of snapshots cannot be read.
    pub fn list_snapshots(&self) -> Result<Vec<String>> {
        self.engine.list_snapshots()
    }

    /// Removes the snapshot `name`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) when there is none of that name,
    /// [`Error::InUse`](crate::Error::InUse) when it is open as a database, and when its files cannot be removed.
    pub fn delete_snapshot(&self, name: &str) -> Result<()> {
        self.engine.delete_snapshot(name)
    }

    /// Makes everything acknowledged durable, which [`Durability::Interval`](crate::Durability::Interval) otherwise does
    /// every so often.
    ///
    /// # Errors
    /// When the write-ahead log cannot be synced.
    pub fn sync(&self) -> Result<()> {
        self.engine.wal.sync()
    }

    /// Merges parts where that is due, which otherwise happens in the background.
    ///
    /// # Errors
    /// When a part cannot be read or written. What was there before stays.
    pub fn compact(&self) -> Result<()> {
        self.engine.compact()
    }

    /// Flushes and ends the database's threads.
    ///
    /// # Errors
    /// When the flush fails. The database is closed all the same, and the samples are in the write-ahead log.
    pub fn close(mut self) -> Result<()> {
        self.workers.stop(&self.engine);
        let flushed = self.engine.flush();
        flushed.and(self.engine.close())
    }

    /// How the active series spread over metrics and labels, with the `limit` largest of each kind.
    ///
    /// Counted from the index of the active series as it stands: memory goes with `limit`, time with the number of
    /// distinct label pairs.
    #[must_use]
    pub fn cardinality(&self, limit: usize) -> Cardinality {
        self.engine.cardinality(limit)
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

    fn snapshot(&self) -> Option<Box<dyn SeriesSource + '_>> {
        Some(Box::new(Snapshot::new(&self.engine)))
    }
}

/// Closes the database as well as it can, if [`Database::close`] has not done so.
impl Drop for Database {
    fn drop(&mut self) {
        self.workers.stop(&self.engine);
        if self.engine.is_closed() {
            return;
        }
        if let Err(error) = self.engine.flush().and(self.engine.close()) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "could not close the database in order"
            );
        }
    }
}

#[cfg(test)]
mod tests;
