//! Chunks in the encodings of Prometheus' own storage.

mod bits;
mod histogram;
mod xor;

use chronoxide_model::{Histogram, HistogramCounts, SampleColumns};

use crate::message::Chunk;

/// Samples of one chunk, as many floats as Prometheus puts there.
const SAMPLES_MAX: usize = 120;

/// The numbers of the encodings.
const XOR: i32 = 1;
const HISTOGRAM: i32 = 2;
const FLOAT_HISTOGRAM: i32 = 3;

/// The samples of one series as chunks, in the order of time.
///
/// Those of a chunk of histograms have the same buckets and no reset between them.
pub(crate) fn chunks(columns: &SampleColumns) -> impl Iterator<Item = Chunk> {
    let (mut float, mut histogram) = (0, 0);
    std::iter::from_fn(move || {
        let next_float_ms = columns.timestamps_ms.get(float).copied();
        let next_histogram_ms = columns.histogram_timestamps_ms.get(histogram).copied();
        let before_histogram = before(&columns.timestamps_ms[float..], next_histogram_ms);
        if before_histogram == 0 {
            let times = &columns.histogram_timestamps_ms[histogram..];
            let count = before(times, next_float_ms).clamp(1, SAMPLES_MAX);
            let all = columns.histograms.get(histogram..)?;
            let run = histogram::run(all.get(..count).unwrap_or(all));
            histogram += run.len();
            return histogram_chunk(times, run);
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

/// How many of `timestamps_ms` come before `limit_ms`, if there is any.
fn before(timestamps_ms: &[i64], limit_ms: Option<i64>) -> usize {
    limit_ms.map_or(timestamps_ms.len(), |limit_ms| {
        timestamps_ms.partition_point(|timestamp_ms| *timestamp_ms < limit_ms)
    })
}

/// The chunk of `run`, whose times stand at the beginning of `timestamps_ms`; `None` when there is nothing.
fn histogram_chunk(timestamps_ms: &[i64], run: &[Histogram]) -> Option<Chunk> {
    let first = run.first()?;
    let times = timestamps_ms.get(..run.len())?;
    Some(Chunk {
        min_time_ms: *times.first()?,
        max_time_ms: *times.last()?,
        kind: match first.counts {
            HistogramCounts::Integer(_) => HISTOGRAM,
            HistogramCounts::Float(_) => FLOAT_HISTOGRAM,
        },
        data: histogram::encode(times, run),
    })
}
