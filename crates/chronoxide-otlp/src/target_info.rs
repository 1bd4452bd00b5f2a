//! `target_info`: a series of value 1 that carries what is known of a resource.

use chronoxide_model::{CanonicalKey, Metadata, MetricType, Sample};
use xxhash_rust::xxh3::xxh3_128;

use crate::translator::{SERIES_BYTES, Translator};

const NAME: &str = "target_info";

/// How many samples of `target_info` one request makes beside the latest of each resource: enough for a week at the
/// default lookback.
const SAMPLES_MAX: usize = 1 << 12;

/// What a sample of it takes, among those seen as well.
const TIME_BYTES: usize = 160;

impl Translator<'_> {
    /// Closes the resource: its `target_info` covers the times of its data points.
    pub(crate) fn end_resource(&mut self) {
        let Some((first_ms, last_ms)) = self.resource.times_ms else {
            return;
        };
        if self.resource.target.is_empty() {
            return;
        }
        self.key.clear();
        self.resource.target.write_key(NAME, None, &mut self.key);
        let series = xxh3_128(&self.key);
        let mut times = std::mem::take(&mut self.target_times);
        times.clear();
        self.spread(first_ms, last_ms, &mut times);
        times.retain(|time_ms| self.targets_seen.insert((series, *time_ms)));
        let bytes = self.key.len() + TIME_BYTES * times.len();
        if !times.is_empty() && self.take(bytes + SERIES_BYTES).is_ok() {
            let start = self.batch.series_count();
            self.batch.start_series_copied(&self.key, &CanonicalKey);
            self.group_series(start, false);
            for time_ms in &times {
                self.batch.push_sample(Sample::new(*time_ms, 1.0));
            }
            let metadata = Metadata {
                metric_type: MetricType::Gauge,
                help: "Target metadata".to_owned(),
                unit: String::new(),
            };
            self.push_metadata(NAME.to_owned(), metadata);
        }
        self.target_times = times;
    }

    /// Times from the first to the last, half a lookback apart, so that every instant between finds a sample; those next
    /// to the last where there would be too many.
    fn spread(&mut self, first_ms: i64, last_ms: i64, times: &mut Vec<i64>) {
        let step_ms = (self.options.lookback_ms / 2).max(1);
        let steps = last_ms.abs_diff(first_ms).div_ceil(step_ms.unsigned_abs());
        let left = (SAMPLES_MAX - self.target_samples) as u64;
        let skipped = steps.saturating_sub(left);
        let begin = i128::from(first_ms) + i128::from(skipped) * i128::from(step_ms);
        let mut time_ms = i64::try_from(begin).unwrap_or(last_ms);
        while time_ms < last_ms && self.target_samples < SAMPLES_MAX {
            times.push(time_ms);
            self.target_samples += 1;
            time_ms = time_ms.saturating_add(step_ms);
        }
        times.push(last_ms);
    }
}
