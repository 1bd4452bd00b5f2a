//! Chunks in the encodings of Prometheus' own storage.

mod bits;
mod histogram;
mod xor;

use chronoxide_model::{HistogramCounts, SampleColumns};

use crate::message::Chunk;

/// Float samples of one chunk, as many as Prometheus puts there.
const SAMPLES_MAX: usize = 120;

/// The numbers of the encodings.
const XOR: i32 = 1;
const HISTOGRAM: i32 = 2;
const FLOAT_HISTOGRAM: i32 = 3;

/// The samples of one series as chunks, in the order of time.
///
/// A chunk of histograms holds one, because those of one chunk must have the same buckets and no reset between them.
pub(crate) fn chunks(columns: &SampleColumns) -> impl Iterator<Item = Chunk> {
    let (mut float, mut histogram) = (0, 0);
    std::iter::from_fn(move || {
        let next_histogram_ms = columns.histogram_timestamps_ms.get(histogram).copied();
        let rest = &columns.timestamps_ms[float..];
        let before_histogram = next_histogram_ms.map_or(rest.len(), |limit_ms| {
            rest.partition_point(|timestamp_ms| *timestamp_ms < limit_ms)
        });
        if before_histogram == 0 {
            let timestamp_ms = next_histogram_ms?;
            let chunk = histogram_chunk(timestamp_ms, columns.histograms.get(histogram)?);
            histogram += 1;
            return Some(chunk);
        }
        let end = float + before_histogram.min(SAMPLES_MAX);
        let times = &columns.timestamps_ms[float..end];
        let chunk = Chunk {
            min_time_ms: *times.first()?,
            max_time_ms: *times.last()?,
            kind: XOR,
            data: xor::encode(times, columns.values.get(float..end)?),
        };
        float = end;
        Some(chunk)
    })
}

fn histogram_chunk(timestamp_ms: i64, histogram: &chronoxide_model::Histogram) -> Chunk {
    Chunk {
        min_time_ms: timestamp_ms,
        max_time_ms: timestamp_ms,
        kind: match histogram.counts {
            HistogramCounts::Integer(_) => HISTOGRAM,
            HistogramCounts::Float(_) => FLOAT_HISTOGRAM,
        },
        data: histogram::encode(timestamp_ms, histogram),
    }
}
