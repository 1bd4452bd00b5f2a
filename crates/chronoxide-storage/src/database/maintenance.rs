//! Merging parts, dropping old partitions, and letting go of idle series.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use chronoxide_model::CanonicalKey;
use roaring::RoaringBitmap;

use super::engine::{Engine, millis};
use super::flush::Files;
use super::pace::Pace;
use crate::Result;
use crate::catalog::Snapshot;
use crate::compaction::{self, MergeOptions, MergeTask, Merged, Packing};
use crate::head::BatchRows;
use crate::part::{Part, PartSummary};
use crate::partition::Partition;
use crate::registry::Registry;
use crate::retention::{self, RetentionPlan, RetentionState};

/// A day that ended this long ago is hardly written to any more.
const CLOSED_AFTER_MS: i64 = 3600 * 1000;

/// A partition that no flush has added to for this long gets its final part.
const QUIET_FOR_MS: i64 = 10 * 60 * 1000;

/// Bytes of a sample in the head.
const SAMPLE_BYTES: usize = 16;

/// There is time to tidy up while less than this part of the head is filled in the time after which an idle one is
/// flushed.
const RESTING_SHARE: usize = 16;

/// Series that a new table takes over before others get at the old one.
const REBUILD_STEP: usize = 4096;

/// Idle series wait until they are this part of all: rebuilding the table costs the same for one as for many.
const EVICTED_SHARE_MIN: usize = 16;

impl Engine {
    /// Merges parts until nothing is left to merge.
    pub(super) fn compact(&self) -> Result<()> {
        while self.compact_once(|_| true, false, &|| false)? {}
        Ok(())
    }

    /// Merges parts until nothing is left to merge, or `stop` says so, be it amid a merge. The parts of a day that has
    /// ended become one only once it has been quiet for a while, because what is filled in later comes in many parts;
    /// few parts of other days are left to become more, unless the database `is_resting`.
    pub(super) fn compact_in_background(
        &self,
        is_resting: bool,
        stop: impl Fn() -> bool,
    ) -> Result<()> {
        let is_quiet = |partition| {
            let since_ms = self.clock.now_ms().saturating_sub(QUIET_FOR_MS);
            self.files.lock().is_quiet(partition, since_ms)
        };
        while !stop() && self.compact_once(is_quiet, is_resting, &stop)? {}
        Ok(())
    }

    /// Whether so few samples have come for a while that it would take half an hour and more until the head is full.
    pub(super) fn is_resting(&self, pace: &mut Pace) -> bool {
        let head = self.options.head_bytes(self.registry.read().len());
        let few = head / SAMPLE_BYTES / RESTING_SHARE;
        // A head that nothing is written to has become a part by then.
        let span = self.options.flush_idle + self.options.flush_idle / 8;
        let samples = self.counters.samples_accepted();
        pace.is_resting(Instant::now(), samples, few as u64, span)
    }

    /// Does the first merge that is due, newest partition first; `false` when there is none, or it was told to `stop`.
    fn compact_once(
        &self,
        is_quiet: impl Fn(Partition) -> bool,
        is_resting: bool,
        stop: &dyn Fn() -> bool,
    ) -> Result<bool> {
        let _maintenance = self.maintenance.lock();
        let snapshot = self.sink.catalog.snapshot();
        for (partition, parts) in snapshot.partitions.iter().rev() {
            let is_final = self.has_ended(*partition) && is_quiet(*partition);
            let plan = if is_final {
                compaction::plan_closed
            } else if is_resting {
                |parts: &[_]| compaction::plan(parts).or_else(|| compaction::plan_resting(parts))
            } else {
                compaction::plan
            };
            let Some(task) = merge_due(parts, plan) else {
                continue;
            };
            let started = Instant::now();
            let merged = self.merge(*partition, parts, &task, stop);
            if !matches!(merged, Ok(false)) {
                self.counters
                    .compactions
                    .add(started.elapsed(), merged.is_ok());
            }
            return merged;
        }
        Ok(false)
    }

    fn has_ended(&self, partition: Partition) -> bool {
        let closed_ms = partition.range().max_ms().saturating_add(CLOSED_AFTER_MS);
        self.clock.now_ms() > closed_ms
    }

    fn merge(
        &self,
        partition: Partition,
        parts: &[Arc<Part>],
        task: &MergeTask,
        stop: &dyn Fn() -> bool,
    ) -> Result<bool> {
        let is_input = |part: &&Arc<Part>| task.inputs.contains(&part.summary().path);
        let inputs: Vec<Arc<Part>> = parts.iter().filter(is_input).cloned().collect();
        self.replace_by_merge(partition, &inputs, task.level, task.packing, stop)
    }

