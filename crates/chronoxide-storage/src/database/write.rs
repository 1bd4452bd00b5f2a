//! A batch on its way in: which samples are admitted, and under which series ids.

use std::collections::HashMap;
use std::time::Instant;

use chronoxide_format::wal_record::Batch;
use chronoxide_model::{
    BatchSeries, BucketCounts, CanonicalKey, Exemplar, Histogram, HistogramCounts, Labels,
    METRIC_NAME, RejectReason, Rejection, TimeRange, WriteBatch, WriteOutcome,
};

use super::engine::Engine;
use super::sink::Admitted;
use crate::Result;
use crate::exemplars::has_short_labels;
use crate::registry::{Cursor, KeyHash, Registry, shortened};

/// A batch with room for this many samples.
fn with_capacity(samples: usize, histograms: usize) -> Batch {
    Batch {
        sids: Vec::with_capacity(samples),
        timestamps_ms: Vec::with_capacity(samples),
        values: Vec::with_capacity(samples),
        histogram_sids: Vec::with_capacity(histograms),
        histogram_timestamps_ms: Vec::with_capacity(histograms),
        histograms: Vec::with_capacity(histograms),
        ..Batch::default()
    }
}

/// Takes over the samples of one series that lie in the window and are valid.
fn push_samples(admitted: &mut Batch, sid: u32, series: &BatchSeries<'_>, window: TimeRange) {
    for (index, sample) in series.samples.iter().enumerate() {
        if !window.contains(sample.timestamp_ms) {
            continue;
        }
        let start = series.start_timestamps_ms.get(index).copied().unwrap_or(0);
        push_start(
            &mut admitted.start_timestamps_ms,
            admitted.sids.len(),
            start,
        );
        admitted.sids.push(sid);
        admitted.timestamps_ms.push(sample.timestamp_ms);
        admitted.values.push(sample.value);
    }
    for (timestamp_ms, start, histogram) in series.histograms() {
        if window.contains(timestamp_ms) && histogram.validate().is_ok() {
            let starts = &mut admitted.histogram_start_timestamps_ms;
            push_start(starts, admitted.histogram_sids.len(), start);
            admitted.histogram_sids.push(sid);
            admitted.histogram_timestamps_ms.push(timestamp_ms);
            admitted.histograms.push(tidied(histogram));
        }
    }
}

/// What a batch of which everything may be stored comes to.
fn all_of(admitted: Batch) -> (Admitted, WriteOutcome) {
    let outcome = WriteOutcome {
        samples_accepted: admitted.sids.len() as u64,
        histograms_accepted: admitted.histograms.len() as u64,
        ..WriteOutcome::default()
    };
    let admitted = Admitted {
        batch: admitted,
        ..Admitted::default()
    };
    (admitted, outcome)
}

/// Whether any sample of one series lies in the window and is valid.
fn has_storable(series: &BatchSeries<'_>, window: TimeRange) -> bool {
    let mut floats = series.samples.iter();
    floats.any(|sample| window.contains(sample.timestamp_ms))
        || series.histograms().any(|(timestamp_ms, _, histogram)| {
            window.contains(timestamp_ms) && histogram.validate().is_ok()
        })
}

/// Whether an exemplar of a known series may be stored.
fn is_storable(exemplar: &Exemplar, window: TimeRange) -> bool {
    window.contains(exemplar.timestamp_ms) && has_short_labels(exemplar)
}

/// Appends a start time to a column that stays empty as long as none is known; `len` samples came before.
fn push_start(starts: &mut Vec<i64>, len: usize, start: i64) {
    if start != 0 || !starts.is_empty() {
        starts.resize(len, 0);
        starts.push(start);
    }
}

