//! Every file of the fuzzers' corpus goes through what its fuzzer does.

use std::fs;
use std::path::Path;

use chronoxide_remote_write::{decompress, v1, v2};

use crate::invariants::{MESSAGE_BYTES_MAX, check};

fn for_each_file(folder: &str, mut check: impl FnMut(&[u8])) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(folder);
    let mut files = 0;
    for entry in fs::read_dir(&path).unwrap() {
        check(&fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files >= 10, "{} has {files} files", path.display());
}

#[test]
fn the_corpus_of_version_1_ends_in_answers() {
    for_each_file("remote_write_v1", |bytes| {
        check(|hold| v1::decode_within(bytes, hold));
        if let Ok(message) = decompress(bytes, MESSAGE_BYTES_MAX) {
            assert!(message.len() <= MESSAGE_BYTES_MAX);
            check(|hold| v1::decode_within(&message, hold));
        }
    });
}

#[test]
fn the_corpus_of_version_2_ends_in_answers() {
    for_each_file("remote_write_v2", |bytes| {
        check(|hold| v2::decode_within(bytes, hold));
    });
}
