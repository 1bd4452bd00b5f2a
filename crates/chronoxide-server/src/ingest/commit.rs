//! What the storing of a request shares among protocols: where it runs, and what is logged of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use chronoxide_model::WriteOutcome;

use super::error::IngestError;
use crate::error::{shortened, with_sources};
use crate::state::ServerState;

/// Runs `store` where waiting for the disk harms nobody; `None` when the server ends before it began.
pub(super) async fn run<T: Send + 'static>(
    store: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    match tokio::task::spawn_blocking(store).await {
        Ok(stored) => Some(stored),
        Err(error) if error.is_panic() => end_process(),
        Err(_) => None,
    }
}

/// Runs `store` on this thread, which may block; a panic of it ends the process.
pub(super) fn or_abort<T>(store: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(store)).unwrap_or_else(|_| end_process())
}

/// Half a change may be in the engine's memory: what is on disk is sound, so start again from there.
fn end_process() -> ! {
    tracing::error!(
        "a write ended in a panic; the process ends so that nothing half-done is acknowledged"
    );
    std::process::abort()
}

/// Warns of samples that storage refused, now and then.
pub(super) fn log_rejections(state: &ServerState, outcome: &WriteOutcome) {
    let Some(first) = outcome.rejections.first() else {
        return;
    };
    if let Some(held_back) = state.write_rejections.pass(Instant::now()) {
        tracing::warn!(
            series = first.series,
            reason = %first.reason,
            detail = first.detail,
            samples = outcome.samples_rejected,
            held_back,
            "samples were refused for good"
        );
    }
}

/// Logs, now and then, why a request was not stored: as an error where storage failed, and as a warning otherwise.
pub(super) fn log_failure(state: &ServerState, error: &IngestError) {
    if !error.is_of_storage() {
        if let Some(held_back) = state.write_refusals.pass(Instant::now()) {
            tracing::warn!(
                error = shortened(&with_sources(error)),
                held_back,
                "a request with samples was refused"
            );
        }
    } else if let Some(held_back) = state.write_failures.pass(Instant::now()) {
        tracing::error!(
            error = with_sources(error),
            held_back,
            "a write was refused"
        );
    }
}
