//! Counters, gauges and histograms that the server counts itself with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use super::family::Family;

/// A number that only rises.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that rises and falls.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicI64);

impl Gauge {
    /// Adds one, and takes it away again when the answer is dropped.
    pub(crate) fn raise(&self) -> RaisedGauge<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        RaisedGauge(self)
    }

    pub(crate) fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Keeps a [`Gauge`] one higher than without it.
#[derive(Debug)]
pub(crate) struct RaisedGauge<'a>(&'a Gauge);

impl Drop for RaisedGauge<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Upper bounds of the buckets of durations, in seconds.
const SECONDS_BOUNDS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

/// Durations, counted by length.
#[derive(Debug, Default)]
pub(crate) struct DurationHistogram(Mutex<Durations>);

#[derive(Clone, Copy, Debug, Default)]
struct Durations {
    /// Observations of each bucket alone; those above all bounds only in `count`.
    buckets: [u64; SECONDS_BOUNDS.len()],
    count: u64,
    sum_seconds: f64,
}

impl DurationHistogram {
    pub(crate) fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let mut durations = self.0.lock();
        if let Some(bucket) = SECONDS_BOUNDS.iter().position(|bound| seconds <= *bound) {
            durations.buckets[bucket] += 1;
        }
        durations.count += 1;
        durations.sum_seconds += seconds;
    }

    fn collect(&self, labels: &[(&'static str, String)], family: &mut Family) {
        let durations = *self.0.lock();
        let with_bound = |bound: String| {
            let mut labels = labels.to_vec();
            labels.push(("le", bound));
            labels
        };
        let mut below = 0;
        for (bound, count) in SECONDS_BOUNDS.iter().zip(durations.buckets) {
            below += count;
            family.push_suffixed("_bucket", with_bound(bound.to_string()), below as f64);
        }
        family.push_suffixed(
            "_bucket",
            with_bound("+Inf".to_owned()),
            durations.count as f64,
        );
        family.push_suffixed("_sum", labels.to_vec(), durations.sum_seconds);
        family.push_suffixed("_count", labels.to_vec(), durations.count as f64);
    }
}

/// One instrument for each combination of label values; the caller keeps the combinations few.
#[derive(Debug)]
pub(crate) struct Labelled<const N: usize, T> {
    names: [&'static str; N],
    members: RwLock<BTreeMap<[String; N], Arc<T>>>,
}

impl<const N: usize, T: Default> Labelled<N, T> {
    pub(crate) fn new(names: [&'static str; N]) -> Self {
        Self {
            names,
            members: RwLock::default(),
        }
    }

    /// The instrument of these label values.
    pub(crate) fn with(&self, values: [&str; N]) -> Arc<T> {
        let key = values.map(str::to_owned);
        if let Some(member) = self.members.read().get(&key) {
            return Arc::clone(member);
        }
        Arc::clone(self.members.write().entry(key).or_default())
    }

    fn each(&self, mut visit: impl FnMut(Vec<(&'static str, String)>, &T)) {
        for (values, member) in self.members.read().iter() {
            visit(
                self.names
                    .iter()
                    .copied()
                    .zip(values.iter().cloned())
                    .collect(),
                member,
            );
        }
    }
}

impl<const N: usize> Labelled<N, Counter> {
    pub(crate) fn collect(&self, family: &mut Family) {
        self.each(|labels, counter| family.push(labels, counter.value() as f64));
    }
}

impl<const N: usize> Labelled<N, DurationHistogram> {
    pub(crate) fn collect(&self, family: &mut Family) {
        self.each(|labels, histogram| histogram.collect(&labels, family));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chronoxide_model::MetricType;

    #[test]
    fn a_raised_gauge_falls_when_dropped() {
        let gauge = Gauge::default();
        let raised = gauge.raise();
        assert_eq!(gauge.value(), 1);
        drop(raised);
        assert_eq!(gauge.value(), 0);
    }

    #[test]
    fn buckets_are_cumulative_and_end_at_infinity() {
        let histograms: Labelled<1, DurationHistogram> = Labelled::new(["handler"]);
        for milliseconds in [1, 2, 70_000] {
            histograms
                .with(["/x"])
                .observe(Duration::from_millis(milliseconds));
        }
        let mut family = Family::new("d_seconds", MetricType::Histogram, "d");
        histograms.collect(&mut family);
        let value = |suffix: &str, le: Option<&str>| {
            let found = family.points.iter().find(|point| {
                point.suffix == suffix
                    && point
                        .labels
                        .iter()
                        .find(|(name, _)| *name == "le")
                        .map(|(_, bound)| bound.as_str())
                        == le
            });
            found.unwrap().value
        };
        assert_eq!(value("_bucket", Some("0.0005")), 0.0);
        assert_eq!(value("_bucket", Some("0.001")), 1.0);
        assert_eq!(value("_bucket", Some("60")), 2.0);
        assert_eq!(value("_bucket", Some("+Inf")), 3.0);
        assert_eq!(value("_count", None), 3.0);
    }
}