/// A stale marker needs nothing but its sum, and need not be valid beyond it.
fn tidied(histogram: &Histogram) -> Histogram {
    if !histogram.is_stale() {
        return histogram.clone();
    }
    Histogram {
        counter_reset_hint: histogram.counter_reset_hint,
        schema: 0,
        zero_threshold: 0.0,
        sum: histogram.sum,
        positive_spans: Vec::new(),
        negative_spans: Vec::new(),
        counts: HistogramCounts::Float(BucketCounts::default()),
        custom_bounds: std::sync::Arc::default(),
    }
}

/// Stands for a series without an id: its samples are not stored.
pub(super) const NO_SERIES: u32 = u32::MAX;

impl Engine {
    /// Finds or makes the series of a batch, and takes from it what may be stored.
    pub(super) fn admit(&self, batch: &WriteBatch<'_>) -> Result<(Admitted, WriteOutcome)> {
        let window = self.admission_window();
        if let Some(admitted) = self.admit_known(batch, window) {
            return Ok(admitted);
        }
        self.admit_each(batch, window)
    }

    /// As [`Engine::admit`], for any batch.
    pub(super) fn admit_each(
        &self,
        batch: &WriteBatch<'_>,
        window: TimeRange,
    ) -> Result<(Admitted, WriteOutcome)> {
        let mut outcome = WriteOutcome::default();
        let mut sids = Vec::with_capacity(batch.series_count());
        let all_known = self.find_series(batch, &mut sids);
        if !all_known {
            self.make_series(batch, window, &mut sids, &mut outcome)?;
        }
        if batch.refuses_repeats() {
            self.refuse_repeats(batch, &mut sids, &mut outcome);
        }
        let mut admitted = with_capacity(batch.sample_count(), batch.histogram_count());
        for (index, (series, sid)) in batch.series().zip(&sids).enumerate() {
            if *sid == NO_SERIES {
                continue;
            }
            let before = (admitted.sids.len(), admitted.histograms.len());
            push_samples(&mut admitted, *sid, &series, window);
            let floats = admitted.sids.len() - before.0;
            let histograms = admitted.histograms.len() - before.1;
            if floats + histograms < series.sample_count() {
                let text = text_of(&self.registry.read().labels(*sid));
                self.reject_samples(&text, &series, window, &mut outcome);
                outcome.series_rejected.push(index);
            }
            outcome.samples_accepted += floats as u64;
            outcome.histograms_accepted += histograms as u64;
        }
        let mut admitted = Admitted {
            batch: admitted,
            ..Admitted::default()
        };
        if batch.exemplar_count() > 0 {
            self.admit_exemplars(batch, &sids, window, &mut admitted, &mut outcome);
        }
        Ok((admitted, outcome))
    }

    /// Takes from a batch what may be stored, if that is everything and all its series are known: what nearly all batches
    /// are like. `None` says nothing.
    pub(super) fn admit_known(
        &self,
        batch: &WriteBatch<'_>,
        window: TimeRange,
    ) -> Option<(Admitted, WriteOutcome)> {
        if batch.exemplar_count() > 0 || batch.refuses_repeats() {
            return None;
        }
        let mut admitted = with_capacity(batch.sample_count(), batch.histogram_count());
        let registry = self.registry.read();
        let mut cursor = Cursor::START;
        if registry.hasher().hashed(batch)
            && let Some(samples) = batch.single_samples()
        {
            for (hash, sample) in samples {
                let sid = registry.find(hash.into(), &mut cursor)?;
                if !window.contains(sample.timestamp_ms) {
                    return None;
                }
                admitted.sids.push(sid);
                admitted.timestamps_ms.push(sample.timestamp_ms);
                admitted.values.push(sample.value);
            }
            return Some(all_of(admitted));
        }
        let hash_of = registry.hasher().of_batch(batch);
        for series in batch.series() {
            let sid = registry.find(hash_of(&series), &mut cursor)?;
            let before = admitted.sids.len() + admitted.histograms.len();
            push_samples(&mut admitted, sid, &series, window);
            if admitted.sids.len() + admitted.histograms.len() < before + series.sample_count() {
                return None;
            }
        }
        Some(all_of(admitted))
    }

