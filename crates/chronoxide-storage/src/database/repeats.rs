//! Series that stand in one batch more than once, under one key or under several.

use chronoxide_model::{BatchSeries, Histogram, RejectReason, WriteBatch, WriteOutcome};

use super::engine::Engine;
use super::write::{NO_SERIES, rejection, text_of};

/// One sample of a series that may stand in the batch again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    sid: u32,
    timestamp_ms: i64,
    /// Of the series in the batch.
    index: usize,
}

/// A sample of either kind.
#[derive(Clone, Copy, Debug)]
enum Value<'b> {
    Float(f64),
    Histogram(&'b Histogram),
}

impl Value<'_> {
    fn is_same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            // Sums may be NaN, which is never equal to itself.
            (Self::Histogram(a), Self::Histogram(b)) => {
                (a.is_stale() && b.is_stale())
                    || (a.sum.to_bits() == b.sum.to_bits()
                        && with_sum_of_zero(a) == with_sum_of_zero(b))
            }
            _ => false,
        }
    }
}

fn with_sum_of_zero(histogram: &Histogram) -> Histogram {
    Histogram {
        sum: 0.0,
        ..histogram.clone()
    }
}

impl Engine {
    /// Refuses series of the batch that have another value at a time than an earlier one with the same id.
    pub(super) fn refuse_repeats(
        &self,
        batch: &WriteBatch<'_>,
        sids: &mut [u32],
        outcome: &mut WriteOutcome,
    ) {
        // Senders mostly send in the same order, which is the order of ids, given at first sight.
        if sids.is_sorted_by(|a, b| a < b) {
            return;
        }
        let mut places = places(batch, sids);
        places.sort_unstable();
        let mut refused = Vec::new();
        for same in places.chunk_by(|a, b| (a.sid, a.timestamp_ms) == (b.sid, b.timestamp_ms)) {
            let [first, others @ ..] = same else {
                continue;
            };
            let others = others.iter();
            let others = others.filter(|other| !is_repetition(batch, *first, **other));
            refused.extend(others.map(|other| (other.index, other.timestamp_ms)));
        }
        refused.sort_unstable();
        refused.dedup_by_key(|(index, _)| *index);
        for (index, timestamp_ms) in refused {
            self.refuse_repeat(batch, sids[index], index, timestamp_ms, outcome);
            sids[index] = NO_SERIES;
        }
    }

    fn refuse_repeat(
        &self,
        batch: &WriteBatch<'_>,
        sid: u32,
        index: usize,
        timestamp_ms: i64,
        outcome: &mut WriteOutcome,
    ) {
        let text = text_of(&self.registry.read().labels(sid));
        let detail = format!(
            "a second value at {timestamp_ms} ms in one request; if two sources share these labels, tell them apart by \
             one more"
        );
        let samples = batch
            .nth_series(index)
            .map_or(0, |series| series.sample_count());
        self.reject(
            rejection(&text, RejectReason::Duplicate, detail, samples),
            outcome,
        );
        outcome.series_rejected.push(index);
    }
}

fn places(batch: &WriteBatch<'_>, sids: &[u32]) -> Vec<Place> {
    let mut places = Vec::with_capacity(batch.sample_count() + batch.histogram_count());
    for (index, (series, sid)) in batch.series().zip(sids).enumerate() {
        if *sid == NO_SERIES {
            continue;
        }
        let place = |timestamp_ms| Place {
            sid: *sid,
            timestamp_ms,
            index,
        };
        let floats = series.samples.iter().map(|sample| sample.timestamp_ms);
        places.extend(floats.map(place));
        places.extend(series.histograms().map(|(time_ms, ..)| place(time_ms)));
    }
    places
}

fn is_repetition(batch: &WriteBatch<'_>, first: Place, other: Place) -> bool {
    let value = |place: Place| value_at(batch.nth_series(place.index)?, place.timestamp_ms);
    match (value(first), value(other)) {
        (Some(first), Some(other)) => first.is_same(other),
        _ => false,
    }
}

fn value_at(series: BatchSeries<'_>, timestamp_ms: i64) -> Option<Value<'_>> {
    let mut samples = series.samples.iter();
    if let Some(sample) = samples.find(|sample| sample.timestamp_ms == timestamp_ms) {
        return Some(Value::Float(sample.value));
    }
    let mut histograms = series.histograms();
    let found = histograms.find(|(time_ms, ..)| *time_ms == timestamp_ms);
    found.map(|(_, _, histogram)| Value::Histogram(histogram))
}
