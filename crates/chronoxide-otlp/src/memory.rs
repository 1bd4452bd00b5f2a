//! What a request takes in memory beside its own bytes.
//!
//! Few bytes on the wire can stand for many in memory: an empty data point is two bytes long, and one attribute of a
//! resource is copied into the keys of all its series. So everything that is kept is counted before it is made, and the
//! caller decides how far to go.

use std::cell::Cell;
use std::fmt;

use crate::{Error, Result};

/// The caller is asked when this much has been taken since it was asked last.
const STEP_BYTES: usize = 64 << 10;

/// Counts bytes that are about to be taken, and asks the caller for them from time to time.
pub(crate) struct Memory<'h> {
    hold: &'h dyn Fn(u64) -> bool,
    unasked: Cell<usize>,
    refused: Cell<bool>,
}

impl<'h> Memory<'h> {
    pub(crate) fn new(hold: &'h dyn Fn(u64) -> bool) -> Self {
        Self {
            hold,
            unasked: Cell::new(0),
            refused: Cell::new(false),
        }
    }

    /// Takes `bytes`.
    ///
    /// # Errors
    /// [`Error::NoMemory`] when the caller gives no more, then and for ever after.
    #[inline]
    pub(crate) fn take(&self, bytes: usize) -> Result<()> {
        let unasked = self.unasked.get().saturating_add(bytes);
        self.unasked.set(unasked);
        if unasked >= STEP_BYTES {
            self.ask();
        }
        self.check()
    }

    #[cold]
    fn ask(&self) {
        let bytes = self.unasked.take() as u64;
        if !self.refused.get() && !(self.hold)(bytes) {
            self.refused.set(true);
        }
    }

    /// Whether the caller has given everything so far.
    ///
    /// # Errors
    /// [`Error::NoMemory`] when it has not.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if self.refused.get() {
            return Err(Error::NoMemory);
        }
        Ok(())
    }
}

impl fmt::Debug for Memory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("unasked", &self.unasked)
            .field("refused", &self.refused)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_is_asked_in_steps_and_a_refusal_is_final() {
        let given = Cell::new(0);
        let hold = |bytes: u64| {
            given.set(given.get() + bytes);
            given.get() <= 3 * STEP_BYTES as u64
        };
        let memory = Memory::new(&hold);
        memory.take(STEP_BYTES - 1).unwrap();
        assert_eq!(given.get(), 0);
        memory.take(1).unwrap();
        memory.take(2 * STEP_BYTES).unwrap();
        assert_eq!(memory.take(STEP_BYTES), Err(Error::NoMemory));
        assert_eq!(memory.take(0), Err(Error::NoMemory));
        assert_eq!(memory.check(), Err(Error::NoMemory));
    }
}
