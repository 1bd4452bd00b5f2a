//! The registry as threads share it, also while a start still takes the series in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{KeyHasher, Registry};

/// A registry behind a lock.
///
/// When the write-ahead log has nothing to replay, a start does not wait for the series of the registry's log: until they
/// are there the registry is empty. Invariant: nobody but a selection gets at it before, so that nothing is written,
/// and the head has no series that a selection could miss.
#[derive(Debug)]
pub(crate) struct SharedRegistry {
    registry: RwLock<Registry>,
    hasher: Arc<KeyHasher>,
    is_complete: AtomicBool,
    arrival: Mutex<()>,
    arrived: Condvar,
}

impl SharedRegistry {
    /// A registry that has all its series.
    pub(crate) fn new(registry: Registry) -> Self {
        Self {
            hasher: Arc::clone(registry.hasher()),
            registry: RwLock::new(registry),
            is_complete: AtomicBool::new(true),
            arrival: Mutex::default(),
            arrived: Condvar::new(),
        }
    }

    /// An empty one, whose series come with [`SharedRegistry::complete`]; they are hashed by a hasher of this `seed`.
    pub(crate) fn awaited(seed: u64) -> Self {
        Self {
            is_complete: AtomicBool::new(false),
            ..Self::new(Registry::new(seed))
        }
    }

    /// Puts the series in place, and lets those go on who wait for them.
    pub(crate) fn complete(&self, mut registry: Registry) {
        registry.hasher = Arc::clone(&self.hasher);
        *self.registry.write() = registry;
        let _arrival = self.arrival.lock();
        self.is_complete.store(true, Ordering::Release);
        self.arrived.notify_all();
    }

    /// Returns once the series are there.
    pub(crate) fn wait(&self) {
        if self.is_complete.load(Ordering::Acquire) {
            return;
        }
        let mut arrival = self.arrival.lock();
        while !self.is_complete.load(Ordering::Acquire) {
            self.arrived.wait(&mut arrival);
        }
    }

    /// The registry, once it has all series.
    #[inline]
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Registry> {
        self.wait();
        self.registry.read()
    }

    /// The registry, once it has all series.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.wait();
        self.registry.write()
    }

    /// The registry as it is. As long as it lacks series, and whoever calls holds it, there is nothing in the head.
    pub(crate) fn read_at_once(&self) -> RwLockReadGuard<'_, Registry> {
        self.registry.read()
    }

    /// What hashes the keys, before the series are there as well as after.
    pub(crate) const fn hasher(&self) -> &Arc<KeyHasher> {
        &self.hasher
    }

    #[cfg(test)]
    pub(crate) fn try_write(&self) -> Option<RwLockWriteGuard<'_, Registry>> {
        self.registry.try_write()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    use chronoxide_model::Labels;

    use super::*;

    fn registry_of_one(seed: u64) -> Registry {
        let mut registry = Registry::new(seed);
        let labels = Labels::from_pairs([("__name__", "up")]).unwrap();
        let hash = registry.canonical_hash(&labels, &mut Vec::new());
        registry.insert(0, &labels, hash);
        registry
    }

    #[test]
    fn everybody_but_selections_waits_for_the_series() {
        let shared = SharedRegistry::awaited(3);
        let hasher = Arc::clone(shared.hasher());
        let (lengths, got) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| lengths.send(shared.read().len()));
            scope.spawn(|| lengths.send(shared.write().len()));
            let at_once = shared.read_at_once().len();
            let early = got.recv_timeout(Duration::from_millis(100));
            shared.complete(registry_of_one(3));
            assert_eq!((at_once, early), (0, Err(RecvTimeoutError::Timeout)));
            assert_eq!((got.recv(), got.recv()), (Ok(1), Ok(1)));
        });
        assert_eq!(shared.read_at_once().len(), 1);
        assert!(Arc::ptr_eq(&hasher, shared.read().hasher()));
    }
}
