//! Histograms one after the other, each with all it has.

use std::sync::Arc;

use chronoxide_model::{BucketCounts, BucketSpan, Histogram, HistogramCounts};

use super::{hint_number, hint_of};
use crate::varint::{put_i64, put_u32, put_u64, put_usize};
use crate::{Reader, Result};

/// Set in the head of a row whose counts are floats; the hint is in the bits above.
const FLOAT: u8 = 1;

pub(super) fn encode(histograms: &[Histogram], out: &mut Vec<u8>) {
    for histogram in histograms {
        let float = matches!(histogram.counts, HistogramCounts::Float(_));
        out.push(hint_number(histogram.counter_reset_hint) << 1 | u8::from(float));
        out.extend_from_slice(&histogram.schema.to_le_bytes());
        out.extend_from_slice(&histogram.zero_threshold.to_le_bytes());
        out.extend_from_slice(&histogram.sum.to_le_bytes());
        put_spans(&histogram.positive_spans, out);
        put_spans(&histogram.negative_spans, out);
        put_bounds(&histogram.custom_bounds, out);
        match &histogram.counts {
            HistogramCounts::Integer(counts) => {
                put_counts(counts, out, |&count, out| put_u64(out, count))
            }
            HistogramCounts::Float(counts) => put_counts(counts, out, |count, out| {
                out.extend_from_slice(&count.to_le_bytes());
            }),
        }
    }
}

pub(super) fn decode(
    reader: &mut Reader<'_>,
    count: usize,
    out: &mut Vec<Histogram>,
) -> Result<()> {
    for _ in 0..count {
        let head = reader.u8()?;
        let Some(counter_reset_hint) = hint_of(head >> 1) else {
            return Err(reader.corrupt("unknown counter reset hint"));
        };
        let [schema] = reader.array()?.map(u8::cast_signed);
        out.push(Histogram {
            counter_reset_hint,
            schema,
            zero_threshold: reader.f64()?,
            sum: reader.f64()?,
            positive_spans: spans(reader)?,
            negative_spans: spans(reader)?,
            custom_bounds: bounds(reader)?,
            counts: if head & FLOAT > 0 {
                HistogramCounts::Float(counts(reader, 8, Reader::f64)?)
            } else {
                HistogramCounts::Integer(counts(reader, 1, Reader::varint_u64)?)
            },
        });
    }
    Ok(())
}

pub(super) fn put_spans(spans: &[BucketSpan], out: &mut Vec<u8>) {
    put_usize(out, spans.len());
    for span in spans {
        put_i64(out, i64::from(span.offset));
        put_u32(out, span.length);
    }
}

pub(super) fn spans(reader: &mut Reader<'_>) -> Result<Vec<BucketSpan>> {
    list(reader, 2, |reader| {
        let offset = i32::try_from(reader.varint_i64()?);
        let Ok(offset) = offset else {
            return Err(reader.corrupt("the offset of a span has more than 32 bits"));
        };
        let length = reader.varint_u32()?;
        Ok(BucketSpan { offset, length })
    })
}

pub(super) fn put_bounds(bounds: &[f64], out: &mut Vec<u8>) {
    put_usize(out, bounds.len());
    for bound in bounds {
        out.extend_from_slice(&bound.to_le_bytes());
    }
}

pub(super) fn bounds(reader: &mut Reader<'_>) -> Result<Arc<[f64]>> {
    list(reader, 8, Reader::f64).map(Arc::from)
}

fn put_counts<T>(counts: &BucketCounts<T>, out: &mut Vec<u8>, put: impl Fn(&T, &mut Vec<u8>)) {
    put(&counts.count, out);
    put(&counts.zero_count, out);
    for side in [&counts.positive, &counts.negative] {
        put_usize(out, side.len());
        for count in side {
            put(count, out);
        }
    }
}

fn counts<'a, T>(
    reader: &mut Reader<'a>,
    bytes_min: usize,
    read: impl Fn(&mut Reader<'a>) -> Result<T>,
) -> Result<BucketCounts<T>> {
    Ok(BucketCounts {
        count: read(reader)?,
        zero_count: read(reader)?,
        positive: list(reader, bytes_min, &read)?,
        negative: list(reader, bytes_min, &read)?,
    })
}

/// A length, then that many items of `bytes_min` bytes or more; a length that the bytes left cannot hold is refused
/// before any memory is taken for it.
fn list<'a, T>(
    reader: &mut Reader<'a>,
    bytes_min: usize,
    read: impl Fn(&mut Reader<'a>) -> Result<T>,
) -> Result<Vec<T>> {
    let len = reader.varint_len(reader.remaining() / bytes_min)?;
    let mut items = Vec::with_capacity(len);
    for _ in 0..len {
        items.push(read(reader)?);
    }
    Ok(items)
}
