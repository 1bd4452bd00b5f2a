//! The seeds of the fuzz targets, fed to the decoders as the targets do.
//!
//! Seeds named `valid-` decode, those named `hostile-` do not; any other file there is an input that once failed.

use std::path::Path;

use chronoxide_format::Result;
use chronoxide_format::chunk::{decode_histograms, decode_timestamps, decode_values};

/// Feeds each file of the corpus of `target` to `decode`, which gives back how many samples it appended.
#[track_caller]
fn feed(target: &str, decode: impl Fn(&[u8], usize) -> (Result<()>, usize)) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let (mut valid, mut hostile) = (0, 0);
    for entry in corpus.read_dir().expect("the corpus is a directory") {
        let path = entry.expect("the corpus is readable").path();
        let input = std::fs::read(&path).expect("a seed is readable");
        let Some((count, bytes)) = input.split_first_chunk() else {
            continue;
        };
        let count = usize::from(u16::from_le_bytes(*count));
        let (decoded, appended) = decode(bytes, count);
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with("valid-") {
            valid += 1;
            assert_eq!(decoded, Ok(()), "{name}");
        } else if name.starts_with("hostile-") {
            hostile += 1;
            assert!(decoded.is_err(), "{name}");
        }
        assert_eq!(appended, if decoded.is_ok() { count } else { 0 }, "{name}");
    }
    assert!(
        valid > 0 && hostile > 0,
        "{valid} valid and {hostile} hostile seeds"
    );
}

#[test]
fn seeds_of_value_chunks_decode_as_named() {
    feed("chunk_values", |bytes, count| {
        let mut out = Vec::new();
        (decode_values(bytes, count, &mut out), out.len())
    });
}

#[test]
fn seeds_of_timestamp_chunks_decode_as_named() {
    feed("chunk_timestamps", |bytes, count| {
        let mut out = Vec::new();
        (decode_timestamps(bytes, count, &mut out), out.len())
    });
}

#[test]
fn seeds_of_histogram_chunks_decode_as_named() {
    feed("chunk_histograms", |bytes, count| {
        let mut out = Vec::new();
        (decode_histograms(bytes, count, &mut out), out.len())
    });
}