    /// Takes over the exemplars that may be stored and are not stored yet.
    fn admit_exemplars(
        &self,
        batch: &WriteBatch<'_>,
        sids: &[u32],
        window: TimeRange,
        admitted: &mut Admitted,
        outcome: &mut WriteOutcome,
    ) {
        let store = &self.sink.exemplars;
        for (series, sid) in batch.series().zip(sids) {
            if *sid == NO_SERIES || series.exemplars.is_empty() || !store.is_on() {
                continue;
            }
            let labels = self.registry.read().labels(*sid);
            for exemplar in series.exemplars {
                if !is_storable(exemplar, window) {
                    continue;
                }
                outcome.exemplars_accepted += 1;
                if !store.has(&labels, exemplar) {
                    admitted.batch.exemplars.push((*sid, exemplar.clone()));
                    admitted.exemplar_series.push(labels.clone());
                }
            }
        }
        let rejected = batch.exemplar_count() as u64 - outcome.exemplars_accepted;
        self.counters.exemplars_rejected(rejected);
    }

    /// Looks up every series; whether all were found.
    fn find_series(&self, batch: &WriteBatch<'_>, sids: &mut Vec<u32>) -> bool {
        let registry = self.registry.read();
        let hash_of = registry.hasher().of_batch(batch);
        let mut cursor = Cursor::START;
        let mut all_known = true;
        for series in batch.series() {
            let found = registry.find(hash_of(&series), &mut cursor);
            all_known &= found.is_some();
            sids.push(found.unwrap_or(NO_SERIES));
        }
        all_known
    }

    /// Makes the series that are not known yet, durably, and fills in their ids. What has bad labels or no sample that
    /// may be stored stays without.
    fn make_series(
        &self,
        batch: &WriteBatch<'_>,
        window: TimeRange,
        sids: &mut [u32],
        outcome: &mut WriteOutcome,
    ) -> Result<()> {
        let _creation = self.creation.lock();
        let mut fresh = FreshSeries::default();
        {
            let registry = self.registry.read();
            let mut free_ids = registry.free_ids();
            for (index, (series, sid)) in batch.series().zip(sids.iter_mut()).enumerate() {
                let brings_nothing = series.sample_count() == 0 && series.exemplars.is_empty();
                if *sid != NO_SERIES || brings_nothing {
                    continue;
                }
                if !has_storable(&series, window) && !self.has_storable_exemplar(&series, window) {
                    self.reject_whole(&series, window, outcome);
                } else {
                    match self.identify(&registry, &mut fresh, &mut free_ids, &series) {
                        Ok(found) => *sid = found,
                        Err(rejection) => self.reject(rejection, outcome),
                    }
                }
                if *sid == NO_SERIES {
                    outcome.series_rejected.push(index);
                }
            }
            if let Some(line) = self.refusals.line(Instant::now(), &registry) {
                line.log();
            }
        }
        self.log_series(&mut fresh)?;
        let mut registry = self.registry.write();
        for (sid, labels, hash) in &fresh.series {
            registry.insert(*sid, labels, *hash);
        }
        for (hash, sid) in &fresh.aliases {
            registry.insert_alias(*hash, *sid);
        }
        drop(registry);
        self.counters.series_created(fresh.series.len());
        self.churn
            .add(fresh.series.len() as u64, self.clock.now_ms());
        Ok(())
    }

    fn has_storable_exemplar(&self, series: &BatchSeries<'_>, window: TimeRange) -> bool {
        let mut exemplars = series.exemplars.iter();
        self.sink.exemplars.is_on() && exemplars.any(|exemplar| is_storable(exemplar, window))
    }

    /// Hands new series to the registry log, which makes them durable before any record that mentions them.
    fn log_series(&self, fresh: &mut FreshSeries) -> Result<()> {
        for (sid, labels, _) in &fresh.series {
            fresh.key.clear();
            CanonicalKey::encode(labels, &mut fresh.key);
            self.sink.registry_log.append(*sid, &fresh.key)?;
        }
        Ok(())
    }

