//! Feeds arbitrary bytes to the reader of remote write 1.0, bare and as a snappy block.

#![no_main]

use chronoxide_remote_write::{decompress, v1};
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/chronoxide-remote-write/tests/it/invariants.rs"]
mod invariants;

use invariants::{MESSAGE_BYTES_MAX, check};

fuzz_target!(|input: &[u8]| {
    check(|hold| v1::decode_within(input, hold));
    if let Ok(message) = decompress(input, MESSAGE_BYTES_MAX) {
        assert!(message.len() <= MESSAGE_BYTES_MAX);
        check(|hold| v1::decode_within(&message, hold));
    }
});
