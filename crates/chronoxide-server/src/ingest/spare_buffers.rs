//! Buffers that requests were decompressed into, kept for those that come next.
//!
//! Memory that is taken anew has to be cleared before anything is put there, which takes a quarter of the time of
//! decompression.

use parking_lot::Mutex;

/// So many are kept: more than that rarely decompress at once.
const BUFFERS_MAX: usize = 4;

/// Larger ones are not kept.
const BYTES_MAX: usize = 4 << 20;

/// A few buffers of moderate size.
#[derive(Debug, Default)]
pub(crate) struct SpareBuffers(Mutex<Vec<Vec<u8>>>);

impl SpareBuffers {
    /// A buffer with anything in it, or a new one.
    pub(super) fn take(&self) -> Vec<u8> {
        self.0.lock().pop().unwrap_or_default()
    }

    /// Keeps a buffer, if it is worth it.
    pub(super) fn put_back(&self, buffer: Vec<u8>) {
        let mut buffers = self.0.lock();
        if buffers.len() < BUFFERS_MAX && (1..=BYTES_MAX).contains(&buffer.capacity()) {
            buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_buffers_of_moderate_size_are_kept() {
        let spare = SpareBuffers::default();
        assert_eq!(spare.take().capacity(), 0);
        for bytes in [0, 10, BYTES_MAX + 1, 20, 30, 40, 50] {
            spare.put_back(vec![1; bytes]);
        }
        let kept: Vec<usize> = (0..=BUFFERS_MAX).map(|_| spare.take().len()).collect();
        assert_eq!(kept, [40, 30, 20, 10, 0]);
    }
}