    /// The id of one series not found at first: another request made it meanwhile, or its key is a new one of a known
    /// series, or it is new.
    fn identify(
        &self,
        registry: &Registry,
        fresh: &mut FreshSeries,
        free_ids: &mut impl Iterator<Item = u32>,
        series: &BatchSeries<'_>,
    ) -> Result<u32, Rejection> {
        let hash = registry.hasher().key(series.key);
        if let Some(sid) = fresh.find(registry, hash) {
            return Ok(sid);
        }
        let labels = self.labels_of(series)?;
        let canonical = registry.canonical_hash(&labels, &mut fresh.key);
        let sid = match fresh.find(registry, canonical) {
            Some(sid) => sid,
            None => {
                if let Some(limit) = self.limit_reached(registry, fresh) {
                    let metric = labels.get(METRIC_NAME).unwrap_or_default();
                    self.refusals.note(metric, registry, &limit);
                    return Err(no_room(&labels, &limit, series));
                }
                let sid = free_ids.next().expect("there are fewer series than ids");
                fresh.add(sid, labels, canonical);
                sid
            }
        };
        if hash != canonical {
            fresh.alias(hash, sid);
        }
        Ok(sid)
    }

    /// The labels of a series, if they are good.
    fn labels_of(&self, series: &BatchSeries<'_>) -> Result<Labels, Rejection> {
        let samples = series.sample_count();
        let labels = series.key.decode().map_err(|error| {
            let text = shortened(&series.key.describe(), SERIES_TEXT_BYTES);
            rejection(
                &text,
                RejectReason::from(&error),
                error.to_string(),
                samples,
            )
        })?;
        match self.limits.broken(&labels) {
            Some((reason, detail)) => Err(rejection(&text_of(&labels), reason, detail, samples)),
            None => Ok(labels),
        }
    }

    /// What stands against one more series, if anything.
    fn limit_reached(&self, registry: &Registry, fresh: &FreshSeries) -> Option<String> {
        let active = registry.len() + fresh.series.len();
        if active >= self.options.series_max as usize {
            let limit = self.options.series_max;
            return Some(format!(
                "there are {active} active series and the limit is {limit}"
            ));
        }
        let bytes = registry.memory_bytes() + fresh.memory_bytes();
        if let Some(limit) = self
            .options
            .series_bytes_max
            .filter(|limit| bytes >= *limit)
        {
            return Some(format!(
                "the {active} active series take {bytes} bytes of memory and the limit is {limit}"
            ));
        }
        let is_full = registry.is_full_for(fresh.labels_bytes + fresh.key.len());
        is_full.then(|| {
            format!("the labels of the {active} active series are all that can be addressed")
        })
    }

    /// Refuses a series of which no sample may be stored, without making it.
    fn reject_whole(
        &self,
        series: &BatchSeries<'_>,
        window: TimeRange,
        outcome: &mut WriteOutcome,
    ) {
        match self.labels_of(series) {
            Ok(labels) => self.reject_samples(&text_of(&labels), series, window, outcome),
            Err(rejection) => self.reject(rejection, outcome),
        }
    }

