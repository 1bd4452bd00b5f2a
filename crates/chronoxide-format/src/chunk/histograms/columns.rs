//! Hints, sums and counts of histograms as columns.

use std::sync::Arc;

use chronoxide_model::{BucketCounts, Histogram, HistogramCounts};

use super::layouts::{Columns, Family, Layout, Layouts};
use super::{hint_number, hint_of};
use crate::chunk::integers;
use crate::chunk::values::{ValueEncoder, decode_stream};
use crate::{Error, Reader, Result};

/// Appends hints, sums, and the columns of each family.
pub(super) fn encode(
    layouts: &Layouts,
    histograms: &[Histogram],
    encoder: &mut ValueEncoder,
    out: &mut Vec<u8>,
) {
    let hints = histograms
        .iter()
        .map(|histogram| hint_number(histogram.counter_reset_hint));
    let hints: Vec<i64> = hints.map(i64::from).collect();
    encoder.encode_integers(&hints, out);
    let sums: Vec<f64> = histograms.iter().map(|histogram| histogram.sum).collect();
    encoder.encode_column(&sums, out);
    for columns in layouts.columns() {
        if columns.family.float {
            encode_family::<f64>(layouts, &columns, histograms, encoder, out);
        } else {
            encode_family::<u64>(layouts, &columns, histograms, encoder, out);
        }
    }
}

/// Reads what [`encode`] appends, of `count` samples.
pub(super) fn decode(
    reader: &mut Reader<'_>,
    layouts: &Layouts,
    count: usize,
    out: &mut Vec<Histogram>,
) -> Result<()> {
    let start = out.len();
    let mut hints = Vec::with_capacity(count);
    integers::decode(reader, count, |block| hints.extend_from_slice(block))?;
    let mut sums = Vec::with_capacity(count);
    decode_stream(reader, count, &mut sums)?;
    out.reserve(count);
    let each = layouts
        .runs()
        .flat_map(|(run, layout)| std::iter::repeat_n(layout, run.length));
    for ((layout, hint), sum) in each.zip(hints).zip(sums) {
        let Some(hint) = u8::try_from(hint).ok().and_then(hint_of) else {
            return Err(reader.corrupt("unknown counter reset hint"));
        };
        out.push(Histogram {
            counter_reset_hint: hint,
            schema: layout.family.schema,
            zero_threshold: layout.zero_threshold,
            sum,
            positive_spans: layout.positive_spans.clone(),
            negative_spans: layout.negative_spans.clone(),
            counts: if layout.family.float {
                HistogramCounts::Float(no_counts(layout))
            } else {
                HistogramCounts::Integer(no_counts(layout))
            },
            custom_bounds: Arc::clone(&layout.custom_bounds),
        });
    }
    let decoded = out.get_mut(start..).unwrap_or_default();
    for columns in layouts.columns() {
        if columns.family.float {
            decode_family::<f64>(reader, layouts, &columns, decoded)?;
        } else {
            decode_family::<u64>(reader, layouts, &columns, decoded)?;
        }
    }
    Ok(())
}

/// Counts that will get the buckets of `layout`.
fn no_counts<T: Default>(layout: &Layout) -> BucketCounts<T> {
    BucketCounts {
        count: T::default(),
        zero_count: T::default(),
        positive: Vec::with_capacity(layout.positive.len()),
        negative: Vec::with_capacity(layout.negative.len()),
    }
}

#[derive(Clone, Copy, Debug)]
enum Side {
    Positive,
    Negative,
}

impl Side {
    fn indexes(self, layout: &Layout) -> &[i64] {
        match self {
            Self::Positive => &layout.positive,
            Self::Negative => &layout.negative,
        }
    }

    fn buckets<T>(self, counts: &BucketCounts<T>) -> &[T] {
        match self {
            Self::Positive => &counts.positive,
            Self::Negative => &counts.negative,
        }
    }

    fn buckets_mut<T>(self, counts: &mut BucketCounts<T>) -> &mut Vec<T> {
        match self {
            Self::Positive => &mut counts.positive,
            Self::Negative => &mut counts.negative,
        }
    }
}

/// All bucket columns of a family, in the order in which they are written.
fn buckets(columns: &Columns) -> impl Iterator<Item = (Side, i64)> {
    let positive = columns
        .positive
        .iter()
        .map(|&index| (Side::Positive, index));
    let negative = columns
        .negative
        .iter()
        .map(|&index| (Side::Negative, index));
    positive.chain(negative)
}

/// The place of bucket `index` in each layout, by the number of the layout.
fn places(layouts: &Layouts, side: Side, index: i64) -> Vec<Option<usize>> {
    let place = |layout: &Layout| side.indexes(layout).binary_search(&index).ok();
    layouts.layouts.iter().map(place).collect()
}

/// The samples of a family: their positions in the chunk, and the numbers of their layouts.
fn members(layouts: &Layouts, family: Family) -> impl Iterator<Item = (usize, usize)> {
    let each = layouts
        .runs()
        .flat_map(|(run, layout)| std::iter::repeat_n((run.layout, layout.family), run.length));
    each.enumerate()
        .filter(move |(_, (_, of))| *of == family)
        .map(|(at, (layout, _))| (at, layout))
}

