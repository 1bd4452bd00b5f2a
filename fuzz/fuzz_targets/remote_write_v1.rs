//! Feeds arbitrary bytes to the reader of remote write 1.0, bare and as a snappy block. Every key that it hands on must
//! either decode to labels that write themselves as the same labels again, or say what is wrong.

#![no_main]

use chronoxide_model::{CanonicalKey, KeyEncoding as _};
use chronoxide_remote_write::{decompress, v1};
use libfuzzer_sys::fuzz_target;

/// Bytes that a message may have.
const LIMIT: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    read(input);
    if let Ok(message) = decompress(input, LIMIT) {
        assert!(message.len() <= LIMIT);
        read(&message);
    }
});

fn read(bytes: &[u8]) {
    let mut taken = 0;
    let decoded = v1::decode_within(bytes, |bytes| {
        taken += bytes;
        taken <= 64 * LIMIT as u64
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
        for (_, _, histogram) in series.histograms() {
            assert_eq!(histogram.validate(), Ok(()));
        }
    }
}
