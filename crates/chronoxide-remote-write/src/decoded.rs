//! What a request came to.

use chronoxide_model::{RejectReason, Rejection, WriteBatch, WriteOutcome};

/// The readable part of a request, and what had to be refused of it.
#[derive(Debug, Default)]
pub struct Decoded<'a> {
    /// What goes on to storage.
    pub batch: WriteBatch<'a>,
    /// Series refused here; the caller merges it with storage's outcome.
    pub refused: WriteOutcome,
}

impl Decoded<'_> {
    /// The series begun last, as people write it.
    pub(crate) fn last_series(&self) -> String {
        let last = self.batch.last_series();
        last.map_or_else(String::new, |series| match series.key.decode() {
            Ok(labels) => labels.to_string(),
            Err(error) => format!("(unreadable labels: {error})"),
        })
    }

    pub(crate) fn refuse(
        &mut self,
        series: String,
        reason: RejectReason,
        detail: String,
        samples: usize,
    ) {
        self.refused.reject(Rejection {
            series,
            reason,
            detail,
            samples: samples as u64,
        });
    }
}