    /// Puts one part in the place of `inputs`, without what retention or a deletion does not keep; `false` when it was told
    /// to `stop` before. Called with `maintenance` held.
    pub(super) fn replace_by_merge(
        &self,
        partition: Partition,
        inputs: &[Arc<Part>],
        level: u8,
        packing: Packing,
        stop: &dyn Fn() -> bool,
    ) -> Result<bool> {
        let options = MergeOptions {
            level,
            min_ms: self.disposable_before_ms(),
            packing,
        };
        let tombstones = self.sink.catalog.snapshot().tombstones.clone();
        // The lock is not held while the merge runs: flushes go on, and add parts that come after the inputs.
        let place = self.files.lock().partitions.place_for(partition, level)?;
        let merged = compaction::merge_without(
            self.fs.as_ref(),
            place.dir(),
            place.name(),
            inputs,
            options,
            &tombstones,
            stop,
        )?;
        let Merged::Done(merged) = merged else {
            return Ok(false);
        };
        let mut files = self.files.lock();
        let part = files
            .partitions
            .replace(partition, inputs, merged.as_ref())?;
        self.sink
            .catalog
            .edit(|snapshot| snapshot.replace_parts(partition, inputs, part));
        Ok(true)
    }

    /// What lies before this time may be removed for good.
    pub(super) fn disposable_before_ms(&self) -> i64 {
        let disposable_before_ms = |newest_ms| {
            retention::disposable_before_ms(self.clock.now_ms(), newest_ms, self.options.retention)
        };
        newest_sample_ms(&self.sink.catalog.snapshot()).map_or(i64::MIN, disposable_before_ms)
    }

    /// Drops the partitions that retention does not keep; returns how many have expired and were held back.
    pub(super) fn enforce_retention(&self) -> Result<usize> {
        let _maintenance = self.maintenance.lock();
        let mut files = self.files.lock();
        let Some(state) = self.retention_state(&self.sink.catalog.snapshot()) else {
            return Ok(0);
        };
        let RetentionPlan { dropped, held_back } = retention::plan(&state);
        for partition in dropped {
            tracing::info!(%partition, "dropping a partition that retention does not keep");
            // First on disk: what is no longer in the catalog would never be tried again.
            files.partitions.drop_partition(partition)?;
            self.sink.catalog.edit(|snapshot| {
                snapshot.partitions.remove(&partition);
            });
            self.counters.partition_dropped();
        }
        if held_back > 0 {
            tracing::warn!(
                partitions = held_back,
                "most of the data seems past retention; is the clock right? One partition goes now, the next in an hour"
            );
        }
        Ok(held_back)
    }

    /// What retention decides on; `None` without any sample.
    fn retention_state(&self, snapshot: &Snapshot) -> Option<RetentionState> {
        let bytes = |parts: &[Arc<Part>]| parts.iter().map(|part| part.summary().bytes).sum();
        let partitions = snapshot.partitions.iter();
        Some(RetentionState {
            partitions: partitions
                .map(|(partition, parts)| (*partition, bytes(parts)))
                .collect(),
            now_ms: self.clock.now_ms(),
            newest_sample_ms: newest_sample_ms(snapshot)?,
            retention: self.options.retention,
            bytes_max: self.options.retention_bytes,
            other_bytes: self.wal.stats().bytes + self.sink.registry_log.log_bytes(),
        })
    }

    /// Takes series out of the registry that have had no sample for a while and have none in the head; returns how
    /// many. Their ids are given to others once no record of the log can mention them.
    pub(super) fn evict_idle_series(&self) -> Result<usize> {
        let evicted = self.take_out_idle_series()?;
        if evicted > 0 {
            self.checkpoint_due.store(true, Ordering::Relaxed);
        }
        // Until there is a checkpoint the log has the evicted series too, which does no harm: of several entries for one
        // id the last counts.
        if self.checkpoint_due.load(Ordering::Relaxed) {
            self.checkpoint_registry()?;
            self.checkpoint_due.store(false, Ordering::Relaxed);
        }
        Ok(evicted)
    }

    /// Puts a table without the idle series in place of the registry. Writes go on while it is built; they wait only while
    /// what came meanwhile is taken over.
    fn take_out_idle_series(&self) -> Result<usize> {
        let mut files = self.files.lock();
        self.free_retired_ids(&mut files);
        let mut idle = self.idle_series(&files);
        if !self.is_worth_evicting(&idle) {
            return Ok(0);
        }
        // Series may come from here on, and none can go.
        let built_of = self.registry.read().live().clone();
        let mut kept = self.registry_without(&built_of, &idle);
        // Records of the log may name the series of exemplars that are nowhere else, by an id that is about to go: most
        // are saved now, the last few when nobody writes.
        self.sink.exemplars.save(self.fs.as_ref())?;
        // Nobody may hold an id that is about to go, and no series may come meanwhile.
        let writers = self.writers.write();
        let creation = self.creation.lock();
        self.sink.exemplars.save(self.fs.as_ref())?;
        let woken = self.leave_those_in_head(&files, &mut idle);
        {
            let registry = self.registry.read();
            let missing = registry.live() - &built_of;
            kept.catch_up(&registry, missing.iter().chain(woken));
        }
        let old = std::mem::replace(&mut *self.registry.write(), kept);
        let evicted = idle.len();
        files.retired.push((self.wal.stats().next_seq, idle));
        drop((creation, writers));
        drop(old);
        // An id must lose its rank before other labels get it.
        self.order.of_all_by_steps(&self.registry);
        self.counters.series_evicted(evicted);
        Ok(evicted)
    }

