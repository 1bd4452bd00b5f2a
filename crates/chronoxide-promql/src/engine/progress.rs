//! What a query has touched so far, for those who watch it, and the memory it has taken from others.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{Error, QueryStats, QueryTimings};

/// Memory that all queries share.
///
/// An embedder that has one account for everything implements this on it; [`EngineOptions`](crate::EngineOptions)
/// takes it.
pub trait QueryMemory: fmt::Debug + Send + Sync {
    /// All there is, in bytes: more cannot be taken even when nobody else holds any.
    fn limit_bytes(&self) -> u64;

    /// Takes `bytes`; false, and nothing is taken, when there are not as many.
    fn take(&self, bytes: u64) -> bool;

    /// Gives back what was taken.
    fn give_back(&self, bytes: u64);
}

/// What a query has touched so far. Clones watch the same query; keep one to ask about a query that failed.
///
/// Memory that the query took from [`QueryMemory`] goes back when the last clone is dropped: who keeps one until an
/// answer is sent keeps the answer accounted for.
#[derive(Clone, Debug, Default)]
pub struct QueryProgress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    series: AtomicU64,
    samples: AtomicU64,
    seen_samples: AtomicU64,
    peak_samples: AtomicU64,
    peak_bytes: AtomicU64,
    times: Times,
    /// How much of the shared memory the query may use without asking again.
    granted: AtomicU64,
    lender: Mutex<Option<Arc<dyn QueryMemory>>>,
}

/// Nanoseconds.
#[derive(Debug, Default)]
struct Times {
    whole: AtomicU64,
    preparation: AtomicU64,
    sort: AtomicU64,
}

/// A stretch of a query whose time is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    /// All of it.
    Whole,
    /// Up to the samples.
    Preparation,
    /// Ordering the answer.
    Sort,
}

/// Takes the time until it is dropped.
#[derive(Debug)]
pub(crate) struct Stopwatch<'p> {
    started: Instant,
    sum: &'p AtomicU64,
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        let passed = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.sum.fetch_add(passed, Ordering::Relaxed);
    }
}

/// So much is taken from the shared memory at a time.
const GRANT_BYTES: u64 = 1 << 20;

impl QueryProgress {
    /// Nothing touched yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the query has touched so far.
    #[must_use]
    pub fn stats(&self) -> QueryStats {
        let counts = &self.0;
        QueryStats {
            series: counts.series.load(Ordering::Relaxed),
            samples: counts.samples.load(Ordering::Relaxed),
            seen_samples: counts.seen_samples.load(Ordering::Relaxed),
            peak_samples: counts.peak_samples.load(Ordering::Relaxed),
            peak_bytes: counts.peak_bytes.load(Ordering::Relaxed),
        }
    }

    /// Where the time of the query went, once it has ended; before that, `evaluation` is zero.
    #[must_use]
    pub fn timings(&self) -> QueryTimings {
        let times = &self.0.times;
        let of = |sum: &AtomicU64| Duration::from_nanos(sum.load(Ordering::Relaxed));
        let (preparation, sort) = (of(&times.preparation), of(&times.sort));
        QueryTimings {
            preparation,
            evaluation: of(&times.whole).saturating_sub(preparation + sort),
            sort,
        }
    }

