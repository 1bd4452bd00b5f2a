//! What a request came to.

use chronoxide_model::{RejectReason, WriteBatch, WriteOutcome};

use crate::histogram::WireHistogram;

/// Bytes that the labels of one series may take; whoever sends more has lost its way.
pub(crate) const KEY_BYTES_MAX: usize = 1 << 20;

/// Bytes beyond which the labels of an exemplar, one more reckoned for each, cannot have 128 characters or fewer: the most
/// that is ever kept.
pub(crate) const EXEMPLAR_BYTES_MAX: usize = 4 * 128 + 128;

/// The readable part of a request, and what had to be refused of it.
#[derive(Debug, Default)]
pub struct Decoded<'a> {
    /// What goes on to storage.
    pub batch: WriteBatch<'a>,
    /// Series refused here; the caller merges it with storage's outcome.
    pub refused: WriteOutcome,
    /// Exemplars in the request, those that are not in `batch` included.
    pub exemplars: u64,
    /// Pieces of metadata without the name of a metric, which are left out; those that say nothing either are none.
    pub metadata_nameless: u64,
    /// Pieces of metadata that came with a series refused here; those that say nothing are none.
    pub metadata_of_refused: u64,
    /// Start times after the sample that they start, which mean nothing and are left out; their samples are kept.
    pub starts_left_out: u64,
}

impl Decoded<'_> {
    /// The start time of a sample at `timestamp_ms`: one that lies behind it is none, and no reason to lose the sample.
    #[inline]
    pub(crate) fn start_of(&mut self, start_timestamp_ms: i64, timestamp_ms: i64) -> i64 {
        if start_timestamp_ms <= timestamp_ms {
            return start_timestamp_ms;
        }
        // 0 says that there is none, whatever the time of the sample.
        self.starts_left_out += u64::from(start_timestamp_ms != 0);
        0
    }

    /// Adds a histogram to the series begun last, or refuses it.
    pub(crate) fn push_histogram(&mut self, read: WireHistogram) {
        match read.histogram {
            Ok(histogram) => {
                let start_ms = self.start_of(read.start_timestamp_ms, read.timestamp_ms);
                let batch = &mut self.batch;
                batch.push_histogram(read.timestamp_ms, start_ms, histogram);
            }
            Err(detail) => self.refuse_in_last(RejectReason::InvalidHistogram, 1, detail),
        }
    }

    /// The series begun last, as people write it.
    fn last_series(&self) -> String {
        let last = self.batch.last_series();
        last.map_or_else(String::new, |series| match series.key.decode() {
            Ok(labels) => labels.to_string(),
            Err(_) => series.key.describe(),
        })
    }

    /// Refuses a piece of the series begun last.
    pub(crate) fn refuse_in_last(&mut self, reason: RejectReason, samples: u64, detail: String) {
        let mut refused = std::mem::take(&mut self.refused);
        refused.reject_with(reason, samples, || (self.last_series(), detail));
        self.refused = refused;
    }
}