    /// Counts and describes the samples of one series that lie outside the window or are no valid histograms.
    fn reject_samples(
        &self,
        text: &str,
        series: &BatchSeries<'_>,
        window: TimeRange,
        outcome: &mut WriteOutcome,
    ) {
        let times = || {
            let floats = series.samples.iter().map(|sample| sample.timestamp_ms);
            floats.chain(series.histograms().map(|(timestamp_ms, ..)| timestamp_ms))
        };
        let too_old = || times().filter(|time| *time < window.min_ms());
        if let Some(example) = too_old().next() {
            let detail = format!(
                "sample at {example} ms is older than retention, which reaches back to {} ms",
                window.min_ms()
            );
            let rejection = rejection(text, RejectReason::TooOld, detail, too_old().count());
            self.reject(rejection, outcome);
        }
        let too_new = || times().filter(|time| *time > window.max_ms());
        if let Some(example) = too_new().next() {
            let detail = format!(
                "sample at {example} ms lies beyond the future limit, {} ms: check the sender's clock",
                window.max_ms()
            );
            let rejection = rejection(
                text,
                RejectReason::TooFarInFuture,
                detail,
                too_new().count(),
            );
            self.reject(rejection, outcome);
        }
        let invalid = series
            .histograms()
            .filter(|(timestamp_ms, ..)| window.contains(*timestamp_ms))
            .filter_map(|(timestamp_ms, _, histogram)| {
                Some((timestamp_ms, histogram.validate().err()?))
            });
        let invalid: Vec<_> = invalid.collect();
        if let Some((timestamp_ms, error)) = invalid.first() {
            let detail = format!("sample at {timestamp_ms} ms: {error}");
            self.reject(
                rejection(text, RejectReason::InvalidHistogram, detail, invalid.len()),
                outcome,
            );
        }
    }

    /// Counts a rejection. A series of exemplars alone is refused for bad labels only: that there is no room for it is
    /// no fault of its sender.
    pub(super) fn reject(&self, rejection: Rejection, outcome: &mut WriteOutcome) {
        if rejection.samples == 0 && rejection.reason == RejectReason::SeriesLimit {
            return;
        }
        self.counters.rejected(rejection.reason, rejection.samples);
        outcome.reject(rejection);
    }
}

fn no_room(labels: &Labels, limit: &str, series: &BatchSeries<'_>) -> Rejection {
    let detail = format!(
        "{limit}: drop labels with many values at the sender or raise the limit; known series go on"
    );
    rejection(
        &text_of(labels),
        RejectReason::SeriesLimit,
        detail,
        series.sample_count(),
    )
}

/// A label set as it stands in messages.
pub(super) fn text_of(labels: &Labels) -> String {
    shortened(&labels.to_string(), SERIES_TEXT_BYTES)
}

pub(super) fn rejection(
    series: &str,
    reason: RejectReason,
    detail: String,
    samples: usize,
) -> Rejection {
    Rejection {
        series: series.to_owned(),
        reason,
        detail,
        samples: samples as u64,
    }
}

/// Labels in messages are cut to this.
const SERIES_TEXT_BYTES: usize = 256;

/// Bytes of a series in the registry besides its labels' texts.
const FRESH_SERIES_BYTES: usize = 150;

/// Series and keys that a batch brings for the first time.
#[derive(Debug, Default)]
struct FreshSeries {
    series: Vec<(u32, Labels, KeyHash)>,
    aliases: Vec<(KeyHash, u32)>,
    by_hash: HashMap<KeyHash, u32>,
    labels_bytes: usize,
    /// Scratch space for canonical keys.
    key: Vec<u8>,
}

impl FreshSeries {
    /// The series that `hash` stands for, known before or new.
    fn find(&self, registry: &Registry, hash: KeyHash) -> Option<u32> {
        let known = registry.find_alone(hash);
        known.or_else(|| self.by_hash.get(&hash).copied())
    }

    /// Adds a series whose canonical key is in `key`.
    fn add(&mut self, sid: u32, labels: Labels, canonical: KeyHash) {
        self.labels_bytes += self.key.len();
        self.by_hash.insert(canonical, sid);
        self.series.push((sid, labels, canonical));
    }

    /// Bytes that the new series will take in the registry, roughly.
    fn memory_bytes(&self) -> usize {
        self.series.len() * FRESH_SERIES_BYTES + self.labels_bytes
    }

    fn alias(&mut self, hash: KeyHash, sid: u32) {
        self.by_hash.insert(hash, sid);
        self.aliases.push((hash, sid));
    }
}
