//! Which buckets the samples of a chunk have.

use std::collections::BTreeSet;
use std::sync::Arc;

use chronoxide_model::{BucketSpan, Histogram, HistogramCounts};

use super::rows::{bounds, put_bounds, put_spans, spans};
use crate::varint::put_usize;
use crate::{Reader, Result};

/// The most layouts of one chunk.
const LAYOUTS_MAX: usize = 256;
/// The most places in all columns of a chunk together, and so 32 MiB of counts.
const CELLS_MAX: usize = 1 << 22;

/// Set in the head of a layout whose counts are floats.
const FLOAT: u8 = 1;

/// Everything of a histogram but its hint, its sum and its counts.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) family: Family,
    pub(super) zero_threshold: f64,
    pub(super) positive_spans: Vec<BucketSpan>,
    pub(super) negative_spans: Vec<BucketSpan>,
    pub(super) custom_bounds: Arc<[f64]>,
    /// The indexes of the positive buckets, ascending.
    pub(super) positive: Vec<i64>,
    /// The indexes of the negative buckets, ascending.
    pub(super) negative: Vec<i64>,
}

/// Layouts that share columns: bucket `i` of one is bucket `i` of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) float: bool,
    pub(super) schema: i8,
}

/// Consecutive samples of one layout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) layout: usize,
    pub(super) length: usize,
}

/// The columns that one family has.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub(super) family: Family,
    /// How many samples are of this family: the length of its columns.
    pub(super) samples: usize,
    /// The indexes that occur among positive buckets.
    pub(super) positive: BTreeSet<i64>,
    /// The indexes that occur among negative buckets.
    pub(super) negative: BTreeSet<i64>,
}

/// The layouts of a chunk, and which samples have which.
#[derive(Clone, Debug, Default)]
pub(super) struct Layouts {
    pub(super) layouts: Vec<Layout>,
    pub(super) runs: Vec<Run>,
}

impl Layout {
    /// None when the spans and the counts disagree, or there are too many buckets.
    fn of(histogram: &Histogram) -> Option<Self> {
        let positive = indexes(&histogram.positive_spans, CELLS_MAX)?;
        let negative = indexes(&histogram.negative_spans, CELLS_MAX)?;
        if bucket_lens(histogram) != (positive.len(), negative.len()) {
            return None;
        }
        Some(Self {
            family: Family::of(histogram),
            zero_threshold: histogram.zero_threshold,
            positive_spans: histogram.positive_spans.clone(),
            negative_spans: histogram.negative_spans.clone(),
            custom_bounds: Arc::clone(&histogram.custom_bounds),
            positive,
            negative,
        })
    }

    /// Whether `histogram` has this layout, bit for bit.
    fn fits(&self, histogram: &Histogram) -> bool {
        self.family == Family::of(histogram)
            && self.zero_threshold.to_bits() == histogram.zero_threshold.to_bits()
            && self.positive_spans == histogram.positive_spans
            && self.negative_spans == histogram.negative_spans
            && same_bits(&self.custom_bounds, &histogram.custom_bounds)
            && bucket_lens(histogram) == (self.positive.len(), self.negative.len())
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.family.float));
        out.extend_from_slice(&self.family.schema.to_le_bytes());
        out.extend_from_slice(&self.zero_threshold.to_le_bytes());
        put_spans(&self.positive_spans, out);
        put_spans(&self.negative_spans, out);
        put_bounds(&self.custom_bounds, out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let head = reader.u8()?;
        if head > FLOAT {
            return Err(reader.corrupt("unknown bits in the head of a layout"));
        }
        let [schema] = reader.array()?.map(u8::cast_signed);
        let zero_threshold = reader.f64()?;
        let (positive_spans, negative_spans) = (spans(reader)?, spans(reader)?);
        let custom_bounds = bounds(reader)?;
        // Each bucket has a column, and each column two bytes at least.
        let buckets_max = reader.remaining() / 2;
        let positive = indexes(&positive_spans, buckets_max);
        let negative = indexes(&negative_spans, buckets_max);
        let (Some(positive), Some(negative)) = (positive, negative) else {
            return Err(reader.corrupt("spans overlap or have more buckets than columns follow"));
        };
        Ok(Self {
            family: Family {
                float: head == FLOAT,
                schema,
            },
            zero_threshold,
            positive_spans,
            negative_spans,
            custom_bounds,
            positive,
            negative,
        })
    }
}

impl Family {
    const fn of(histogram: &Histogram) -> Self {
        Self {
            float: matches!(histogram.counts, HistogramCounts::Float(_)),
            schema: histogram.schema,
        }
    }
}