    /// Takes the time of `phase` until the answer is dropped. No phase but the whole has another in it.
    pub(crate) fn time(&self, phase: Phase) -> Stopwatch<'_> {
        let times = &self.0.times;
        Stopwatch {
            started: Instant::now(),
            sum: match phase {
                Phase::Whole => &times.whole,
                Phase::Preparation => &times.preparation,
                Phase::Sort => &times.sort,
            },
        }
    }

    /// Takes memory from `lender` from now on.
    pub(crate) fn borrow_from(&self, lender: &Arc<dyn QueryMemory>) {
        let mut slot = self.lender();
        if slot.is_none() {
            *slot = Some(Arc::clone(lender));
        }
    }

    fn lender(&self) -> std::sync::MutexGuard<'_, Option<Arc<dyn QueryMemory>>> {
        self.0.lender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the query holds so many samples and bytes now.
    ///
    /// # Errors
    /// [`Error::NoMemoryLeft`] when the shared memory is used up, [`Error::MoreThanAllMemory`] when it never suffices.
    pub(crate) fn hold(&self, samples: u64, bytes: u64) -> Result<(), Error> {
        let counts = &self.0;
        if bytes > counts.granted.load(Ordering::Relaxed) {
            self.grow(bytes)?;
        }
        counts.peak_samples.fetch_max(samples, Ordering::Relaxed);
        counts.peak_bytes.fetch_max(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn grow(&self, bytes: u64) -> Result<(), Error> {
        let slot = self.lender();
        let granted = self.0.granted.load(Ordering::Relaxed);
        if bytes <= granted {
            return Ok(());
        }
        let Some(lender) = &*slot else {
            self.0.granted.store(u64::MAX, Ordering::Relaxed);
            return Ok(());
        };
        let needed = bytes - granted;
        let wanted = [needed.next_multiple_of(GRANT_BYTES), needed];
        let Some(taken) = wanted.into_iter().find(|bytes| lender.take(*bytes)) else {
            let limit = lender.limit_bytes();
            return Err(if bytes > limit {
                Error::MoreThanAllMemory { limit }
            } else {
                Error::NoMemoryLeft { wanted: bytes }
            });
        };
        self.0.granted.store(granted + taken, Ordering::Relaxed);
        Ok(())
    }

    /// Leaves the memory that the query took from [`QueryMemory`] to the caller, who is to give it back: how many bytes.
    ///
    /// For when the query has ended and its answer is still to be sent.
    #[must_use]
    pub fn hand_over(&self) -> u64 {
        let lender = self.lender();
        let granted = self.0.granted.swap(0, Ordering::Relaxed);
        if lender.is_some() { granted } else { 0 }
    }

    /// Counts `series` selected.
    pub(crate) fn select(&self, series: u64) {
        self.0.series.fetch_add(series, Ordering::Relaxed);
    }

    /// Counts `samples` that steps show.
    pub(crate) fn see(&self, samples: u64) {
        self.0.seen_samples.fetch_add(samples, Ordering::Relaxed);
    }

    /// Counts `samples` read from the source.
    pub(crate) fn read(&self, samples: u64) {
        self.0.samples.fetch_add(samples, Ordering::Relaxed);
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        let lender = self
            .lender
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(lender) = lender.take() {
            lender.give_back(*self.granted.get_mut());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Purse(AtomicU64);

    impl QueryMemory for Purse {
        fn limit_bytes(&self) -> u64 {
            3 * GRANT_BYTES
        }

        fn take(&self, bytes: u64) -> bool {
            let left = |left: u64| left.checked_sub(bytes);
            self.0
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left)
                .is_ok()
        }

        fn give_back(&self, bytes: u64) {
            self.0.fetch_add(bytes, Ordering::SeqCst);
        }
    }

    #[test]
    fn memory_goes_back_when_nobody_watches_the_query_any_more() {
        let purse = Arc::new(Purse(AtomicU64::new(3 * GRANT_BYTES)));
        let lender: Arc<dyn QueryMemory> = purse.clone();
        let query = QueryProgress::new();
        query.borrow_from(&lender);
        query.hold(1, 10).unwrap();
        assert_eq!(purse.0.load(Ordering::SeqCst), 2 * GRANT_BYTES);
        query.hold(1, GRANT_BYTES + 1).unwrap();
        assert_eq!(purse.0.load(Ordering::SeqCst), GRANT_BYTES);
        let other = QueryProgress::new();
        other.borrow_from(&lender);
        let refused = other.hold(1, GRANT_BYTES + 1);
        assert!(matches!(refused, Err(Error::NoMemoryLeft { .. })));
        assert_eq!(other.stats(), QueryStats::default());
        let watcher = query.clone();
        drop(query);
        assert_eq!(watcher.stats().peak_bytes, GRANT_BYTES + 1);
        drop(watcher);
        assert_eq!(purse.0.load(Ordering::SeqCst), 3 * GRANT_BYTES);
    }

    #[test]
    fn the_last_byte_can_be_taken_and_no_other() {
        let purse = Arc::new(Purse(AtomicU64::new(3 * GRANT_BYTES)));
        let lender: Arc<dyn QueryMemory> = purse.clone();
        assert!(purse.take(5));
        let query = QueryProgress::new();
        query.borrow_from(&lender);
        query.hold(1, 3 * GRANT_BYTES - 5).unwrap();
        assert_eq!(purse.0.load(Ordering::SeqCst), 0);
        // Of this there is enough, but others have it; of that there is not.
        let refused = query.hold(1, 3 * GRANT_BYTES);
        assert!(matches!(refused, Err(Error::NoMemoryLeft { .. })));
        let refused = query.hold(1, 3 * GRANT_BYTES + 1);
        let limit = 3 * GRANT_BYTES;
        assert!(matches!(refused, Err(Error::MoreThanAllMemory { limit: told }) if told == limit));
    }

    #[test]
    fn memory_that_was_handed_over_is_not_given_back() {
        let purse = Arc::new(Purse(AtomicU64::new(3 * GRANT_BYTES)));
        let lender: Arc<dyn QueryMemory> = purse.clone();
        let query = QueryProgress::new();
        assert_eq!(query.hand_over(), 0);
        query.borrow_from(&lender);
        query.hold(1, 10).unwrap();
        assert_eq!(query.hand_over(), GRANT_BYTES);
        assert_eq!(query.hand_over(), 0);
        drop(query);
        assert_eq!(purse.0.load(Ordering::SeqCst), 2 * GRANT_BYTES);
        let unbounded = QueryProgress::new();
        unbounded.hold(1, 10).unwrap();
        assert_eq!(unbounded.hand_over(), 0);
    }
}
