//! The memory that queries and lookups share, until the last byte of their answers has been sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chronoxide_promql::{Error, QueryMemory};

use crate::error::ApiError;

/// Bytes that are left for queries.
#[derive(Debug)]
pub(crate) struct SharedQueryMemory {
    limit: u64,
    left: AtomicU64,
}

impl SharedQueryMemory {
    /// `bytes` for all queries together.
    pub(crate) const fn new(bytes: u64) -> Self {
        Self {
            limit: bytes,
            left: AtomicU64::new(bytes),
        }
    }

    /// What they hold now.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.limit.saturating_sub(self.left.load(Ordering::Relaxed))
    }
}

impl QueryMemory for SharedQueryMemory {
    fn limit_bytes(&self) -> u64 {
        self.limit
    }

    fn take(&self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Memory that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Grant {
    memory: Arc<SharedQueryMemory>,
    bytes: u64,
    /// With what was split off.
    all_bytes: u64,
}

impl Grant {
    /// Nothing of `memory` yet.
    pub(crate) fn new(memory: &Arc<SharedQueryMemory>) -> Self {
        Self {
            memory: Arc::clone(memory),
            bytes: 0,
            all_bytes: 0,
        }
    }

    /// Takes `bytes` more.
    ///
    /// # Errors
    /// When there are not as many; what was taken before stays.
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<(), ApiError> {
        if self.memory.take(bytes) {
            self.bytes += bytes;
            self.all_bytes += bytes;
            return Ok(());
        }
        let wanted = self.all_bytes + bytes;
        let limit = self.memory.limit;
        Err(ApiError::from_query(&if wanted > limit {
            Error::MoreThanAllMemory { limit }
        } else {
            Error::NoMemoryLeft { wanted }
        }))
    }

    /// Takes charge of `bytes` that were taken from the memory before.
    pub(crate) const fn take_over(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.all_bytes += bytes;
    }

    /// Gives `bytes` of it back, or all if it is less.
    pub(crate) fn release(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.all_bytes -= bytes;
        self.memory.give_back(bytes);
    }

    /// Takes or gives back as many bytes as make it `bytes`.
    ///
    /// # Errors
    /// As [`Grant::grow`].
    pub(crate) fn resize(&mut self, bytes: u64) -> Result<(), ApiError> {
        if bytes > self.bytes {
            self.grow(bytes - self.bytes)
        } else {
            self.release(self.bytes - bytes);
            Ok(())
        }
    }

    /// Hands `bytes` of it, or all if it is less, to somebody else.
    pub(crate) fn split(&mut self, bytes: u64) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self {
            memory: Arc::clone(&self.memory),
            bytes,
            all_bytes: bytes,
        }
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_query_holds_is_not_there_for_another() {
        let memory = SharedQueryMemory::new(100);
        assert!(memory.take(70));
        assert!(!memory.take(31));
        assert!(memory.take(30));
        memory.give_back(70);
        assert!(memory.take(31));
    }

    #[test]
    fn a_grant_goes_back_when_its_last_part_is_dropped() {
        let memory = Arc::new(SharedQueryMemory::new(100));
        let mut grant = Grant::new(&memory);
        grant.grow(60).unwrap();
        let part = grant.split(20);
        let mut other = Grant::new(&memory);
        assert_eq!(other.grow(41).unwrap_err().status(), 503);
        // More than there is at all: nothing is gained by waiting.
        assert_eq!(grant.grow(41).unwrap_err().status(), 422);
        drop(grant);
        assert_eq!(memory.held_bytes(), 20);
        drop(part);
        assert_eq!(memory.held_bytes(), 0);
    }

    #[test]
    fn what_is_given_back_counts_no_more() {
        let memory = Arc::new(SharedQueryMemory::new(100));
        assert!(memory.take(80));
        let mut grant = Grant::new(&memory);
        grant.take_over(80);
        grant.resize(60).unwrap();
        assert_eq!(memory.held_bytes(), 60);
        let part = grant.split(20);
        grant.release(30);
        assert_eq!(memory.held_bytes(), 30);
        // 10 and the 20 that were split off, beside these.
        assert_eq!(grant.grow(71).unwrap_err().status(), 422);
        grant.grow(70).unwrap();
        drop((grant, part));
        assert_eq!(memory.held_bytes(), 0);
    }
}
