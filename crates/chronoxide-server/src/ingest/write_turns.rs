//! Turns of writes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::IngestError;

/// Writes that may be decoded and committed at once.
#[derive(Debug)]
pub(crate) struct WriteTurns {
    places: Arc<Semaphore>,
    /// How long a write waits for its turn: shorter than any sender waits for an answer, so that it hears of the overload.
    wait_max: Duration,
}

impl WriteTurns {
    pub(crate) fn new(places: usize, wait_max: Duration) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            wait_max,
        }
    }

    /// Waits a while for a turn, which ends when the answer is dropped.
    pub(crate) async fn take(&self) -> Result<OwnedSemaphorePermit, IngestError> {
        let turn = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(self.wait_max, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(IngestError::Busy),
        }
    }

    /// Turns that are free.
    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.places.available_permits()
    }
}
