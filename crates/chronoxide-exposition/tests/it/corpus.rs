//! Each file of the corpus is read as the fuzz target reads it: a byte that chooses the format, then the text.

use std::path::Path;

use chronoxide_exposition::{Dialect, TextReader, read_json_line};
use chronoxide_model::WriteBatch;

/// Reads `input`; how many lines were taken and how many were wrong.
fn read(input: &[u8]) -> (usize, usize) {
    let (format, text) = input.split_first().unwrap();
    let dialect = if format & 1 == 0 {
        Dialect::Prometheus
    } else {
        Dialect::OpenMetrics
    };
    let mut reader = TextReader::new(dialect, 0);
    let mut batch = WriteBatch::new();
    let (mut taken, mut wrong) = (0, 0);
    for line in text.split(|byte| *byte == b'\n') {
        let before = (batch.series_count(), batch.sample_count());
        let read = if format & 2 == 0 {
            reader.read_line(line, &mut batch)
        } else {
            read_json_line(line, &[], &mut batch)
        };
        if read.is_ok() {
            taken += 1;
        } else {
            wrong += 1;
            let after = (batch.series_count(), batch.sample_count());
            assert_eq!(after, before, "a wrong line changes nothing");
        }
    }
    for series in batch.series() {
        series.key.decode().unwrap();
    }
    (taken, wrong)
}

#[test]
fn hostile_texts_are_refused_line_by_line() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/exposition");
    let mut files = 0;
    for entry in corpus.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let input = std::fs::read(&path).unwrap();
        let (taken, wrong) = read(&input);
        if name.starts_with("valid-") {
            // The end of a JSON text is an empty line, which is no JSON.
            assert!(taken >= 2 && wrong <= 1, "{name}: {taken} {wrong}");
        } else {
            assert!(wrong >= 2, "{name}: {taken} {wrong}");
        }
        // Cut short anywhere, and with a bit turned, it is text all the same.
        for end in 1..input.len().min(400) {
            read(&input[..end]);
            let mut turned = input.clone();
            turned[end] ^= 1 << (end % 8);
            read(&turned);
        }
        files += 1;
    }
    assert!(files >= 8, "{files}");
}
