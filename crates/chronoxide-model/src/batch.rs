//! A batch of samples on its way into storage.

use std::convert::Infallible;
use std::sync::Arc;

use crate::{CanonicalKey, HashKeys, Histogram, KeyEncoding, Labels, Metadata, Sample, SeriesKey};

/// Series with their samples, plus metadata of metrics: the one thing that crosses into storage.
///
/// Samples stand in columns; each series owns a stretch of each column. Keys are borrowed from the request's bytes
/// where a protocol pushes them so, or kept by the batch.
///
/// ```
/// use chronoxide_model::{Labels, WriteBatch};
///
/// let mut batch = WriteBatch::new();
/// batch.push(Labels::from_pairs([("__name__", "temperature_celsius"), ("room", "lab")])?, 1_700_000_000_000, 21.5);
/// assert_eq!(batch.sample_count(), 1);
/// # Ok::<(), chronoxide_model::LabelsError>(())
/// ```
#[derive(Debug, Default)]
pub struct WriteBatch<'a> {
    series: Vec<SeriesEntry<'a>>,
    owned_keys: Vec<u8>,
    samples: Vec<Sample>,
    /// Empty, or one for each sample; 0 for unknown.
    start_timestamps_ms: Vec<i64>,
    histograms: Vec<HistogramEntry>,
    exemplars: Vec<Exemplar>,
    metadata: Vec<(String, Metadata)>,
    state_changes: Vec<Vec<u8>>,
    refuses_repeats: bool,
    hasher: Option<Arc<dyn HashKeys>>,
}

#[derive(Debug)]
struct SeriesEntry<'a> {
    key: KeyBytes<'a>,
    /// By the batch's hasher, if it has one.
    hash: u128,
    encoding: &'static dyn KeyEncoding,
    samples_start: usize,
    histograms_start: usize,
    exemplars_start: usize,
}

#[derive(Debug)]
enum KeyBytes<'a> {
    Borrowed(&'a [u8]),
    /// A stretch of `owned_keys`.
    Owned(usize, usize),
}

impl KeyBytes<'_> {
    #[inline]
    fn bytes<'b>(&'b self, owned: &'b [u8]) -> &'b [u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(start, end) => &owned[*start..*end],
        }
    }
}

#[derive(Debug)]
struct HistogramEntry {
    timestamp_ms: i64,
    start_timestamp_ms: i64,
    histogram: Histogram,
}

/// An example observation attached to a series, often with the trace that made it.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Labels of the exemplar itself, such as `trace_id`.
    pub labels: Labels,
    /// Unix time in milliseconds.
    pub timestamp_ms: i64,
    /// The observed value.
    pub value: f64,
}

/// One series of a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchSeries<'b> {
    /// Stands for the labels.
    pub key: SeriesKey<'b>,
    /// The key's hash by [`WriteBatch::hasher`], if there is one.
    pub key_hash: Option<u128>,
    /// Float samples, in the sender's order.
    pub samples: &'b [Sample],
    /// Start times of the samples: empty when none is known, otherwise one for each sample with 0 for unknown.
    pub start_timestamps_ms: &'b [i64],
    histograms: &'b [HistogramEntry],
    /// Exemplars, in the sender's order.
    pub exemplars: &'b [Exemplar],
}

impl<'b> BatchSeries<'b> {
    /// Histogram samples in the sender's order: time, start time (0 when unknown), histogram.
    pub fn histograms(&self) -> impl ExactSizeIterator<Item = (i64, i64, &'b Histogram)> + use<'b> {
        self.histograms.iter().map(|entry| {
            (
                entry.timestamp_ms,
                entry.start_timestamp_ms,
                &entry.histogram,
            )
        })
    }

    /// How many samples of either kind the series brings.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        self.samples.len() + self.histograms.len()
    }
}

impl<'a> WriteBatch<'a> {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch that hashes its keys on the way, for the storage whose hasher this is.
    #[must_use]
    pub fn hashed_by(hasher: Arc<dyn HashKeys>) -> Self {
        Self {
            hasher: Some(hasher),
            ..Self::default()
        }
    }

