//! One histogram sample inside a batch, each on its own: the log is read once and compressed as a whole, so columns
//! would gain little here.

use std::sync::Arc;

use chronoxide_model::{BucketCounts, BucketSpan, CounterResetHint, Histogram, HistogramCounts};

use crate::{Reader, Result, varint};

/// The fewest bytes a histogram takes: flags, schema, threshold, sum, two counts, two numbers of spans, two numbers of
/// buckets, number of bounds.
pub(super) const BYTES_MIN: usize = 25;

const FLAG_FLOAT: u8 = 0x80;

const fn hint_id(hint: CounterResetHint) -> u8 {
    match hint {
        CounterResetHint::Unknown => 0,
        CounterResetHint::Reset => 1,
        CounterResetHint::NotReset => 2,
        CounterResetHint::Gauge => 3,
    }
}

pub(super) fn put(histogram: &Histogram, out: &mut Vec<u8>) {
    let float = match histogram.counts {
        HistogramCounts::Integer(_) => 0,
        HistogramCounts::Float(_) => FLAG_FLOAT,
    };
    out.push(hint_id(histogram.counter_reset_hint) | float);
    out.push(histogram.schema.cast_unsigned());
    put_f64(histogram.zero_threshold, out);
    put_f64(histogram.sum, out);
    put_spans(&histogram.positive_spans, out);
    put_spans(&histogram.negative_spans, out);
    match &histogram.counts {
        HistogramCounts::Integer(counts) => {
            put_counts(counts, out, |count, out| varint::put_u64(out, *count));
        }
        HistogramCounts::Float(counts) => {
            put_counts(counts, out, |count, out| put_f64(*count, out));
        }
    }
    varint::put_usize(out, histogram.custom_bounds.len());
    for &bound in histogram.custom_bounds.iter() {
        put_f64(bound, out);
    }
}

fn put_f64(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

fn put_spans(spans: &[BucketSpan], out: &mut Vec<u8>) {
    varint::put_usize(out, spans.len());
    for span in spans {
        varint::put_i64(out, i64::from(span.offset));
        varint::put_u32(out, span.length);
    }
}

fn put_counts<T>(counts: &BucketCounts<T>, out: &mut Vec<u8>, put: impl Fn(&T, &mut Vec<u8>)) {
    put(&counts.count, out);
    put(&counts.zero_count, out);
    for buckets in [&counts.positive, &counts.negative] {
        varint::put_usize(out, buckets.len());
        for bucket in buckets {
            put(bucket, out);
        }
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Histogram> {
    let flags = reader.u8()?;
    let counter_reset_hint = match flags & !FLAG_FLOAT {
        0 => CounterResetHint::Unknown,
        1 => CounterResetHint::Reset,
        2 => CounterResetHint::NotReset,
        3 => CounterResetHint::Gauge,
        _ => return Err(reader.corrupt("a counter reset hint is unknown")),
    };
    let schema = reader.u8()?.cast_signed();
    let zero_threshold = reader.f64()?;
    let sum = reader.f64()?;
    let positive_spans = read_spans(reader)?;
    let negative_spans = read_spans(reader)?;
    let counts = if flags & FLAG_FLOAT == 0 {
        HistogramCounts::Integer(read_counts(reader, 1, Reader::varint_u64)?)
    } else {
        HistogramCounts::Float(read_counts(reader, 8, Reader::f64)?)
    };
    let custom_bounds: Arc<[f64]> = read_many(reader, 8, Reader::f64)?.into();
    Ok(Histogram {
        counter_reset_hint,
        schema,
        zero_threshold,
        sum,
        positive_spans,
        negative_spans,
        counts,
        custom_bounds,
    })
}

/// Reads a count and that many items, each of at least `bytes_min` bytes.
fn read_many<'a, T>(
    reader: &mut Reader<'a>,
    bytes_min: usize,
    read: impl Fn(&mut Reader<'a>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = reader.varint_len(reader.remaining() / bytes_min)?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(read(reader)?);
    }
    Ok(items)
}

fn read_spans(reader: &mut Reader<'_>) -> Result<Vec<BucketSpan>> {
    read_many(reader, 2, |reader| {
        let offset = i32::try_from(reader.varint_i64()?)
            .map_err(|_| reader.corrupt("a span's offset is out of range"))?;
        let length = reader.varint_u32()?;
        Ok(BucketSpan { offset, length })
    })
}

fn read_counts<'a, T>(
    reader: &mut Reader<'a>,
    bytes_min: usize,
    read: impl Fn(&mut Reader<'a>) -> Result<T> + Copy,
) -> Result<BucketCounts<T>> {
    Ok(BucketCounts {
        count: read(reader)?,
        zero_count: read(reader)?,
        positive: read_many(reader, bytes_min, read)?,
        negative: read_many(reader, bytes_min, read)?,
    })
}
