//! Feeds arbitrary bytes to the reader of remote write 2.0.

#![no_main]

use chronoxide_remote_write::v2;
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/chronoxide-remote-write/tests/it/invariants.rs"]
mod invariants;

fuzz_target!(|input: &[u8]| {
    invariants::check(|hold| v2::decode_within(input, hold));
});