    /// What the keys are hashed by.
    #[must_use]
    pub fn hasher(&self) -> Option<&Arc<dyn HashKeys>> {
        self.hasher.as_ref()
    }

    /// Makes room for so many more series with a float sample each.
    pub fn reserve(&mut self, series: usize) {
        self.series.reserve(series);
        self.samples.reserve(series);
    }

    /// Adds one float sample of the series `labels`.
    pub fn push(&mut self, labels: impl AsRef<Labels>, timestamp_ms: i64, value: f64) {
        self.start_series(labels.as_ref());
        self.push_sample(Sample::new(timestamp_ms, value));
    }

    /// Begins a series known by its labels; what is pushed next belongs to it.
    pub fn start_series(&mut self, labels: &Labels) {
        self.start_series_written(&CanonicalKey, |key| CanonicalKey::encode(labels, key));
    }

    /// Begins a series known by a key whose bytes outlive the batch; what is pushed next belongs to it.
    pub fn start_series_borrowed(&mut self, key: &'a [u8], encoding: &'static dyn KeyEncoding) {
        self.start_entry(KeyBytes::Borrowed(key), encoding);
    }

    /// Begins a series known by a key that the batch copies; what is pushed next belongs to it.
    pub fn start_series_copied(&mut self, key: &[u8], encoding: &'static dyn KeyEncoding) {
        self.start_series_written(encoding, |own| own.extend_from_slice(key));
    }

