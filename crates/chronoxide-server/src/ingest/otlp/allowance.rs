//! How much memory the translation of a request may take.

use crate::ingest::error::IngestError;
use crate::ingest::intake::Work;

use super::INTAKE;

/// What a request may take in memory beside its own bytes, in so many times the limit of those.
const MEMORY_FACTOR: u64 = 4;

/// What the translation of one request takes from the memory of all requests.
///
/// Others wait for the end of a translation, so it does not wait for memory itself: as much as the message has bytes is
/// held before it begins, and what it takes beyond that has to be there.
pub(super) struct Allowance<'a, 'w> {
    work: &'a mut Work<'w>,
    limit: u64,
    held: u64,
    /// Of what is held, what this translation has taken.
    used: u64,
    refusal: Option<IngestError>,
}

impl<'a, 'w> Allowance<'a, 'w> {
    pub(super) fn new(work: &'a mut Work<'w>) -> Result<Self, IngestError> {
        let request_limit = MEMORY_FACTOR * (INTAKE.bytes_max)(work.state) as u64;
        let limit = request_limit.min(work.state.request_memory.limit_bytes());
        let held = work.message.len() as u64;
        (work.hold)(held)?;
        Ok(Self {
            work,
            limit,
            held,
            used: 0,
            refusal: None,
        })
    }

    /// The message is translated, perhaps once more: what the last translation took is free again.
    pub(super) fn begin(&mut self) {
        self.used = 0;
    }

    /// Whether the translation may take `bytes` more.
    pub(super) fn take(&mut self, bytes: u64) -> bool {
        self.used = self.used.saturating_add(bytes);
        let lacking = self.used.saturating_sub(self.held);
        let taken = if self.used > self.limit {
            Err(IngestError::TooMuch { limit: self.limit })
        } else if lacking > 0 {
            (self.work.hold_at_once)(lacking).map_err(IngestError::from)
        } else {
            Ok(())
        };
        self.held = self.held.max(self.used);
        taken
            .map_err(|refusal| self.refusal = Some(refusal))
            .is_ok()
    }

    /// Why it may not, if so.
    pub(super) fn refusal(&mut self) -> Option<IngestError> {
        self.refusal.take()
    }

    pub(super) const fn message(&self) -> &'w [u8] {
        self.work.message
    }
}