    /// A table with the series of `live` that are not among `left_out`, which ascend. Others get at the registry while it
    /// is built, for a step of it takes milliseconds.
    fn registry_without(&self, live: &RoaringBitmap, left_out: &[u32]) -> Registry {
        let sids = live.iter();
        let sids: Vec<u32> = sids
            .filter(|sid| left_out.binary_search(sid).is_err())
            .collect();
        let mut kept = self.registry.read().emptied();
        for sids in sids.chunks(REBUILD_STEP) {
            kept.take_series(&self.registry.read(), sids.iter().copied());
        }
        let keys = self.registry.read().key_count();
        for start in (0..keys).step_by(REBUILD_STEP) {
            let end = keys.min(start + REBUILD_STEP);
            kept.take_keys(&self.registry.read(), start..end);
        }
        kept
    }

    /// Writes all active series to a checkpoint, so that the registry's log forgets the others. Writes go on.
    pub(super) fn checkpoint_registry(&self) -> Result<()> {
        let creation = self.creation.lock();
        self.sink.registry_log.checkpoint(|| {
            let live = self.registry.read().live().clone();
            // What the log has so far is in the registry; what comes from here on stays in the log.
            drop(creation);
            live.into_iter().map(|sid| {
                let mut key = Vec::new();
                CanonicalKey::encode(&self.registry.read().labels(sid), &mut key);
                (sid, key)
            })
        })
    }

    fn is_worth_evicting(&self, idle: &[u32]) -> bool {
        !idle.is_empty() && idle.len() >= self.registry.read().len() / EVICTED_SHARE_MIN
    }

    /// Series that may go, ascending.
    fn idle_series(&self, files: &Files) -> Vec<u32> {
        let idle_since_ms = self
            .clock
            .now_ms()
            .saturating_sub(millis(self.options.series_idle));
        let is_quiet = |sid: u32| {
            let seen_ms = files.seen_ms(sid);
            seen_ms.is_some_and(|seen_ms| seen_ms < idle_since_ms)
        };
        let live = self.registry.read().live().clone();
        let mut idle = live.into_iter().filter(|sid| is_quiet(*sid)).collect();
        self.leave_those_in_head(files, &mut idle);
        idle
    }

    /// Takes the series that have samples in the head out of `sids`, and returns them.
    fn leave_those_in_head(&self, files: &Files, sids: &mut Vec<u32>) -> Vec<u32> {
        let mut in_head = Vec::new();
        // A snapshot finds the series of its batches by the registry, even after they were flushed.
        let flushed = files.batches_in_snapshots();
        for batch in self.sink.catalog.snapshot().batches().chain(&flushed) {
            batch.read(|rows: &BatchRows| {
                in_head.extend(sids.extract_if(.., |sid| rows.has_series(*sid)));
            });
        }
        in_head
    }

    /// Lets new series have the ids of evicted ones that no record on disk mentions any more.
    fn free_retired_ids(&self, files: &mut Files) {
        let released_seq = self.wal.stats().recorded_released_seq;
        let is_free = |(next_seq, _): &(u64, Vec<u32>)| *next_seq <= released_seq.saturating_add(1);
        let mut registry = self.registry.write();
        for (_, sids) in files.retired.extract_if(.., |retired| is_free(retired)) {
            registry.free(&sids);
        }
    }
}

/// The next merge of a partition with these `parts`. Damaged ones stay as they are, and since only neighbours in WAL
/// sequence may be joined, so that what is newer stays newer, they part the others.
fn merge_due(
    parts: &[Arc<Part>],
    plan: fn(&[PartSummary]) -> Option<MergeTask>,
) -> Option<MergeTask> {
    let mut sorted: Vec<&Arc<Part>> = parts.iter().collect();
    sorted.sort_by_key(|part| part.summary().header.sequence());
    let whole = sorted.split(|part| part.damage().is_damaged());
    whole
        .map(|parts| parts.iter().map(|part| part.summary().clone()))
        .find_map(|summaries| plan(&summaries.collect::<Vec<_>>()))
}

fn newest_sample_ms(snapshot: &Snapshot) -> Option<i64> {
    snapshot.time_ranges().map(|range| range.max_ms()).max()
}