impl Layouts {
    /// None when the histograms are better kept as rows.
    pub(super) fn of(histograms: &[Histogram]) -> Option<Self> {
        let mut found = Self::default();
        for histogram in histograms {
            if let Some(last) = found.runs.last_mut()
                && found.layouts.get(last.layout)?.fits(histogram)
            {
                last.length += 1;
                continue;
            }
            let known = found
                .layouts
                .iter()
                .position(|layout| layout.fits(histogram));
            let layout = known.unwrap_or(found.layouts.len());
            if known.is_none() {
                if layout == LAYOUTS_MAX {
                    return None;
                }
                found.layouts.push(Layout::of(histogram)?);
            }
            found.runs.push(Run { layout, length: 1 });
        }
        found.is_bounded().then_some(found)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_usize(out, self.layouts.len());
        for layout in &self.layouts {
            layout.encode(out);
        }
        put_usize(out, self.runs.len());
        for run in &self.runs {
            put_usize(out, run.layout);
            put_usize(out, run.length);
        }
    }

    /// Reads the layouts of `count` samples, one at least.
    pub(super) fn decode(reader: &mut Reader<'_>, count: usize) -> Result<Self> {
        let mut decoded = Self::default();
        let mut buckets = 0;
        for _ in 0..reader.varint_len(LAYOUTS_MAX)? {
            let layout = Layout::decode(reader)?;
            buckets += layout.positive.len() + layout.negative.len();
            if buckets > CELLS_MAX {
                return Err(reader.corrupt("layouts have too many buckets"));
            }
            decoded.layouts.push(layout);
        }
        let mut left = count;
        for _ in 0..reader.varint_len(count)? {
            let layout = reader.varint_len(decoded.layouts.len().saturating_sub(1))?;
            let length = reader.varint_len(left)?;
            left -= length;
            decoded.runs.push(Run { layout, length });
        }
        let mut unused = vec![true; decoded.layouts.len()];
        for run in &decoded.runs {
            if let Some(unused) = unused.get_mut(run.layout) {
                *unused &= run.length == 0;
            }
        }
        if left > 0 || unused.is_empty() || unused.contains(&true) {
            return Err(reader.corrupt("layouts do not match the samples"));
        }
        if !decoded.is_bounded() {
            return Err(reader.corrupt("histograms have too many columns"));
        }
        Ok(decoded)
    }

    /// Each run with its layout.
    pub(super) fn runs(&self) -> impl Iterator<Item = (Run, &Layout)> {
        self.runs
            .iter()
            .filter_map(|run| Some((*run, self.layouts.get(run.layout)?)))
    }

    /// The columns of each family, in the order in which families first occur among the layouts.
    pub(super) fn columns(&self) -> Vec<Columns> {
        let mut all: Vec<Columns> = Vec::new();
        for layout in &self.layouts {
            let family = layout.family;
            let known = all.iter().position(|columns| columns.family == family);
            if known.is_none() {
                let of_family = self.runs().filter(|(_, layout)| layout.family == family);
                all.push(Columns {
                    family,
                    samples: of_family.map(|(run, _)| run.length).sum(),
                    positive: BTreeSet::new(),
                    negative: BTreeSet::new(),
                });
            }
            let at = known.unwrap_or(all.len() - 1);
            if let Some(columns) = all.get_mut(at) {
                columns.positive.extend(&layout.positive);
                columns.negative.extend(&layout.negative);
            }
        }
        all
    }

    /// Whether decoding takes a reasonable amount of memory and time: of the latter, each column takes some for every
    /// sample and for every layout.
    fn is_bounded(&self) -> bool {
        let samples: usize = self.runs.iter().map(|run| run.length).sum();
        let cells = self.columns().into_iter().map(|columns| {
            let columns = columns.positive.len() + columns.negative.len() + 2;
            columns.saturating_mul(samples + self.layouts.len())
        });
        let spans = self.runs().map(|(run, layout)| {
            run.length
                .saturating_mul(layout.positive_spans.len() + layout.negative_spans.len())
        });
        cells.chain(spans).fold(0, usize::saturating_add) <= CELLS_MAX
    }
}

/// The index of each bucket, ascending. None when spans overlap or have more than `buckets_max` buckets.
fn indexes(spans: &[BucketSpan], buckets_max: usize) -> Option<Vec<i64>> {
    let total: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
    let total = usize::try_from(total)
        .ok()
        .filter(|&total| total <= buckets_max)?;
    if spans.iter().skip(1).any(|span| span.offset < 0) {
        return None;
    }
    let mut indexes = Vec::with_capacity(total);
    let mut next = 0_i64;
    for span in spans {
        next += i64::from(span.offset);
        let end = next + i64::from(span.length);
        indexes.extend(next..end);
        next = end;
    }
    Some(indexes)
}

fn bucket_lens(histogram: &Histogram) -> (usize, usize) {
    match &histogram.counts {
        HistogramCounts::Integer(counts) => (counts.positive.len(), counts.negative.len()),
        HistogramCounts::Float(counts) => (counts.positive.len(), counts.negative.len()),
    }
}

fn same_bits(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}
