//! What a reader sees: the head's batches and the parts, published as one.
//!
//! Readers load the current [`Snapshot`] without a lock and keep it as long as they like. Whoever changes it, by
//! appending to the head, freezing it or exchanging parts, holds the edit lock, which is held for moments only.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use chronoxide_format::tombstones::Tombstone;
use chronoxide_model::TimeRange;
use parking_lot::Mutex;

use crate::head::{BatchRows, HeadBatch};
use crate::part::Part;
use crate::partition::Partition;

/// Everything that can be read at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The batch that is being appended to.
    pub(crate) open: Arc<HeadBatch>,
    /// Batches on their way to parts, oldest first.
    pub(crate) frozen: Vec<Arc<HeadBatch>>,
    /// The parts of each partition, from the oldest write to the newest. No partition is empty.
    pub(crate) partitions: BTreeMap<Partition, Vec<Arc<Part>>>,
    /// Deletions that parts or batches may be concerned by, oldest first.
    pub(crate) tombstones: Vec<Arc<Tombstone>>,
}

impl Snapshot {
    /// All batches of the head, oldest first.
    pub(crate) fn batches(&self) -> impl Iterator<Item = &Arc<HeadBatch>> {
        self.frozen.iter().chain(std::iter::once(&self.open))
    }

    /// All parts, by partition and within it from the oldest write to the newest.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Arc<Part>> {
        self.partitions.values().flatten()
    }

    /// The times that the parts and the batches cover.
    pub(crate) fn time_ranges(&self) -> impl Iterator<Item = TimeRange> + '_ {
        let parts = self.parts().map(|part| part.summary().range);
        parts.chain(
            self.batches()
                .filter_map(|batch| batch.read(BatchRows::time_range)),
        )
    }

    /// Replaces the open batch by an empty one, if anything was noted in it.
    pub(crate) fn freeze(&mut self) {
        if self.open.read(BatchRows::sequences).is_some() {
            let next = Arc::new(HeadBatch::after(&self.open));
            self.frozen.push(std::mem::replace(&mut self.open, next));
        }
    }

    /// Lets a deletion take effect. Batches hold records from one side of it only.
    pub(crate) fn add_tombstone(&mut self, tombstone: Tombstone) {
        let is_known = |known: &Arc<Tombstone>| known.seq == tombstone.seq;
        if !self.tombstones.iter().any(is_known) {
            self.tombstones.push(Arc::new(tombstone));
        }
        if self.open.read(|rows| rows.sample_count() > 0) {
            self.freeze();
        }
    }

    /// Adds a part at its place in the order of writes.
    pub(crate) fn add_part(&mut self, partition: Partition, part: Arc<Part>) {
        let parts = self.partitions.entry(partition).or_default();
        parts.push(part);
        parts.sort_by_key(|part| {
            let header = part.summary().header;
            (header.wal_seq_max, header.wal_seq_min)
        });
    }

    /// Puts a merged part in the place of those it was made of; `None` when nothing was left of them.
    pub(crate) fn replace_parts(
        &mut self,
        partition: Partition,
        old: &[Arc<Part>],
        new: Option<Arc<Part>>,
    ) {
        if let Some(parts) = self.partitions.get_mut(&partition) {
            parts.retain(|part| !old.iter().any(|old| Arc::ptr_eq(old, part)));
        }
        if let Some(new) = new {
            self.add_part(partition, new);
        }
        self.partitions.retain(|_, parts| !parts.is_empty());
    }
}

/// Holds the current snapshot.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    current: ArcSwap<Snapshot>,
    edit: Mutex<()>,
}

impl Catalog {
    /// What can be read now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Appends to the open batch.
    pub(crate) fn append(&self, append: impl FnOnce(&mut BatchRows)) {
        let _edit = self.edit.lock();
        self.current.load().open.append(append);
    }

    /// Publishes the snapshot that `edit` makes of the current one.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Snapshot)) {
        let _edit = self.edit.lock();
        let mut next = Snapshot::clone(&self.current.load());
        edit(&mut next);
        self.current.store(Arc::new(next));
    }

    /// Freezes the open batch, if anything was noted in it and `wanted` says so. Several threads may ask at once:
    /// each decides on the snapshot that is current when it comes to its turn.
    pub(crate) fn freeze_if(&self, wanted: impl FnOnce(&Snapshot) -> bool) {
        self.edit(|snapshot| {
            if wanted(snapshot) {
                snapshot.freeze();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_keeps_what_it_saw() {
        let catalog = Catalog::default();
        catalog.freeze_if(|_| true);
        assert!(
            catalog.snapshot().frozen.is_empty(),
            "an empty batch is not frozen"
        );
        catalog.append(|rows| {
            rows.note_sequence(1);
            rows.push_floats(&[0], &[1], &[1.0], &[]);
        });
        let before = catalog.snapshot();
        catalog.freeze_if(|_| true);
        let after = catalog.snapshot();
        assert_eq!((before.frozen.len(), after.frozen.len()), (0, 1));
        assert!(Arc::ptr_eq(&before.open, &after.frozen[0]));
        assert_eq!(after.open.read(BatchRows::sample_count), 0);
    }
}
