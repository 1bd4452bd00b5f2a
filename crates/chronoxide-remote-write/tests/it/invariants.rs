//! What holds of every request that can be read, whoever sent it. The fuzz targets include this file.

use chronoxide_model::{CanonicalKey, KeyEncoding as _};
use chronoxide_remote_write::{Decoded, Result};

/// Bytes that a message may have.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Bytes that it may take in memory beside its own.
const MEMORY_BYTES_MAX: u64 = 64 * MESSAGE_BYTES_MAX as u64;

/// Reads a request with `decode`, which is given what grants memory, and looks at what it hands on: every key either
/// decodes to labels that write themselves as the same labels again, or says what is wrong, and every histogram is valid.
pub(crate) fn check<'a>(decode: impl FnOnce(&mut dyn FnMut(u64) -> bool) -> Result<Decoded<'a>>) {
    let mut taken = 0_u64;
    let decoded = decode(&mut |bytes| {
        taken = taken.saturating_add(bytes);
        taken <= MEMORY_BYTES_MAX
    });
    let Ok(decoded) = decoded else {
        return;
    };
    for series in decoded.batch.series() {
        if let Ok(labels) = series.key.decode() {
            let mut key = Vec::new();
            CanonicalKey::encode(&labels, &mut key);
            assert_eq!(CanonicalKey.decode(&key), Ok(labels));
        }
        for (timestamp_ms, start_ms, histogram) in series.histograms() {
            assert_eq!(histogram.validate(), Ok(()));
            assert!(start_ms == 0 || start_ms <= timestamp_ms);
        }
        for (sample, start_ms) in series.samples.iter().zip(series.start_timestamps_ms) {
            assert!(*start_ms == 0 || *start_ms <= sample.timestamp_ms);
        }
    }
    let brought = decoded.batch.exemplar_count() as u64;
    assert!(brought <= decoded.exemplars);
}
