//! Tables whose keys are hashes already.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table by a seeded 128-bit hash, which is not hashed again.
pub(crate) type HashedMap<T> = HashMap<u128, T, BuildHasherDefault<Taken>>;

/// Takes a hash as it comes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64 ^ (hash >> 64) as u64;
    }
}
