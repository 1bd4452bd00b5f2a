//! What a request takes in memory beside its own bytes.
//!
//! A few bytes on the wire can stand for many in memory: an empty histogram message is two bytes long, and a reference of
//! one byte copies a symbol of any length. So everything that is kept is counted, and the caller decides how far to go.

use crate::{Error, Result};

/// The caller is asked when this much has been taken since it was asked last.
const STEP_BYTES: usize = 256 << 10;

/// A series of a batch, without its labels.
pub(crate) const SERIES_BYTES: usize = 64;

/// Room for this many series at most is made before they are seen.
pub(crate) const SERIES_AHEAD_MAX: usize = 8192;

/// And for this many bytes of their keys.
pub(crate) const KEY_BYTES_AHEAD_MAX: usize = 4 << 20;

/// An exemplar with its labels, which are never many.
pub(crate) const EXEMPLAR_BYTES: usize = 256;

/// Counts bytes that are about to be taken, and asks the caller for them from time to time.
pub(crate) struct Memory<'h> {
    hold: &'h mut dyn FnMut(u64) -> bool,
    unasked: usize,
}

impl<'h> Memory<'h> {
    pub(crate) fn new(hold: &'h mut dyn FnMut(u64) -> bool) -> Self {
        Self { hold, unasked: 0 }
    }

    /// Takes `bytes`.
    ///
    /// # Errors
    /// When the caller gives no more.
    #[inline]
    pub(crate) fn take(&mut self, bytes: usize) -> Result<()> {
        self.unasked = self.unasked.saturating_add(bytes);
        if self.unasked >= STEP_BYTES {
            return self.ask();
        }
        Ok(())
    }

    #[cold]
    fn ask(&mut self) -> Result<()> {
        let bytes = std::mem::take(&mut self.unasked) as u64;
        if (self.hold)(bytes) {
            Ok(())
        } else {
            Err(Error::NoMemory)
        }
    }
}
