//! What a database has done since it was opened, counted from any thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chronoxide_model::{RejectReason, WriteOutcome};
use parking_lot::Mutex;

use crate::Stats;
use crate::stats::TimingCounter;

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    series_created: AtomicU64,
    samples_accepted: AtomicU64,
    histograms_accepted: AtomicU64,
    exemplars_accepted: AtomicU64,
    exemplars_rejected: AtomicU64,
    writes_failed: AtomicU64,
    series_evicted: AtomicU64,
    partitions_dropped: AtomicU64,
    replayed_samples: AtomicU64,
    open_nanoseconds: AtomicU64,
    rejected: Mutex<BTreeMap<RejectReason, u64>>,
    pub(crate) flushes: TimingCounter,
    pub(crate) compactions: TimingCounter,
}

impl Counters {
    pub(crate) fn series_created(&self, series: usize) {
        self.series_created
            .fetch_add(series as u64, Ordering::Relaxed);
    }

    pub(crate) fn rejected(&self, reason: RejectReason, samples: u64) {
        *self.rejected.lock().entry(reason).or_default() += samples;
    }

    pub(crate) fn accepted(&self, outcome: &WriteOutcome) {
        self.samples_accepted
            .fetch_add(outcome.samples_accepted, Ordering::Relaxed);
        self.histograms_accepted
            .fetch_add(outcome.histograms_accepted, Ordering::Relaxed);
        self.exemplars_accepted
            .fetch_add(outcome.exemplars_accepted, Ordering::Relaxed);
    }

    /// Samples of either kind accepted.
    pub(crate) fn samples_accepted(&self) -> u64 {
        let floats = self.samples_accepted.load(Ordering::Relaxed);
        floats + self.histograms_accepted.load(Ordering::Relaxed)
    }

    pub(crate) fn exemplars_rejected(&self, exemplars: u64) {
        self.exemplars_rejected
            .fetch_add(exemplars, Ordering::Relaxed);
    }

    pub(crate) fn write_failed(&self) {
        self.writes_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn series_evicted(&self, series: usize) {
        self.series_evicted
            .fetch_add(series as u64, Ordering::Relaxed);
    }

    pub(crate) fn partition_dropped(&self) {
        self.partitions_dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn opened(&self, replayed_samples: u64, took: Duration) {
        self.replayed_samples
            .store(replayed_samples, Ordering::Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.open_nanoseconds.store(nanoseconds, Ordering::Relaxed);
    }

    /// Fills in the counters' fields.
    pub(crate) fn fill(&self, stats: &mut Stats) {
        stats.series_created_total = self.series_created.load(Ordering::Relaxed);
        stats.samples_accepted_total = self.samples_accepted.load(Ordering::Relaxed);
        stats.histograms_accepted_total = self.histograms_accepted.load(Ordering::Relaxed);
        stats.exemplars_accepted_total = self.exemplars_accepted.load(Ordering::Relaxed);
        stats.exemplars_rejected_total = self.exemplars_rejected.load(Ordering::Relaxed);
        stats.writes_failed_total = self.writes_failed.load(Ordering::Relaxed);
        stats.samples_rejected_total = self.rejected.lock().iter().map(|(r, n)| (*r, *n)).collect();
        stats.series_evicted_total = self.series_evicted.load(Ordering::Relaxed);
        stats.partitions_dropped_total = self.partitions_dropped.load(Ordering::Relaxed);
        stats.replayed_samples = self.replayed_samples.load(Ordering::Relaxed);
        stats.open_duration = Duration::from_nanos(self.open_nanoseconds.load(Ordering::Relaxed));
        stats.flushes = self.flushes.read();
        stats.compactions = self.compactions.read();
    }
}
