//! Samples of one series on their way into a part.

use chronoxide_model::{Histogram, SampleColumns};

use crate::{Error, Result};

/// Samples of one series as borrowed columns; the rules of [`SampleColumns`] hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Samples<'a> {
    /// Times of the float samples, Unix milliseconds.
    pub timestamps_ms: &'a [i64],
    /// Their values.
    pub values: &'a [f64],
    /// Their start times, or none at all.
    pub start_timestamps_ms: &'a [i64],
    /// Times of the histogram samples, Unix milliseconds.
    pub histogram_timestamps_ms: &'a [i64],
    /// The histogram samples.
    pub histograms: &'a [Histogram],
    /// Their start times, or none at all.
    pub histogram_start_timestamps_ms: &'a [i64],
}

impl<'a> From<&'a SampleColumns> for Samples<'a> {
    fn from(columns: &'a SampleColumns) -> Self {
        Self {
            timestamps_ms: &columns.timestamps_ms,
            values: &columns.values,
            start_timestamps_ms: &columns.start_timestamps_ms,
            histogram_timestamps_ms: &columns.histogram_timestamps_ms,
            histograms: &columns.histograms,
            histogram_start_timestamps_ms: &columns.histogram_start_timestamps_ms,
        }
    }
}

impl Samples<'_> {
    /// How many samples of either kind there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.timestamps_ms.len() + self.histogram_timestamps_ms.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks that the columns are of one length and ascend.
    pub(super) fn check(&self) -> Result<()> {
        let floats = (self.timestamps_ms, self.values.len());
        let histograms = (self.histogram_timestamps_ms, self.histograms.len());
        for (times, values) in [floats, histograms] {
            if times.len() != values {
                return Err(invalid("as many timestamps as values are needed"));
            }
            if !times.is_sorted_by(|a, b| a < b) {
                return Err(invalid("timestamps must ascend without repetition"));
            }
        }
        let starts = [
            (self.start_timestamps_ms, self.timestamps_ms),
            (
                self.histogram_start_timestamps_ms,
                self.histogram_timestamps_ms,
            ),
        ];
        for (starts, times) in starts {
            if !starts.is_empty() && starts.len() != times.len() {
                return Err(invalid(
                    "there must be a start time for each sample or none",
                ));
            }
        }
        Ok(())
    }
}

fn invalid(reason: &str) -> Error {
    Error::InvalidArgument {
        what: "samples",
        reason: reason.to_owned(),
    }
}

/// Appends start times to `starts`, which belongs to `len` samples so far, for `new_len` more; empty columns stand for
/// zeroes.
pub(super) fn pad_starts(starts: &mut Vec<i64>, len: usize) {
    if !starts.is_empty() {
        starts.resize(len, 0);
    }
}
