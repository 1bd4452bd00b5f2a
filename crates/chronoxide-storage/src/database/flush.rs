//! From the head to parts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::engine::Engine;
use super::part_pairs::PartPairs;
use crate::Result;
use crate::head::{BatchRows, HeadBatch, SortedBatch};
use crate::part::{Part, PartHeader, Samples};
use crate::partition::{Layout, Partition, PartitionWidth};
use crate::partitions::Partitions;

/// The parts on disk, and what flushes have to remember.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) partitions: Partitions,
    /// Partitions of the oldest frozen batch whose part is in place already, should a flush have failed in between.
    written: BTreeSet<Partition>,
    /// By series id: when a flush saw the series last, in Unix milliseconds.
    seen_ms: Vec<i64>,
    /// When a flush added to a partition last, Unix milliseconds; those that none has since the start are quiet.
    flushed_ms: BTreeMap<Partition, i64>,
    /// Ids that no series has any more, and the log record from which on they are not mentioned.
    pub(super) retired: Vec<(u64, Vec<u32>)>,
    /// Batches that are in parts and that a snapshot may still read.
    flushed: Vec<Weak<HeadBatch>>,
    opened_ms: i64,
}

impl Files {
    pub(super) fn new(partitions: Partitions, now_ms: i64) -> Self {
        Self {
            partitions,
            written: BTreeSet::new(),
            seen_ms: Vec::new(),
            flushed_ms: BTreeMap::new(),
            retired: Vec::new(),
            flushed: Vec::new(),
            opened_ms: now_ms,
        }
    }

    /// Ids below `ids` may have had samples before the start, which is when they were seen last as far as is known.
    pub(super) fn found(&mut self, ids: usize) {
        let ids = ids.max(self.seen_ms.len());
        self.seen_ms.resize(ids, self.opened_ms);
    }

    /// The batches that are in parts already and that a snapshot still reads.
    pub(super) fn batches_in_snapshots(&self) -> Vec<Arc<HeadBatch>> {
        self.flushed.iter().filter_map(Weak::upgrade).collect()
    }

    /// When a flush saw the series last; never for one too new to have been flushed.
    pub(super) fn seen_ms(&self, sid: u32) -> Option<i64> {
        self.seen_ms.get(sid as usize).copied()
    }

    /// Whether no flush has added to `partition` since `since_ms`.
    pub(super) fn is_quiet(&self, partition: Partition, since_ms: i64) -> bool {
        let flushed_ms = self.flushed_ms.get(&partition);
        flushed_ms.is_none_or(|flushed_ms| *flushed_ms < since_ms)
    }

    fn saw(&mut self, sids: impl Iterator<Item = u32>, now_ms: i64) {
        for sid in sids {
            let index = sid as usize;
            if index >= self.seen_ms.len() {
                self.seen_ms.resize(index + 1, now_ms);
            }
            self.seen_ms[index] = now_ms;
        }
    }
}

impl Engine {
    /// Freezes the head and writes all frozen batches to parts.
    pub(super) fn flush(&self) -> Result<()> {
        self.sink.catalog.freeze_if(|_| true);
        self.flush_frozen()
    }

    /// Writes all frozen batches to parts.
    pub(super) fn flush_frozen(&self) -> Result<()> {
        while self.flush_oldest()? {}
        Ok(())
    }

    /// Writes the oldest frozen batch to parts, one for each partition, and lets go of its records in the write-ahead
    /// log. `false` when there is none.
    fn flush_oldest(&self) -> Result<bool> {
        let mut files = self.files.lock();
        let Some(batch) = self.sink.catalog.snapshot().frozen.first().cloned() else {
            return Ok(false);
        };
        let started = Instant::now();
        let flushed = self.flush_batch(&mut files, &batch);
        self.counters
            .flushes
            .add(started.elapsed(), flushed.is_ok());
        flushed?;
        self.maintenance_bell.ring();
        Ok(true)
    }

    fn flush_batch(&self, files: &mut Files, batch: &Arc<HeadBatch>) -> Result<()> {
        let order = self.order.of_all_by_steps(&self.registry);
        batch.read(|rows| self.write_parts(files, rows, order.sids()))?;
        self.sink.catalog.edit(|snapshot| {
            snapshot.frozen.retain(|frozen| !Arc::ptr_eq(frozen, batch));
        });
        files.flushed.retain(|batch| batch.strong_count() > 0);
        files.flushed.push(Arc::downgrade(batch));
        files.written.clear();
        self.backlog.shrunk();
        self.release(batch.read(BatchRows::sequences))
    }

    fn write_parts(&self, files: &mut Files, rows: &BatchRows, order: &[u32]) -> Result<()> {
        let now_ms = self.clock.now_ms();
        let width = PartitionWidth::for_retention(self.options.retention);
        let layout = Layout::new(width, files.partitions.existing());
        let partition_of = |time_ms| layout.partition_of(time_ms);
        for sorted in SortedBatch::of_rows(rows, order, partition_of) {
            let partition = sorted.partition;
            if files.written.contains(&partition) {
                continue;
            }
            files.saw(sorted.sids(), now_ms);
            if let Some(part) = self.write_part(&mut files.partitions, rows, sorted)? {
                // For a moment the samples are in the part and in the batch, which reads the same.
                self.sink
                    .catalog
                    .edit(|snapshot| snapshot.add_part(partition, part));
            }
            files.flushed_ms.insert(partition, now_ms);
            files.written.insert(partition);
        }
        Ok(())
    }

    /// Writes the samples of one partition.
    fn write_part(
        &self,
        partitions: &mut Partitions,
        rows: &BatchRows,
        sorted: SortedBatch<Partition>,
    ) -> Result<Option<Arc<Part>>> {
        let (wal_seq_min, wal_seq_max) = rows.sequences().unwrap_or((0, 0));
        let header = PartHeader {
            level: 0,
            wal_seq_min,
            wal_seq_max,
        };
        let partition = sorted.partition;
        let place = partitions.place_for(partition, header.level)?;
        let mut writer = place.writer(self.fs.as_ref(), header)?;
        // Whoever takes idle series out of the registry waits for `files`, which a flush holds.
        let (pairs, table) = PartPairs::of(&self.registry, sorted.sids())?;
        writer.set_pairs(table);
        let mut row = Vec::new();
        sorted.for_each_series(rows, |sid, columns| {
            // Briefly for each series: makers of new series wait for this lock, and every writer behind them.
            pairs.row(&self.registry.read(), sid, &mut row);
            writer.put_samples(Samples::from(columns), None)?;
            writer.end_row(&row)
        })?;
        match writer.finish()? {
            Some(summary) => partitions.add(partition, &summary).map(Some),
            None => Ok(None),
        }
    }

    /// Lets go of the log's records whose samples are in parts now.
    fn release(&self, sequences: Option<(u64, u64)>) -> Result<()> {
        self.sink.metadata.save(self.fs.as_ref(), &self.dir)?;
        self.sink.exemplars.expire(self.disposable_before_ms());
        self.sink.exemplars.save(self.fs.as_ref())?;
        self.save_tombstones(false)?;
        self.sink.state.save(self.fs.as_ref())?;
        if let Some((_, last)) = sequences {
            self.wal.drop_through(last)?;
        }
        Ok(())
    }
}
