//! Numbers about a database, for metrics and status pages.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chronoxide_model::RejectReason;

use crate::RejectedSeries;

/// What a database holds and what it has done since it was opened.
///
/// Fields that end in `_total` only grow while the database is open.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Active series.
    pub series: u64,
    /// Active series allowed.
    pub series_max: u64,
    /// Series seen for the first time.
    pub series_created_total: u64,
    /// Series that left the active ones because they were idle.
    pub series_evicted_total: u64,
    /// New series that were refused, by metric: the first few metrics, then all others together.
    pub series_rejected_total: Vec<RejectedSeries>,
    /// Samples in memory that are in no part yet.
    pub head_samples: u64,
    /// Bytes these samples take in memory, and pages kept for those to come.
    pub head_bytes: u64,
    /// Bytes the table of active series takes in memory, roughly.
    pub registry_bytes: u64,
    /// Bytes of memory that caches of parts take: decoded timestamp columns, answers of matchers.
    pub cache_bytes: u64,
    /// Time of the newest sample, Unix milliseconds, if there is one.
    pub newest_sample_ms: Option<i64>,
    /// Time of the oldest sample, Unix milliseconds, if there is one.
    pub oldest_sample_ms: Option<i64>,
    /// Bytes of the write-ahead log on disk, without the zeroes that follow the records of files written since the start.
    pub wal_bytes: u64,
    /// Files of the write-ahead log on disk.
    pub wal_segments: u64,
    /// Immutable files with samples.
    pub parts: u64,
    /// Bytes of these files.
    pub parts_bytes: u64,
    /// Samples of either kind in these files; a sample written twice may count twice until a compaction.
    pub parts_samples: u64,
    /// Chunks of these samples.
    pub parts_chunks: u64,
    /// Files among them in which damage was found; queries that need what is damaged fail.
    pub parts_damaged: u64,
    /// Pages of these files that were found damaged.
    pub pages_damaged: u64,
    /// Partitions that have parts: UTC days, or shorter or longer stretches when retention is short or long.
    pub partitions: u64,
    /// Bytes left on the file system, as last seen.
    pub disk_free_bytes: u64,
    /// Whether writes are refused because the disk is full.
    pub out_of_space: bool,
    /// Float samples accepted.
    pub samples_accepted_total: u64,
    /// Histogram samples accepted.
    pub histograms_accepted_total: u64,
    /// Samples of either kind refused, by reason; reasons that never occurred are left out.
    pub samples_rejected_total: Vec<(RejectReason, u64)>,
    /// Deletions that parts have not been rid of yet.
    pub tombstones: u64,
    /// Bytes that types, help and units of metrics take in memory, roughly.
    pub metadata_bytes: u64,
    /// Entries on type and help of metrics that there was no room for.
    pub metadata_rejected_total: u64,
    /// Exemplars kept.
    pub exemplars: u64,
    /// Bytes they take in memory, roughly.
    pub exemplar_bytes: u64,
    /// Exemplars accepted.
    pub exemplars_accepted_total: u64,
    /// Exemplars refused: labels too long, a time outside the window, or a series that was refused.
    pub exemplars_rejected_total: u64,
    /// Exemplars dropped to make room for newer ones.
    pub exemplars_evicted_total: u64,
    /// Batches refused as a whole by an error.
    pub writes_failed_total: u64,
    /// Syncs of the write-ahead log.
    pub wal_syncs: Timings,
    /// Flushes of the head to parts.
    pub flushes: Timings,
    /// Compactions of parts.
    pub compactions: Timings,
    /// Partitions dropped by retention.
    pub partitions_dropped_total: u64,
    /// Damaged or unlisted files set aside.
    pub files_quarantined_total: u64,
    /// Samples read back from the write-ahead log when the database was opened.
    pub replayed_samples: u64,
    /// How long opening took.
    pub open_duration: Duration,
}

/// How often something was done, how often it failed, and how long it took in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// How often it was done, failures included.
    pub total: u64,
    /// How often it failed.
    pub failures_total: u64,
    /// How long it took, summed up.
    pub duration_total: Duration,
}

/// A [`Timings`] that many threads add to.
#[derive(Debug, Default)]
pub(crate) struct TimingCounter {
    total: AtomicU64,
    failures: AtomicU64,
    nanoseconds: AtomicU64,
}

impl TimingCounter {
    pub(crate) fn add(&self, duration: Duration, succeeded: bool) {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.failures
            .fetch_add(u64::from(!succeeded), Ordering::Relaxed);
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Timings {
        Timings {
            total: self.total.load(Ordering::Relaxed),
            failures_total: self.failures.load(Ordering::Relaxed),
            duration_total: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timings_add_up() {
        let counter = TimingCounter::default();
        counter.add(Duration::from_millis(2), true);
        counter.add(Duration::from_millis(3), false);
        let expected = Timings {
            total: 2,
            failures_total: 1,
            duration_total: Duration::from_millis(5),
        };
        assert_eq!(counter.read(), expected);
    }
}
