//! Request bodies, read within bounds of size and of time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A client has this long before its sending rate counts.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// Slowest rate at which a body may come in after that, in bytes a second.
pub(super) const BYTES_PER_SECOND_MIN: u64 = 1024;

/// Longest pause between two pieces of a body.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Memory is held in steps of at least this many bytes.
const STEP_BYTES: u64 = 64 << 10;

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

/// Memory that requests under way may hold together.
#[derive(Clone, Debug)]
pub(crate) struct RequestMemory {
    /// One permit for each [`UNIT`] bytes.
    permits: Arc<Semaphore>,
    units: u32,
    /// How long a request waits for others to give memory back.
    wait_max: Duration,
}

const UNIT: u64 = 1024;

/// Memory held until dropped.
#[derive(Debug, Default)]
pub(crate) struct HeldMemory(Option<OwnedSemaphorePermit>);

impl HeldMemory {
    fn add(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.0 {
            Some(all) => all.merge(permit),
            None => self.0 = Some(permit),
        }
    }
}

impl RequestMemory {
    pub(crate) fn new(bytes: u64, wait_max: Duration) -> Self {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        let permits = Arc::new(Semaphore::new(
            usize::try_from(units).unwrap_or(Semaphore::MAX_PERMITS),
        ));
        Self {
            permits,
            units,
            wait_max,
        }
    }

    /// What requests hold now.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.limit_bytes() - (self.permits.available_permits() as u64 * UNIT)
    }

    /// What they may hold together.
    pub(crate) fn limit_bytes(&self) -> u64 {
        u64::from(self.units) * UNIT
    }

    /// Waits a while for `bytes` and adds them to `held`.
    pub(crate) async fn hold(&self, held: &mut HeldMemory, bytes: u64) -> Result<(), BodyError> {
        let wanted = self.wanted(held, bytes);
        let acquired = tokio::time::timeout(
            self.wait_max,
            Arc::clone(&self.permits).acquire_many_owned(wanted),
        )
        .await;
        let permit = acquired
            .ok()
            .and_then(Result::ok)
            .ok_or(BodyError::NoMemory)?;
        held.add(permit);
        Ok(())
    }

    /// Adds `bytes` to `held` if they are there at this moment: for work that others wait for.
    pub(crate) fn hold_at_once(&self, held: &mut HeldMemory, bytes: u64) -> Result<(), BodyError> {
        let wanted = self.wanted(held, bytes);
        let permit = Arc::clone(&self.permits).try_acquire_many_owned(wanted);
        held.add(permit.map_err(|_| BodyError::NoMemory)?);
        Ok(())
    }

    /// How many units `bytes` more are. One request alone may always go on, whatever its size; limits of size are elsewhere.
    fn wanted(&self, held: &HeldMemory, bytes: u64) -> u32 {
        let already = held.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) as u64;
        let wanted = bytes
            .div_ceil(UNIT)
            .min(u64::from(self.units).saturating_sub(already));
        u32::try_from(wanted).unwrap_or(u32::MAX)
    }
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
            let step = (length as u64 - held_bytes).max(STEP_BYTES);
            memory.hold(held, step).await?;
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

    #[tokio::test]
    async fn memory_in_use_is_waited_for_and_then_refused() {
        let memory = RequestMemory::new(10 * UNIT, Duration::ZERO);
        let mut first = HeldMemory::default();
        memory.hold(&mut first, 8 * UNIT).await.unwrap();
        let mut second = HeldMemory::default();
        assert_eq!(
            memory.hold(&mut second, 4 * UNIT).await,
            Err(BodyError::NoMemory)
        );
        assert_eq!(
            memory.hold_at_once(&mut second, 3 * UNIT),
            Err(BodyError::NoMemory)
        );
        memory.hold_at_once(&mut second, 2 * UNIT).unwrap();
        drop(first);
        memory.hold(&mut second, 400 * UNIT).await.unwrap();
    }
}
