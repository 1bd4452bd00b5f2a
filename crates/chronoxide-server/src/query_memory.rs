//! The memory that queries share.

use std::sync::atomic::{AtomicU64, Ordering};

use chronoxide_promql::QueryMemory;

/// Bytes that are left for queries.
#[derive(Debug)]
pub(crate) struct SharedQueryMemory {
    left: AtomicU64,
}

impl SharedQueryMemory {
    /// `bytes` for all queries together.
    pub(crate) const fn new(bytes: u64) -> Self {
        Self {
            left: AtomicU64::new(bytes),
        }
    }
}

impl QueryMemory for SharedQueryMemory {
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
}