/// A type of counts: how its columns are written and read.
trait Count: Copy + Default {
    fn counts(histogram: &Histogram) -> Option<&BucketCounts<Self>>;
    fn counts_mut(histogram: &mut Histogram) -> Option<&mut BucketCounts<Self>>;
    fn encode(column: &[Self], encoder: &mut ValueEncoder, out: &mut Vec<u8>);
    fn decode(reader: &mut Reader<'_>, count: usize, column: &mut Vec<Self>) -> Result<()>;
    /// What is stored for the total.
    fn total(counts: &BucketCounts<Self>) -> Self;
    /// The total, from what was stored for it and the buckets.
    fn set_total(counts: &mut BucketCounts<Self>, stored: Self);
}

impl Count for u64 {
    fn counts(histogram: &Histogram) -> Option<&BucketCounts<Self>> {
        match &histogram.counts {
            HistogramCounts::Integer(counts) => Some(counts),
            HistogramCounts::Float(_) => None,
        }
    }

    fn counts_mut(histogram: &mut Histogram) -> Option<&mut BucketCounts<Self>> {
        match &mut histogram.counts {
            HistogramCounts::Integer(counts) => Some(counts),
            HistogramCounts::Float(_) => None,
        }
    }

    fn encode(column: &[Self], encoder: &mut ValueEncoder, out: &mut Vec<u8>) {
        let column: Vec<i64> = column.iter().map(|count| count.cast_signed()).collect();
        encoder.encode_integers(&column, out);
    }

    fn decode(reader: &mut Reader<'_>, count: usize, column: &mut Vec<Self>) -> Result<()> {
        integers::decode(reader, count, |block| {
            column.extend(block.iter().map(|value| value.cast_unsigned()));
        })
    }

    /// What the total has beyond the buckets: nothing, but for observations of NaN.
    fn total(counts: &BucketCounts<Self>) -> Self {
        counts.count.wrapping_sub(observations(counts))
    }

    fn set_total(counts: &mut BucketCounts<Self>, stored: Self) {
        counts.count = stored.wrapping_add(observations(counts));
    }
}

fn observations(counts: &BucketCounts<u64>) -> u64 {
    let buckets = counts.positive.iter().chain(&counts.negative);
    buckets.fold(counts.zero_count, |sum, bucket| sum.wrapping_add(*bucket))
}

impl Count for f64 {
    fn counts(histogram: &Histogram) -> Option<&BucketCounts<Self>> {
        match &histogram.counts {
            HistogramCounts::Float(counts) => Some(counts),
            HistogramCounts::Integer(_) => None,
        }
    }

    fn counts_mut(histogram: &mut Histogram) -> Option<&mut BucketCounts<Self>> {
        match &mut histogram.counts {
            HistogramCounts::Float(counts) => Some(counts),
            HistogramCounts::Integer(_) => None,
        }
    }

    fn encode(column: &[Self], encoder: &mut ValueEncoder, out: &mut Vec<u8>) {
        encoder.encode_column(column, out);
    }

    fn decode(reader: &mut Reader<'_>, count: usize, column: &mut Vec<Self>) -> Result<()> {
        decode_stream(reader, count, column)
    }

    fn total(counts: &BucketCounts<Self>) -> Self {
        counts.count
    }

    fn set_total(counts: &mut BucketCounts<Self>, stored: Self) {
        counts.count = stored;
    }
}

/// Appends zero counts, then each bucket, then totals.
fn encode_family<T: Count>(
    layouts: &Layouts,
    columns: &Columns,
    histograms: &[Histogram],
    encoder: &mut ValueEncoder,
    out: &mut Vec<u8>,
) {
    let counts = || {
        members(layouts, columns.family)
            .filter_map(|(at, layout)| Some((T::counts(histograms.get(at)?)?, layout)))
    };
    let mut column: Vec<T> = counts().map(|(counts, _)| counts.zero_count).collect();
    T::encode(&column, encoder, out);
    for (side, index) in buckets(columns) {
        let places = places(layouts, side, index);
        let mut last = T::default();
        column.clear();
        column.extend(counts().map(|(counts, layout)| {
            // A sample without the bucket repeats the last count: that costs least, and decoding skips it.
            let place = places.get(layout).copied().flatten();
            let count = place.and_then(|place| side.buckets(counts).get(place));
            last = count.copied().unwrap_or(last);
            last
        }));
        T::encode(&column, encoder, out);
    }
    column.clear();
    column.extend(counts().map(|(counts, _)| T::total(counts)));
    T::encode(&column, encoder, out);
}

/// Reads what [`encode_family`] appends into the samples of the family among `histograms`.
fn decode_family<T: Count>(
    reader: &mut Reader<'_>,
    layouts: &Layouts,
    columns: &Columns,
    histograms: &mut [Histogram],
) -> Result<()> {
    let mut column: Vec<T> = Vec::with_capacity(columns.samples);
    let mut read = |reader: &mut Reader<'_>,
                    set: &mut dyn FnMut(&mut BucketCounts<T>, usize, T)| {
        column.clear();
        T::decode(reader, columns.samples, &mut column)?;
        for (&value, (at, layout)) in column.iter().zip(members(layouts, columns.family)) {
            if let Some(counts) = histograms.get_mut(at).and_then(T::counts_mut) {
                set(counts, layout, value);
            }
        }
        Ok::<(), Error>(())
    };
    read(reader, &mut |counts, _, value| counts.zero_count = value)?;
    for (side, index) in buckets(columns) {
        let places = places(layouts, side, index);
        // Columns come by rising index, so pushing keeps the order of the layout.
        read(reader, &mut |counts, layout, value| {
            if places.get(layout).copied().flatten().is_some() {
                side.buckets_mut(counts).push(value);
            }
        })?;
    }
    read(reader, &mut |counts, _, value| T::set_total(counts, value))
}
