//! Native histograms, the same message in both versions.

use std::sync::Arc;

use chronoxide_model::{
    BucketCounts, BucketSpan, CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Histogram, HistogramCounts,
};
use chronoxide_protobuf::{NUMBERS_MAX, Reader, Result, WireType, zigzag32, zigzag64};

use crate::memory::Memory;

/// The finest schema that is stored; finer ones, up to [`SCHEMA_SENT_MAX`], are merged down to it.
const SCHEMA_MAX: i64 = 8;

/// The finest schema that the wire may carry.
const SCHEMA_SENT_MAX: i64 = 52;

/// A histogram sample as it was read.
#[derive(Debug)]
pub(crate) struct WireHistogram {
    pub(crate) timestamp_ms: i64,
    pub(crate) start_timestamp_ms: i64,
    /// The histogram, or what makes it unusable.
    pub(crate) histogram: std::result::Result<Histogram, String>,
}

/// The fields as they stand on the wire.
#[derive(Debug, Default)]
struct Fields {
    count: Count,
    zero_count: Count,
    sum: f64,
    schema: i64,
    zero_threshold: f64,
    negative: Side,
    positive: Side,
    reset_hint: u64,
    timestamp_ms: i64,
    custom_bounds: Vec<f64>,
    start_timestamp_ms: i64,
}

/// One of two kinds of number; the last one on the wire wins.
#[derive(Clone, Copy, Debug, Default)]
enum Count {
    #[default]
    Absent,
    Integer(u64),
    Float(f64),
}

