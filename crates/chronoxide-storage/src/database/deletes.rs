//! Deleting series, and ridding parts of what was deleted.

use std::collections::HashSet;
use std::sync::Arc;

use chronoxide_format::tombstones::{MATCHERS_MAX, Tombstone};
use chronoxide_format::wal_record::deletion_payload;
use chronoxide_model::{Matcher, TimeRange};

use super::engine::Engine;
use super::sink::Change;
use crate::catalog::Snapshot;
use crate::compaction::Packing;
use crate::head::BatchRows;
use crate::part::Part;
use crate::partition::Partition;
use crate::tombstones::{PENDING_MAX, hidden_in_part};
use crate::{Error, Result};

/// What became of a deletion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteOutcome {
    /// Series that were selected and may have had samples in the range.
    pub series: u64,
}

impl Engine {
    /// Deletes samples and exemplars in `range` of the series that satisfy all matchers of any selector.
    pub(super) fn delete_series(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
    ) -> Result<DeleteOutcome> {
        if self.is_closed() {
            return Err(Error::Closed);
        }
        self.check_deletion(selectors)?;
        let mut series = HashSet::new();
        for matchers in selectors {
            if let Some(view) = self.view(range) {
                series.extend(view.select(matchers)?.labels().cloned());
            }
        }
        for matchers in selectors {
            let tombstone = Tombstone {
                matchers: matchers.clone(),
                range,
                // The record's own number is what counts.
                seq: 0,
            };
            let payload = deletion_payload(&tombstone).map_err(|error| Error::InvalidArgument {
                what: "selector",
                reason: error.to_string(),
            })?;
            self.wal.commit(payload, Change::Deletion(tombstone))?;
        }
        Ok(DeleteOutcome {
            series: series.len() as u64,
        })
    }

    fn check_deletion(&self, selectors: &[Vec<Matcher>]) -> Result<()> {
        if let Some(matchers) = selectors.iter().find(|all| all.len() > MATCHERS_MAX) {
            return Err(Error::LimitExceeded {
                what: "number of matchers of one selector",
                value: matchers.len() as u64,
                limit: MATCHERS_MAX as u64,
            });
        }
        let pending = self.sink.catalog.snapshot().tombstones.len() + selectors.len();
        if pending > PENDING_MAX {
            return Err(Error::LimitExceeded {
                what: "number of deletions that wait for clean_tombstones",
                value: pending as u64,
                limit: PENDING_MAX as u64,
            });
        }
        Ok(())
    }

    /// Writes the parts anew that have deleted samples, and forgets the deletions that were pending when it began.
    pub(super) fn clean_tombstones(&self, stop: impl Fn() -> bool) -> Result<()> {
        let pending = self.sink.catalog.snapshot().tombstones.clone();
        if pending.is_empty() {
            return Ok(());
        }
        // From here on no batch has samples that these deletions hide.
        self.flush()?;
        let _maintenance = self.maintenance.lock();
        for (partition, part) in self.parts_of(&self.sink.catalog.snapshot()) {
            if stop() {
                return Ok(());
            }
            if !hidden_in_part(&pending, &part)?.is_empty() {
                let level = part.summary().header.level;
                // What is left is copied, and the rest coded as it would have been.
                let packing = Packing::of_level(level);
                if !self.replace_by_merge(partition, &[part], level, packing, &stop)? {
                    return Ok(());
                }
            }
        }
        let is_done =
            |tombstone: &Arc<Tombstone>| pending.iter().any(|done| Arc::ptr_eq(done, tombstone));
        self.sink
            .catalog
            .edit(|snapshot| snapshot.tombstones.retain(|tombstone| !is_done(tombstone)));
        self.save_tombstones(true)
    }

    fn parts_of(&self, snapshot: &Snapshot) -> Vec<(Partition, Arc<Part>)> {
        let partitions = snapshot.partitions.iter();
        partitions
            .flat_map(|(partition, parts)| parts.iter().map(|part| (*partition, Arc::clone(part))))
            .collect()
    }

    /// Whether any deletion waits for parts to be rid of what it deleted.
    pub(super) fn has_tombstones(&self) -> bool {
        !self.sink.catalog.snapshot().tombstones.is_empty()
    }

    /// Forgets the deletions that no part and no batch is concerned by any more.
    pub(super) fn forget_tombstones(&self) -> Result<()> {
        if !self.has_tombstones() {
            return Ok(());
        }
        let mut is_changed = false;
        self.sink.catalog.edit(|snapshot| {
            let before = snapshot.tombstones.len();
            let mut tombstones = std::mem::take(&mut snapshot.tombstones);
            tombstones.retain(|tombstone| is_needed(snapshot, tombstone));
            snapshot.tombstones = tombstones;
            is_changed = snapshot.tombstones.len() < before;
        });
        self.save_tombstones(is_changed)
    }

    /// Writes the file of deletions, if they have changed.
    pub(super) fn save_tombstones(&self, has_changed: bool) -> Result<()> {
        let file = &self.sink.tombstones;
        if has_changed {
            file.note_change();
        }
        let pending = || self.sink.catalog.snapshot().tombstones.clone();
        file.save(self.fs.as_ref(), &self.dir, pending)
    }
}

/// Whether a part or batch may have samples that the deletion hides.
fn is_needed(snapshot: &Snapshot, tombstone: &Tombstone) -> bool {
    let mut parts = snapshot.parts().map(|part| part.summary());
    let is_hidden = |seq_max: u64, range: TimeRange| {
        seq_max < tombstone.seq && tombstone.range.overlaps(&range)
    };
    let mut batches = snapshot.batches();
    parts.any(|part| is_hidden(part.header.wal_seq_max, part.range))
        || batches.any(|batch| {
            batch.read(
                |rows: &BatchRows| match (rows.sequences(), rows.time_range()) {
                    (Some((_, seq_max)), Some(range)) => is_hidden(seq_max, range),
                    _ => false,
                },
            )
        })
}
