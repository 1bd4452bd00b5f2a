//! Where the records of the write-ahead log take effect.

use chronoxide_format::wal_record::Batch;

use crate::Result;
use crate::catalog::Catalog;
use crate::metadata::MetadataStore;
use crate::registry_log::RegistryLog;
use crate::wal::GroupSink;

/// What a batch changes once it is durable, and what must be durable before it.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) catalog: Catalog,
    pub(super) metadata: MetadataStore,
    pub(super) registry_log: RegistryLog,
}

impl Sink {
    /// Makes a batch visible. What it says of metrics comes first, for who finds a series asks next what it is.
    pub(super) fn take(&self, sequence: u64, mut batch: Batch) {
        self.metadata.insert(std::mem::take(&mut batch.metadata));
        self.catalog.append(|rows| {
            rows.note_sequence(sequence);
            rows.push(batch);
        });
    }
}

impl GroupSink<Batch> for Sink {
    fn before_write(&self) -> Result<()> {
        self.registry_log.flush()
    }

    fn before_sync(&self) -> Result<()> {
        self.registry_log.sync()
    }

    fn apply(&self, group: &mut Vec<(u64, Batch)>) {
        for (sequence, batch) in group.drain(..) {
            self.take(sequence, batch);
        }
    }
}