#[derive(Debug, Default)]
struct Side {
    spans: Vec<BucketSpan>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

/// Reads one histogram message.
///
/// # Errors
/// When the bytes are no protobuf of the schema. A histogram that can be read but not used is no error here.
pub(crate) fn decode(
    mut reader: Reader<'_>,
    memory: &mut Memory<'_>,
) -> crate::Result<WireHistogram> {
    let mut fields = Fields::default();
    while !reader.is_at_end() {
        read_field(&mut reader, &mut fields)?;
    }
    memory.take(fields.bytes())?;
    Ok(WireHistogram {
        timestamp_ms: fields.timestamp_ms,
        start_timestamp_ms: fields.start_timestamp_ms,
        histogram: build(fields),
    })
}

fn read_field(reader: &mut Reader<'_>, fields: &mut Fields) -> Result<()> {
    let tag = reader.tag()?;
    let expected = match tag.field {
        1 | 4 | 6 | 14 | 15 | 17 => Some(WireType::Varint),
        2 | 3 | 5 | 7 => Some(WireType::Fixed64),
        8 | 11 => Some(WireType::Bytes),
        _ => None,
    };
    if let Some(wire) = expected {
        reader.expect(tag, wire)?;
    }
    match tag.field {
        1 => fields.count = Count::Integer(reader.varint()?),
        2 => fields.count = Count::Float(reader.double()?),
        3 => fields.sum = reader.double()?,
        4 => fields.schema = i64::from(zigzag32(reader.varint()?)),
        5 => fields.zero_threshold = reader.double()?,
        6 => fields.zero_count = Count::Integer(reader.varint()?),
        7 => fields.zero_count = Count::Float(reader.double()?),
        8 => push_span(reader, &mut fields.negative.spans)?,
        9 => reader.repeated(tag, WireType::Varint, &mut fields.negative.deltas, delta)?,
        10 => reader.repeated(
            tag,
            WireType::Fixed64,
            &mut fields.negative.counts,
            Reader::double,
        )?,
        11 => push_span(reader, &mut fields.positive.spans)?,
        12 => reader.repeated(tag, WireType::Varint, &mut fields.positive.deltas, delta)?,
        13 => reader.repeated(
            tag,
            WireType::Fixed64,
            &mut fields.positive.counts,
            Reader::double,
        )?,
        14 => fields.reset_hint = reader.varint()?,
        15 => fields.timestamp_ms = reader.varint()? as i64,
        16 => reader.repeated(
            tag,
            WireType::Fixed64,
            &mut fields.custom_bounds,
            Reader::double,
        )?,
        17 => fields.start_timestamp_ms = reader.varint()? as i64,
        _ => reader.skip(tag.wire)?,
    }
    Ok(())
}

fn delta(reader: &mut Reader<'_>) -> Result<i64> {
    reader.varint().map(zigzag64)
}

fn push_span(reader: &mut Reader<'_>, spans: &mut Vec<BucketSpan>) -> Result<()> {
    spans.push(decode_span(reader)?);
    if spans.len() > NUMBERS_MAX {
        return Err(reader.malformed("a histogram has more than a million spans"));
    }
    Ok(())
}

fn decode_span(reader: &mut Reader<'_>) -> Result<BucketSpan> {
    let mut span = reader.message("BucketSpan")?;
    let mut decoded = BucketSpan {
        offset: 0,
        length: 0,
    };
    while !span.is_at_end() {
        let tag = span.tag()?;
        match tag.field {
            1 => {
                span.expect(tag, WireType::Varint)?;
                decoded.offset = zigzag32(span.varint()?);
            }
            2 => {
                span.expect(tag, WireType::Varint)?;
                decoded.length = span.varint()? as u32;
            }
            _ => span.skip(tag.wire)?,
        }
    }
    Ok(decoded)
}

fn build(mut fields: Fields) -> std::result::Result<Histogram, String> {
    let is_float =
        matches!(fields.count, Count::Float(_)) || matches!(fields.zero_count, Count::Float(_));
    if chronoxide_model::is_stale_marker(fields.sum) {
        // It ends the series, whatever else it holds.
        fields = Fields {
            sum: fields.sum,
            ..Fields::default()
        };
    }
    let counts = if is_float {
        HistogramCounts::Float(BucketCounts {
            count: fields.count.float(),
            zero_count: fields.zero_count.float(),
            positive: fields.positive.counts,
            negative: fields.negative.counts,
        })
    } else {
        HistogramCounts::Integer(BucketCounts {
            count: fields.count.integer(),
            zero_count: fields.zero_count.integer(),
            positive: absolute("positive", &fields.positive.deltas)?,
            negative: absolute("negative", &fields.negative.deltas)?,
        })
    };
    let custom = i64::from(CUSTOM_BUCKETS_SCHEMA);
    if fields.schema != custom && !(-4..=SCHEMA_SENT_MAX).contains(&fields.schema) {
        return Err(format!(
            "histogram schema {} is neither -4 to {SCHEMA_SENT_MAX} nor {custom}",
            fields.schema
        ));
    }
    let histogram = Histogram {
        counter_reset_hint: reset_hint(fields.reset_hint),
        schema: i8::try_from(fields.schema.min(SCHEMA_MAX)).map_err(|error| error.to_string())?,
        zero_threshold: fields.zero_threshold,
        sum: fields.sum,
        positive_spans: fields.positive.spans,
        negative_spans: fields.negative.spans,
        counts,
        custom_bounds: Arc::from(fields.custom_bounds),
    };
    histogram.validate().map_err(|error| error.to_string())?;
    let finer_by = fields.schema - SCHEMA_MAX;
    if finer_by > 0 {
        merge_down(histogram, finer_by as u32)
    } else {
        Ok(histogram)
    }
}

impl Fields {
    /// Bytes that the histogram takes while it is read and afterwards.
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.custom_bounds.capacity() * size_of::<f64>()
            + self.negative.bytes()
            + self.positive.bytes()
    }
}

impl Side {
    fn bytes(&self) -> usize {
        self.spans.capacity() * size_of::<BucketSpan>()
            + (self.deltas.capacity() + self.counts.capacity()) * size_of::<f64>()
    }
}

impl Count {
    fn integer(self) -> u64 {
        match self {
            Self::Absent => 0,
            Self::Integer(count) => count,
            Self::Float(count) => count as u64,
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::Absent => 0.0,
            Self::Integer(count) => count as f64,
            Self::Float(count) => count,
        }
    }
}

