//! Where the records of the write-ahead log take effect.

use chronoxide_format::wal_record::Batch;
use chronoxide_model::Labels;

use crate::Result;
use crate::catalog::Catalog;
use crate::exemplars::ExemplarStore;
use crate::metadata::MetadataStore;
use crate::registry_log::RegistryLog;
use crate::wal::GroupSink;

/// What a batch changes once it is durable, and what must be durable before it.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) catalog: Catalog,
    pub(super) metadata: MetadataStore,
    pub(super) exemplars: ExemplarStore,
    pub(super) registry_log: RegistryLog,
}

/// What is committed to the log.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    pub(super) batch: Batch,
    /// The series of each exemplar of the batch.
    pub(super) exemplar_series: Vec<Labels>,
}

impl Sink {
    /// Makes a batch visible. What it says of metrics comes first, for who finds a series asks next what it is.
    pub(super) fn take(&self, sequence: u64, admitted: Admitted) {
        let Admitted {
            mut batch,
            exemplar_series,
        } = admitted;
        self.metadata.insert(std::mem::take(&mut batch.metadata));
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

impl GroupSink<Admitted> for Sink {
    fn before_write(&self) -> Result<()> {
        self.registry_log.flush()
    }

    fn before_sync(&self) -> Result<()> {
        self.registry_log.sync()
    }

    fn apply(&self, group: &mut Vec<(u64, Admitted)>) {
        for (sequence, admitted) in group.drain(..) {
            self.take(sequence, admitted);
        }
    }
}
