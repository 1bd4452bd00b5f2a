//! Memory that requests under way may hold together.
//!
//! A request learns piece by piece how much it needs, and holds what it has while it asks for more. Requests that waited for
//! one another's memory like that would wait for ever; so of those that find none, one at a time goes on beyond the limit,
//! in the order in which they came. There are two such places: one for a body that is being read, which takes as long as
//! its client likes, and one for work, which never waits for a client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::BodyError;

/// The account of all requests.
#[derive(Clone, Debug)]
pub(crate) struct RequestMemory {
    /// One permit for each [`UNIT`] bytes.
    permits: Arc<Semaphore>,
    units: u32,
    /// How long a request waits for others to give memory back.
    wait_max: Duration,
    reading: Place,
    working: Place,
    /// Units held beyond the limit.
    beyond: Arc<AtomicU64>,
}

const UNIT: u64 = 1024;

/// The place of the one that may go on beyond the limit.
type Place = Arc<Semaphore>;

/// Memory held until dropped.
#[derive(Debug, Default)]
pub(crate) struct HeldMemory {
    permit: Option<OwnedSemaphorePermit>,
    reading: Option<OwnedSemaphorePermit>,
    working: Option<OwnedSemaphorePermit>,
    beyond: Option<Beyond>,
}

/// Units beyond the limit, counted out when dropped.
#[derive(Debug)]
struct Beyond {
    units: u64,
    all: Arc<AtomicU64>,
}

impl Drop for Beyond {
    fn drop(&mut self) {
        self.all.fetch_sub(self.units, Ordering::Relaxed);
    }
}

impl HeldMemory {
    fn add(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.permit {
            Some(all) => all.merge(permit),
            None => self.permit = Some(permit),
        }
    }

    fn units(&self) -> u64 {
        let permits = self
            .permit
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        permits as u64 + self.beyond.as_ref().map_or(0, |beyond| beyond.units)
    }

    /// Says that the body has been read: what it takes stays held, and the next one may be read beyond the limit.
    pub(super) fn end_reading(&mut self) {
        self.reading = None;
    }
}

