//! Request bodies, read within bounds of size and of time.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;

use super::request_memory::{HeldMemory, RequestMemory};

/// A client has this long before its sending rate counts.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// Slowest rate at which a body may come in after that, in bytes a second.
pub(super) const BYTES_PER_SECOND_MIN: u64 = 1024;

/// Longest pause between two pieces of a body.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Memory is held in steps that double from the first to the second of these.
const STEP_BYTES: RangeInclusive<u64> = 1 << 10..=64 << 10;

/// Why a body was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than the limit of {limit} bytes; send smaller requests")]
    TooLarge { limit: usize },
    #[error("the body came in too slowly")]
    TooSlow,
    #[error("the body could not be read: {reason}")]
    Broken { reason: String },
    #[error("requests under way hold all the memory that is set aside for them; try again")]
    NoMemory,
}

/// Reads all of `body`, at most `limit` bytes, holding memory for it as it comes in.
pub(crate) async fn read(
    mut body: Body,
    limit: usize,
    memory: &RequestMemory,
    held: &mut HeldMemory,
) -> Result<Bytes, BodyError> {
    let started = Instant::now();
    let declared = axum::body::HttpBody::size_hint(&body).lower();
    if declared > limit as u64 {
        return Err(BodyError::TooLarge { limit });
    }
    let mut whole = Vec::new();
    let mut held_bytes = 0;
    loop {
        let allowed = GRACE + Duration::from_secs(whole.len() as u64 / BYTES_PER_SECOND_MIN);
        let left = allowed.saturating_sub(started.elapsed()).min(PAUSE_MAX);
        let frame = tokio::time::timeout(left, body.frame()).await;
        let Some(frame) = frame.map_err(|_| BodyError::TooSlow)? else {
            held.end_reading();
            return Ok(Bytes::from(whole));
        };
        let frame = frame.map_err(|error| BodyError::Broken {
            reason: crate::error::with_sources(&error),
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = whole.len() + data.len();
        if length > limit {
            return Err(BodyError::TooLarge { limit });
        }
        if length as u64 > held_bytes {
            // Memory is held for what has come, not for what was promised: promises are free.
            let step = held_bytes.clamp(*STEP_BYTES.start(), *STEP_BYTES.end());
            let step = step.max(length as u64 - held_bytes);
            memory.hold_for_reading(held, step).await?;
            held_bytes += step;
        }
        whole.extend_from_slice(&data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused() {
        let memory = RequestMemory::new(1 << 20, Duration::ZERO);
        let read = |bytes: &'static [u8], limit| {
            let memory = memory.clone();
            async move {
                read(
                    Body::from(bytes),
                    limit,
                    &memory,
                    &mut HeldMemory::default(),
                )
                .await
            }
        };
        assert_eq!(
            read(b"12345", 4).await,
            Err(BodyError::TooLarge { limit: 4 })
        );
        assert_eq!(read(b"1234", 4).await.unwrap(), "1234");
    }
}