fn reset_hint(number: u64) -> CounterResetHint {
    // Of an enum the low 32 bits count.
    match number as u32 {
        1 => CounterResetHint::Reset,
        2 => CounterResetHint::NotReset,
        3 => CounterResetHint::Gauge,
        _ => CounterResetHint::Unknown,
    }
}

/// Running sums of `deltas`: the wire carries the difference to the bucket before.
fn absolute(side: &'static str, deltas: &[i64]) -> std::result::Result<Vec<u64>, String> {
    let mut count = 0_i64;
    let mut counts = Vec::with_capacity(deltas.len());
    for delta in deltas {
        count = count
            .checked_add(*delta)
            .ok_or_else(|| format!("a {side} histogram bucket overflows"))?;
        counts.push(
            u64::try_from(count)
                .map_err(|_| format!("a {side} histogram bucket has negative count {count}"))?,
        );
    }
    Ok(counts)
}

/// Merges buckets so that the schema falls by `steps`: bucket `i` goes to `ceil(i / 2^steps)`.
fn merge_down(mut histogram: Histogram, steps: u32) -> std::result::Result<Histogram, String> {
    let (positive, negative) = (&mut histogram.positive_spans, &mut histogram.negative_spans);
    match &mut histogram.counts {
        HistogramCounts::Integer(counts) => {
            merge_side(positive, &mut counts.positive, steps, |a, b| {
                a.saturating_add(b)
            })?;
            merge_side(negative, &mut counts.negative, steps, |a, b| {
                a.saturating_add(b)
            })?;
        }
        HistogramCounts::Float(counts) => {
            merge_side(positive, &mut counts.positive, steps, |a, b| a + b)?;
            merge_side(negative, &mut counts.negative, steps, |a, b| a + b)?;
        }
    }
    Ok(histogram)
}

fn merge_side<T: Copy>(
    spans: &mut Vec<BucketSpan>,
    counts: &mut Vec<T>,
    steps: u32,
    add: impl Fn(T, T) -> T,
) -> std::result::Result<(), String> {
    let mut merged: Vec<(i64, T)> = Vec::with_capacity(counts.len());
    let mut source = counts.iter();
    let mut index = 0_i64;
    for span in spans.iter() {
        index += i64::from(span.offset);
        for _ in 0..span.length {
            let target = ((index - 1) >> steps.min(62)) + 1;
            let count = *source.next().ok_or("a histogram span has no buckets")?;
            match merged.last_mut() {
                Some((last, total)) if *last == target => *total = add(*total, count),
                _ => merged.push((target, count)),
            }
            index += 1;
        }
    }
    let mut rebuilt: Vec<BucketSpan> = Vec::new();
    let mut next = 0_i64;
    for (target, _) in &merged {
        match rebuilt.last_mut() {
            Some(span) if *target == next => span.length += 1,
            _ => {
                let offset = i32::try_from(target - next)
                    .map_err(|_| "a histogram bucket index is out of range")?;
                rebuilt.push(BucketSpan { offset, length: 1 });
            }
        }
        next = target + 1;
    }
    *spans = rebuilt;
    *counts = merged.into_iter().map(|(_, count)| count).collect();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finer_schema_is_merged_down() {
        let mut spans = vec![
            BucketSpan {
                offset: -1,
                length: 3,
            },
            BucketSpan {
                offset: 2,
                length: 1,
            },
        ];
        let mut counts = vec![1_u64, 2, 4, 8];
        // Indexes -1, 0, 1, 4: halved upwards they are 0, 0, 1, 2.
        merge_side(&mut spans, &mut counts, 1, |a, b| a + b).unwrap();
        assert_eq!(counts, [3, 4, 8]);
        assert_eq!(
            spans,
            [BucketSpan {
                offset: 0,
                length: 3
            }]
        );
    }

    #[test]
    fn counts_are_running_sums_of_deltas() {
        assert_eq!(absolute("positive", &[1, 2, -1]).unwrap(), [1, 3, 2]);
        assert!(
            absolute("positive", &[1, -2])
                .unwrap_err()
                .contains("negative count -1")
        );
        assert!(
            absolute("positive", &[i64::MAX, 1])
                .unwrap_err()
                .contains("overflows")
        );
    }
}