impl RequestMemory {
    pub(crate) fn new(bytes: u64, wait_max: Duration) -> Self {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(units).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            units,
            wait_max,
            reading: Arc::new(Semaphore::new(1)),
            working: Arc::new(Semaphore::new(1)),
            beyond: Arc::default(),
        }
    }

    /// What requests hold now.
    pub(crate) fn held_bytes(&self) -> u64 {
        let units = u64::from(self.units) - self.permits.available_permits() as u64;
        (units + self.beyond.load(Ordering::Relaxed)) * UNIT
    }

    /// What they may hold together, apart from those beyond.
    pub(crate) fn limit_bytes(&self) -> u64 {
        u64::from(self.units) * UNIT
    }

    /// Adds `bytes` to `held` for a body that is being read, and waits a while for them.
    pub(super) async fn hold_for_reading(
        &self,
        held: &mut HeldMemory,
        bytes: u64,
    ) -> Result<(), BodyError> {
        let wanted = self.wanted(held, bytes);
        if !self.add(held, wanted) {
            if held.reading.is_none() {
                held.reading = Some(self.place(&self.reading).await?);
            }
            self.add_beyond(held, wanted);
        }
        Ok(())
    }

    /// Adds `bytes` to `held` for work on a request, and waits a while for them. Whoever waits for a client meanwhile
    /// must not call it.
    pub(crate) async fn hold(&self, held: &mut HeldMemory, bytes: u64) -> Result<(), BodyError> {
        let wanted = self.wanted(held, bytes);
        if !self.add(held, wanted) {
            if held.working.is_none() {
                held.working = Some(self.place(&self.working).await?);
            }
            self.add_beyond(held, wanted);
        }
        Ok(())
    }

    /// Adds `bytes` to `held` if they are there at this moment: for work that others wait for.
    pub(super) fn hold_at_once(&self, held: &mut HeldMemory, bytes: u64) -> Result<(), BodyError> {
        let wanted = self.wanted(held, bytes);
        if !self.add(held, wanted) {
            if held.working.is_none() {
                let place = Arc::clone(&self.working).try_acquire_owned();
                held.working = Some(place.map_err(|_| BodyError::NoMemory)?);
            }
            self.add_beyond(held, wanted);
        }
        Ok(())
    }

    /// Adds `bytes` to `held` within the limit, and waits a while for them: for work that takes as long as its client
    /// likes.
    pub(super) async fn hold_within(
        &self,
        held: &mut HeldMemory,
        bytes: u64,
    ) -> Result<(), BodyError> {
        let wanted = self.wanted(held, bytes);
        let permit = Arc::clone(&self.permits).acquire_many_owned(wanted);
        held.add(self.in_time(permit).await?);
        Ok(())
    }

    async fn place(&self, place: &Place) -> Result<OwnedSemaphorePermit, BodyError> {
        self.in_time(Arc::clone(place).acquire_owned()).await
    }

    async fn in_time<E>(
        &self,
        permit: impl Future<Output = Result<OwnedSemaphorePermit, E>>,
    ) -> Result<OwnedSemaphorePermit, BodyError> {
        let in_time = tokio::time::timeout(self.wait_max, permit).await;
        in_time.ok().and_then(Result::ok).ok_or(BodyError::NoMemory)
    }

    /// Adds units within the limit, if they are there.
    fn add(&self, held: &mut HeldMemory, units: u32) -> bool {
        let permit = Arc::clone(&self.permits).try_acquire_many_owned(units);
        permit.map(|permit| held.add(permit)).is_ok()
    }

    /// Adds units: those that are there, and the others beyond the limit.
    fn add_beyond(&self, held: &mut HeldMemory, units: u32) {
        // Others may have given memory back since.
        if self.add(held, units) {
            return;
        }
        let beyond = held.beyond.get_or_insert_with(|| Beyond {
            units: 0,
            all: Arc::clone(&self.beyond),
        });
        beyond.units += u64::from(units);
        self.beyond.fetch_add(units.into(), Ordering::Relaxed);
    }

    /// How many units `bytes` more are. One request alone may always go on, whatever its size; limits of size are elsewhere.
    fn wanted(&self, held: &HeldMemory, bytes: u64) -> u32 {
        let wanted = bytes
            .div_ceil(UNIT)
            .min(u64::from(self.units).saturating_sub(held.units()));
        u32::try_from(wanted).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn one_goes_on_where_there_is_no_memory_and_the_next_is_refused() {
        let memory = RequestMemory::new(10 * UNIT, Duration::ZERO);
        let mut first = HeldMemory::default();
        memory.hold(&mut first, 8 * UNIT).await.unwrap();
        let mut second = HeldMemory::default();
        memory.hold(&mut second, 4 * UNIT).await.unwrap();
        assert_eq!(memory.held_bytes(), 12 * UNIT);
        let mut third = HeldMemory::default();
        assert_eq!(
            memory.hold(&mut third, 4 * UNIT).await,
            Err(BodyError::NoMemory)
        );
        assert_eq!(
            memory.hold_at_once(&mut third, 3 * UNIT),
            Err(BodyError::NoMemory)
        );
        memory.hold_at_once(&mut third, 2 * UNIT).unwrap();
        // Who is beyond stays the one.
        memory.hold(&mut second, 100 * UNIT).await.unwrap();
        assert_eq!(memory.held_bytes(), 20 * UNIT);
        drop(second);
        memory.hold_at_once(&mut third, 4 * UNIT).unwrap();
        assert_eq!(memory.held_bytes(), 14 * UNIT);
        drop((first, third));
        assert_eq!(memory.held_bytes(), 0);
    }

    #[tokio::test]
    async fn a_body_that_is_read_slowly_stops_no_work() {
        let memory = RequestMemory::new(10 * UNIT, Duration::ZERO);
        let (mut slow, mut other) = (HeldMemory::default(), HeldMemory::default());
        memory.hold_for_reading(&mut slow, 9 * UNIT).await.unwrap();
        memory.hold_for_reading(&mut other, 2 * UNIT).await.unwrap();
        memory.hold(&mut slow, 2 * UNIT).await.unwrap();
        let mut next = HeldMemory::default();
        let refused = memory.hold_for_reading(&mut next, 2 * UNIT).await;
        assert_eq!(refused, Err(BodyError::NoMemory));
        other.end_reading();
        memory.hold_for_reading(&mut next, 2 * UNIT).await.unwrap();
        assert_eq!(memory.held_bytes(), 14 * UNIT);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_all_want_the_rest_go_on_one_after_the_other() {
        let memory = RequestMemory::new(64 * UNIT, LONG);
        let started = tokio::time::Instant::now();
        let requests = (0..40).map(|_| {
            let memory = memory.clone();
            tokio::spawn(async move {
                let mut held = HeldMemory::default();
                memory.hold_for_reading(&mut held, UNIT).await?;
                held.end_reading();
                tokio::task::yield_now().await;
                memory.hold(&mut held, 1 << 30).await?;
                tokio::time::sleep(Duration::from_millis(1)).await;
                memory.hold(&mut held, 1 << 30).await
            })
        });
        for request in requests.collect::<Vec<_>>() {
            request.await.unwrap().unwrap();
        }
        assert!(started.elapsed() < LONG / 100, "{:?}", started.elapsed());
        assert_eq!(memory.held_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn small_requests_do_not_queue_behind_a_large_one() {
        let memory = RequestMemory::new(64 * UNIT, LONG);
        let (mut first, mut large) = (HeldMemory::default(), HeldMemory::default());
        memory.hold(&mut first, 40 * UNIT).await.unwrap();
        memory.hold(&mut large, 64 * UNIT).await.unwrap();
        let waiting = memory.clone();
        let waits = tokio::spawn(async move {
            let mut held = HeldMemory::default();
            waiting.hold(&mut held, 64 * UNIT).await
        });
        tokio::task::yield_now().await;
        let mut small = HeldMemory::default();
        memory.hold_at_once(&mut small, UNIT).unwrap();
        drop(large);
        waits.await.unwrap().unwrap();
    }
}
