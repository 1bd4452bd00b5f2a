//! Where the records of the write-ahead log take effect.

use chronoxide_format::tombstones::Tombstone;
use chronoxide_format::wal_record::Batch;
use chronoxide_model::Labels;

use crate::Result;
use crate::catalog::Catalog;
use crate::exemplars::ExemplarStore;
use crate::metadata::MetadataStore;
use crate::registry_log::RegistryLog;
use crate::state::StateStore;
use crate::tombstones::TombstoneFile;
use crate::wal::GroupSink;

/// What a batch changes once it is durable, and what must be durable before it.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) catalog: Catalog,
    pub(super) metadata: MetadataStore,
    pub(super) exemplars: ExemplarStore,
    pub(super) tombstones: TombstoneFile,
    pub(super) state: StateStore,
    pub(super) registry_log: RegistryLog,
}

/// What is committed to the log.
#[derive(Debug)]
pub(super) enum Change {
    Batch(Box<Admitted>),
    Deletion(Tombstone),
}

/// A batch of which everything may be stored.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    pub(super) batch: Batch,
    /// The series of each exemplar of the batch.
    pub(super) exemplar_series: Vec<Labels>,
}

impl Sink {
    /// Lets a change take effect.
    pub(super) fn take(&self, sequence: u64, change: Change) {
        match change {
            Change::Batch(admitted) => self.take_batch(sequence, *admitted),
            Change::Deletion(tombstone) => self.take_deletion(sequence, tombstone),
        }
    }

    fn take_deletion(&self, sequence: u64, tombstone: Tombstone) {
        let exemplars = &self.exemplars;
        exemplars.delete(sequence, &tombstone.matchers, tombstone.range);
        self.tombstones.note_change();
        self.catalog.edit(|snapshot| {
            snapshot.add_tombstone(Tombstone {
                seq: sequence,
                ..tombstone
            });
        });
        // So that the log lets go of the record some time.
        self.catalog.append(|rows| rows.note_sequence(sequence));
    }

    /// Makes a batch visible. What it says of metrics comes first, for who finds a series asks next what it is.
    fn take_batch(&self, sequence: u64, admitted: Admitted) {
        let Admitted {
            mut batch,
            exemplar_series,
        } = admitted;
        self.metadata.insert(std::mem::take(&mut batch.metadata));
        self.state
            .take(sequence, std::mem::take(&mut batch.state_changes));
        let exemplars = std::mem::take(&mut batch.exemplars);
        if !exemplars.is_empty() {
            let exemplars = exemplars.into_iter().map(|(_, exemplar)| exemplar);
            self.exemplars
                .insert(sequence, exemplar_series.into_iter().zip(exemplars));
        }
        self.catalog.append(|rows| {
            rows.note_sequence(sequence);
            rows.push(batch);
        });
    }
}

impl GroupSink<Change> for Sink {
    fn before_write(&self) -> Result<()> {
        self.registry_log.flush()
    }

    fn before_sync(&self) -> Result<()> {
        self.registry_log.sync()
    }

    fn apply(&self, group: &mut Vec<(u64, Change)>) {
        for (sequence, change) in group.drain(..) {
            self.take(sequence, change);
        }
    }
}
