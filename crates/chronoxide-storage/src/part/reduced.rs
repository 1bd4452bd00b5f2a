//! Reading without decoding what a summary says enough of.

use chronoxide_format::Result as FormatResult;
use chronoxide_format::chunk::{ValueSummary, summarize_values};
use chronoxide_format::part::{Chunk, ChunkKind};
use chronoxide_model::{Reduction, SampleColumns, TimeRange};

use super::reader::{ChunkSpan, Part};
use super::samples::pad_starts;

/// What may be left out of a read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reduced<'a> {
    /// What must stay the same.
    pub(crate) reduction: Reduction,
    /// Samples outside are needed one by one.
    pub(crate) core: TimeRange,
    /// Times of all places that have samples of the series: where others reach, a sample here may not count.
    pub(crate) places: &'a [Option<TimeRange>],
    /// Which of them this is.
    pub(crate) own: usize,
    /// What is deleted of the series here.
    pub(crate) hidden: &'a [TimeRange],
}

impl Reduced<'_> {
    /// Whether samples may be left out at all.
    pub(super) fn leaves_out(&self) -> bool {
        self.reduction != Reduction::Times
    }

    /// Whether the samples of a chunk may be left out, as far as their times go.
    fn allows(&self, span: ChunkSpan) -> bool {
        let Ok(times) = TimeRange::new(span.first_ms, span.last_ms) else {
            return false;
        };
        self.core.contains(span.first_ms)
            && self.core.contains(span.last_ms)
            && self.hidden.iter().all(|hidden| !hidden.overlaps(&times))
            && self.others().all(|other| !other.overlaps(&times))
    }

    fn others(&self) -> impl Iterator<Item = &TimeRange> {
        let (before, rest) = self.places.split_at(self.own.min(self.places.len()));
        let others = before.iter().chain(rest.iter().skip(1));
        others.flatten()
    }
}

impl Part {
    /// Appends what stands for the samples of `chunk`, and tells their times; `None` when they have to be read.
    pub(super) fn read_summary(
        &self,
        chunk: &Chunk,
        reduced: Reduced<'_>,
        out: &mut SampleColumns,
    ) -> FormatResult<Option<ChunkSpan>> {
        if chunk.kind != ChunkKind::Floats || chunk.starts_len > 0 {
            return Ok(None);
        }
        let span = match chunk.slice {
            None => self.chunk_span(chunk)?,
            // Outside the core nothing is decoded to find out.
            Some(_) if self.chunk_timestamps(chunk, reduced.core)?.is_none() => return Ok(None),
            Some(_) => self.chunk_span(chunk)?,
        };
        if span.count < 3 || !reduced.allows(span) {
            return Ok(None);
        }
        let Some(summary) = summarize_values(self.values_of(chunk)?, span.count)? else {
            return Ok(None);
        };
        let Some(samples) = stand_ins(reduced.reduction, span, &summary) else {
            return Ok(None);
        };
        let samples = samples.into_iter().flatten();
        let before = out.values.len();
        for (time, value) in samples {
            out.timestamps_ms.push(time);
            out.values.push(value);
        }
        out.left_out += (span.count - (out.values.len() - before)) as u64;
        pad_starts(&mut out.start_timestamps_ms, out.timestamps_ms.len());
        Ok(Some(span))
    }
}

/// The samples that stand for those of a chunk, if some do.
fn stand_ins(
    reduction: Reduction,
    span: ChunkSpan,
    summary: &ValueSummary,
) -> Option<[Option<(i64, f64)>; 2]> {
    let first = (span.first_ms, summary.first);
    let last = (span.last_ms, summary.last);
    match reduction {
        Reduction::Times => None,
        Reduction::Count | Reduction::First => Some([Some(first), None]),
        Reduction::Last => Some([None, Some(last)]),
        Reduction::Minimum => Some([Some((span.first_ms, summary.min)), None]),
        Reduction::Maximum => Some([Some((span.first_ms, summary.max)), None]),
        Reduction::Ends => Some([Some(first), Some(last)]),
        Reduction::Counter => summary.never_falls.then_some([Some(first), Some(last)]),
    }
}
