//! Feeds arbitrary bytes to the reader of remote-read requests.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // Wrong requests are errors, never panics.
    let _ = chronoxide_remote_read::decode(input);
});