    /// Begins a series known by a key that `write` appends to the batch's own bytes; what is pushed next belongs to it.
    pub fn start_series_written(
        &mut self,
        encoding: &'static dyn KeyEncoding,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let written: Result<(), Infallible> = self.try_start_series_written(encoding, |key| {
            write(key);
            Ok(())
        });
        match written {
            Ok(()) => {}
        }
    }

    /// The same, unless `write` fails: then nothing has begun.
    ///
    /// # Errors
    /// That of `write`.
    pub fn try_start_series_written<E>(
        &mut self,
        encoding: &'static dyn KeyEncoding,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.owned_keys.len();
        if let Err(error) = write(&mut self.owned_keys) {
            self.owned_keys.truncate(start);
            return Err(error);
        }
        self.start_entry(KeyBytes::Owned(start, self.owned_keys.len()), encoding);
        Ok(())
    }

    fn start_entry(&mut self, key: KeyBytes<'a>, encoding: &'static dyn KeyEncoding) {
        let hash = self.hasher.as_ref().map_or(0, |hasher| {
            let bytes = key.bytes(&self.owned_keys);
            hasher.hash(SeriesKey { bytes, encoding })
        });
        self.series.push(SeriesEntry {
            key,
            hash,
            encoding,
            samples_start: self.samples.len(),
            histograms_start: self.histograms.len(),
            exemplars_start: self.exemplars.len(),
        });
    }

    /// Adds a float sample to the series begun last.
    ///
    /// # Panics
    /// When no series has been begun.
    pub fn push_sample(&mut self, sample: Sample) {
        assert!(!self.series.is_empty(), "a sample needs a series");
        if !self.start_timestamps_ms.is_empty() {
            self.start_timestamps_ms.push(0);
        }
        self.samples.push(sample);
    }

    /// Adds a float sample with a start time (Unix milliseconds, 0 when unknown) to the series begun last.
    ///
    /// # Panics
    /// When no series has been begun.
    pub fn push_sample_started(&mut self, sample: Sample, start_timestamp_ms: i64) {
        assert!(!self.series.is_empty(), "a sample needs a series");
        if start_timestamp_ms != 0 || !self.start_timestamps_ms.is_empty() {
            self.start_timestamps_ms.resize(self.samples.len(), 0);
            self.start_timestamps_ms.push(start_timestamp_ms);
        }
        self.samples.push(sample);
    }

    /// Adds a histogram sample (start time 0 when unknown) to the series begun last.
    ///
    /// # Panics
    /// When no series has been begun.
    pub fn push_histogram(
        &mut self,
        timestamp_ms: i64,
        start_timestamp_ms: i64,
        histogram: Histogram,
    ) {
        assert!(!self.series.is_empty(), "a sample needs a series");
        self.histograms.push(HistogramEntry {
            timestamp_ms,
            start_timestamp_ms,
            histogram,
        });
    }

    /// Adds an exemplar to the series begun last.
    ///
    /// # Panics
    /// When no series has been begun.
    pub fn push_exemplar(&mut self, exemplar: Exemplar) {
        assert!(!self.series.is_empty(), "an exemplar needs a series");
        self.exemplars.push(exemplar);
    }

    /// Adds what is known of metric `name`.
    pub fn push_metadata(&mut self, name: impl Into<String>, metadata: Metadata) {
        self.metadata.push((name.into(), metadata));
    }

    /// Adds a change of the application's own state, which is stored if and only if the batch is: no crash leaves one without
    /// the other. Storage hands it back when the database is opened, and does not look into it.
    pub fn push_state(&mut self, change: impl Into<Vec<u8>>) {
        self.state_changes.push(change.into());
    }

    /// Demands that each series has one value at a time within the batch: of series that stand in it more than once, a
    /// later one with another value at a time of an earlier one is refused. Otherwise the last value counts.
    pub fn refuse_repeats(&mut self) {
        self.refuses_repeats = true;
    }

    /// Whether a series may have one value at a time only.
    #[must_use]
    pub const fn refuses_repeats(&self) -> bool {
        self.refuses_repeats
    }

    /// Changes of the application's own state, in the order they were pushed.
    #[must_use]
    pub fn state_changes(&self) -> &[Vec<u8>] {
        &self.state_changes
    }

    /// The series in the order they were begun; one label set may stand in it more than once.
    #[inline]
    pub fn series(&self) -> impl ExactSizeIterator<Item = BatchSeries<'_>> + '_ {
        let entries = self.series.iter().enumerate();
        entries.map(|(index, entry)| self.view(entry, self.series.get(index + 1)))
    }

    /// The hash of the key and the sample of each series, if the batch is what nearly all are: every series brings one
    /// sample without a start time and nothing else, and keys were hashed on the way.
    #[must_use]
    pub fn single_samples(&self) -> Option<impl ExactSizeIterator<Item = (u128, Sample)> + '_> {
        let floats_only = self.start_timestamps_ms.is_empty()
            && self.histograms.is_empty()
            && self.exemplars.is_empty();
        let one_each = self.samples.len() == self.series.len()
            && (0..)
                .zip(&self.series)
                .all(|(index, entry)| entry.samples_start == index);
        if self.hasher.is_none() || !floats_only || !one_each {
            return None;
        }
        let hashes = self.series.iter().map(|entry| entry.hash);
        Some(hashes.zip(self.samples.iter().copied()))
    }

    /// The series begun last, if any.
    #[must_use]
    pub fn last_series(&self) -> Option<BatchSeries<'_>> {
        self.series.last().map(|entry| self.view(entry, None))
    }

    /// The series at place `index`, counted from 0 in the order they were begun.
    #[must_use]
    pub fn nth_series(&self, index: usize) -> Option<BatchSeries<'_>> {
        let entry = self.series.get(index)?;
        Some(self.view(entry, self.series.get(index + 1)))
    }

    #[inline]
    fn view<'b>(
        &'b self,
        entry: &'b SeriesEntry<'a>,
        next: Option<&SeriesEntry<'a>>,
    ) -> BatchSeries<'b> {
        let samples =
            entry.samples_start..next.map_or(self.samples.len(), |next| next.samples_start);
        let histograms = entry.histograms_start
            ..next.map_or(self.histograms.len(), |next| next.histograms_start);
        let exemplars =
            entry.exemplars_start..next.map_or(self.exemplars.len(), |next| next.exemplars_start);
        let started = !self.start_timestamps_ms.is_empty();
        BatchSeries {
            key: SeriesKey {
                bytes: entry.key.bytes(&self.owned_keys),
                encoding: entry.encoding,
            },
            key_hash: self.hasher.is_some().then_some(entry.hash),
            start_timestamps_ms: if started {
                &self.start_timestamps_ms[samples.clone()]
            } else {
                &[]
            },
            samples: &self.samples[samples],
            histograms: &self.histograms[histograms],
            exemplars: &self.exemplars[exemplars],
        }
    }

    /// Metadata by metric name, in the order it was pushed.
    #[must_use]
    pub fn metadata(&self) -> &[(String, Metadata)] {
        &self.metadata
    }

    /// How many series have been begun.
    #[must_use]
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// How many float samples there are.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        self.samples.len()
    }

    /// How many histogram samples there are.
    #[must_use]
    pub fn histogram_count(&self) -> usize {
        self.histograms.len()
    }

    /// How many exemplars there are.
    #[must_use]
    pub fn exemplar_count(&self) -> usize {
        self.exemplars.len()
    }

    /// Whether the batch brings nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.metadata.is_empty() && self.state_changes.is_empty()
    }

    /// Empties the batch and keeps its memory, and whether it refuses repeats.
    pub fn clear(&mut self) {
        self.series.clear();
        self.owned_keys.clear();
        self.samples.clear();
        self.start_timestamps_ms.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.metadata.clear();
        self.state_changes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(name: &str) -> Labels {
        Labels::from_pairs([("__name__", name)]).unwrap()
    }

    #[test]
    fn each_series_owns_its_stretch_of_the_columns() {
        let mut batch = WriteBatch::new();
        batch.push(labels("a"), 1, 1.0);
        batch.push_sample_started(Sample::new(2, 2.0), 7);
        batch.start_series(&labels("none"));
        batch.push(labels("b"), 3, 3.0);
        let series: Vec<_> = batch.series().collect();
        assert_eq!(series.len(), 3);
        assert_eq!(series[0].key.decode().unwrap(), labels("a"));
        assert_eq!(
            series[0].samples,
            [Sample::new(1, 1.0), Sample::new(2, 2.0)]
        );
        assert_eq!(series[0].start_timestamps_ms, [0, 7]);
        assert!(series[1].samples.is_empty());
        assert_eq!(series[2].start_timestamps_ms, [0]);
    }

    /// Hashes a key to its length.
    #[derive(Debug)]
    struct Lengths;

    impl HashKeys for Lengths {
        fn hash(&self, key: SeriesKey<'_>) -> u128 {
            key.bytes.len() as u128
        }
    }

    #[test]
    fn single_samples_are_those_of_batches_that_have_nothing_else() {
        let plain = |mut batch: WriteBatch<'static>| {
            batch.push(labels("a"), 1, 1.0);
            batch.push(labels("bc"), 2, 2.0);
            batch
        };
        let hashed = || plain(WriteBatch::hashed_by(Arc::new(Lengths)));
        let batch = hashed();
        let singles: Vec<_> = batch.single_samples().unwrap().collect();
        let hashes: Vec<_> = batch.series().map(|series| series.key_hash).collect();
        assert_eq!(hashes, [Some(singles[0].0), Some(singles[1].0)]);
        assert_eq!(singles[1].0, singles[0].0 + 1);
        let samples = [singles[0].1, singles[1].1];
        assert_eq!(samples, [Sample::new(1, 1.0), Sample::new(2, 2.0)]);

        assert!(plain(WriteBatch::new()).single_samples().is_none());
        let mut two_and_none = hashed();
        two_and_none.push_sample(Sample::new(3, 3.0));
        two_and_none.start_series(&labels("c"));
        assert_eq!(two_and_none.sample_count(), two_and_none.series_count());
        assert!(two_and_none.single_samples().is_none());
        let mut started = hashed();
        started.start_series(&labels("c"));
        started.push_sample_started(Sample::new(3, 3.0), 2);
        assert!(started.single_samples().is_none());
    }

    #[test]
    fn a_cleared_batch_is_empty() {
        let mut batch = WriteBatch::new();
        batch.push(labels("a"), 1, 1.0);
        batch.push_metadata("a", Metadata::default());
        batch.push_state([1]);
        batch.clear();
        assert!(
            batch.is_empty()
                && batch.state_changes().is_empty()
                && batch.sample_count() == 0
                && batch.metadata().is_empty()
        );
    }
}
