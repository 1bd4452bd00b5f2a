//! Feeds arbitrary bytes to the decoders of value chunks and of their summaries: two bytes of count, then the chunk.

#![no_main]

use chronoxide_format::chunk::{decode_exceptions, decode_values, summarize_values};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((count, bytes)) = input.split_first_chunk() else {
        return;
    };
    let count = usize::from(u16::from_le_bytes(*count));
    let mut out = Vec::new();
    let decoded = decode_values(bytes, count, &mut out);
    assert_eq!(out.len(), if decoded.is_ok() { count } else { 0 });
    let mut exceptions = Vec::new();
    let found = decode_exceptions(bytes, count, &mut exceptions);
    assert_eq!(exceptions.len(), if found.is_ok() { count } else { 0 });
    assert!(found.is_ok() || decoded.is_err());
    // It says nothing of what does not decode, but must not panic on it.
    let _ = summarize_values(bytes, count);
});
