//! Feeds arbitrary bytes to the readers of text: one byte that chooses the format, then the text.

#![no_main]

use chronoxide_exposition::{Dialect, Line, Lines, TextReader, read_json_line};
use chronoxide_model::WriteBatch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((format, text)) = input.split_first() else {
        return;
    };
    let dialect = if format & 1 == 0 {
        Dialect::Prometheus
    } else {
        Dialect::OpenMetrics
    };
    let mut reader = TextReader::new(dialect, 0);
    let mut batch = WriteBatch::new();
    let mut lines = Lines::new(1 << 16);
    let mut each = |_: u64, line: Line<'_>| {
        let Line::Whole(line) = line else {
            return Ok::<(), ()>(());
        };
        let before = (batch.series_count(), batch.sample_count());
        let read = if format & 2 == 0 {
            reader.read_line(line, &mut batch)
        } else {
            read_json_line(line, &[], &mut batch)
        };
        if read.is_err() {
            assert_eq!(before, (batch.series_count(), batch.sample_count()));
        }
        Ok(())
    };
    lines.push(text, &mut each).expect("nothing stops it");
    lines.finish(&mut each).expect("nothing stops it");
    for series in batch.series() {
        series.key.decode().expect("labels that were read are sound");
    }
});
