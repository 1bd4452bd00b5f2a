//! What lies on disk, partition by partition.

use chronoxide_model::TimeRange;

use super::Database;

/// One partition: a stretch of time, usually a UTC day, that owns its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionStats {
    /// The times that the partition is for, whether it has samples at all of them or not.
    pub range: TimeRange,
    /// Immutable files with samples.
    pub parts: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Samples of either kind in these files; a sample written twice may count twice until a compaction.
    pub samples: u64,
}

impl Database {
    /// The partitions that have parts, oldest first. Samples that were not flushed yet are in none.
    #[must_use]
    pub fn partitions(&self) -> Vec<PartitionStats> {
        let snapshot = self.engine.sink.catalog.snapshot();
        let partitions = snapshot.partitions.iter();
        let stats = partitions.map(|(partition, parts)| PartitionStats {
            range: partition.range(),
            parts: parts.len() as u64,
            bytes: parts.iter().map(|part| part.summary().bytes).sum(),
            samples: parts.iter().map(|part| part.summary().samples).sum(),
        });
        stats.collect()
    }
}
