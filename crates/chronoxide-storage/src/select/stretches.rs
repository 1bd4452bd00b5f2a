//! A long series, read stretch by stretch: who sends it on need not have all of it in memory.

use chronoxide_model::{SampleColumns, TimeRange};

use super::selection::{Place, Selection};
use crate::Result;
use crate::part::ChunkSpan;

/// What a histogram counts as where samples are counted.
const SAMPLES_PER_HISTOGRAM: usize = 16;

impl Selection {
    /// Reads series `index` in stretches of time, oldest first, each with about `samples_max` samples: more where chunks
    /// overlap or hold more. A histogram counts as several samples. `each` gets every stretch that has any; what it
    /// fails with ends the reading.
    ///
    /// # Errors
    /// What `each` fails with, or when a part cannot be read or is damaged.
    ///
    /// # Panics
    /// When `index` is not below [`Selection::len`].
    pub fn read_stretches<E: From<crate::Error>>(
        &self,
        index: usize,
        samples_max: usize,
        mut each: impl FnMut(&SampleColumns) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let mut spans = Vec::new();
        for place in self.places(index) {
            self.push_spans(*place, samples_max, &mut spans)?;
        }
        let mut columns = SampleColumns::default();
        let mut from = Some(self.range().min_ms());
        for to in cuts(spans, samples_max, self.range()) {
            let Some(range) = from.and_then(|from| TimeRange::new(from, to).ok()) else {
                continue;
            };
            from = to.checked_add(1);
            self.read_within(index, range, &mut columns)?;
            if !columns.is_empty() {
                each(&columns)?;
            }
        }
        Ok(())
    }

    /// Adds when samples of one place are, and how many.
    fn push_spans(
        &self,
        place: Place,
        samples_max: usize,
        spans: &mut Vec<ChunkSpan>,
    ) -> Result<()> {
        match place {
            Place::Part(part, rank) => self.part(part).spans(rank, SAMPLES_PER_HISTOGRAM, spans),
            Place::Head(batch, sid) => {
                let (batch, mark) = self.batch(batch);
                let whole =
                    batch.read(|rows| rows.span(sid, self.range(), mark, SAMPLES_PER_HISTOGRAM));
                // Where the samples are between first and last is not known without a list of them all.
                spans.extend(whole.into_iter().flat_map(|span| evenly(span, samples_max)));
                Ok(())
            }
        }
    }
}

/// Cuts a span into pieces of the same length in time.
fn evenly(span: ChunkSpan, samples_max: usize) -> impl Iterator<Item = ChunkSpan> {
    let pieces = span.count.div_ceil(samples_max.max(1)).max(1);
    let width = i128::from(span.last_ms) - i128::from(span.first_ms) + 1;
    let at = move |piece: usize| {
        let offset = width * piece as i128 / pieces as i128;
        (i128::from(span.first_ms) + offset) as i64
    };
    (0..pieces).map(move |piece| ChunkSpan {
        first_ms: at(piece),
        last_ms: if piece + 1 == pieces {
            span.last_ms
        } else {
            at(piece + 1).saturating_sub(1)
        },
        count: span.count.div_ceil(pieces),
    })
}

/// The ends of stretches, the last of which is that of `range`.
fn cuts(mut spans: Vec<ChunkSpan>, samples_max: usize, range: TimeRange) -> Vec<i64> {
    spans.sort_unstable_by_key(|span| span.last_ms);
    let mut cuts = Vec::new();
    let (mut samples, mut end_ms) = (0_usize, None);
    for span in spans {
        if let Some(end_ms) = end_ms
            && samples + span.count > samples_max
            && end_ms < span.last_ms
            && range.contains(end_ms)
        {
            cuts.push(end_ms);
            samples = 0;
        }
        samples += span.count;
        end_ms = Some(span.last_ms);
    }
    cuts.push(range.max_ms());
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn span(first_ms: i64, last_ms: i64, count: usize) -> ChunkSpan {
        ChunkSpan {
            first_ms,
            last_ms,
            count,
        }
    }

    #[test]
    fn stretches_end_where_enough_samples_have_come_together() {
        let spans = vec![
            span(21, 30, 40),
            span(0, 10, 60),
            span(11, 20, 60),
            span(15, 25, 10),
        ];
        let range = TimeRange::new(0, 100).unwrap();
        assert_eq!(cuts(spans.clone(), 100, range), [10, 25, 100]);
        assert_eq!(cuts(spans.clone(), 1000, range), [100]);
        assert_eq!(cuts(spans, 1, range), [10, 20, 25, 100]);
        assert_eq!(cuts(Vec::new(), 1, range), [100]);
        assert_eq!(cuts(vec![span(5, 9, 9), span(1, 9, 9)], 1, range), [100]);
    }

    #[test]
    fn what_has_no_chunks_is_cut_evenly() {
        let pieces: Vec<_> = evenly(span(0, 99, 10), 4).collect();
        assert_eq!(pieces, [span(0, 32, 4), span(33, 65, 4), span(66, 99, 4)]);
        let pieces: Vec<_> = evenly(span(i64::MIN, i64::MAX, 2), 1).collect();
        assert_eq!(pieces[0].last_ms, -1);
        assert_eq!(pieces[1], span(0, i64::MAX, 1));
        assert_eq!(evenly(span(7, 7, 3), 10).count(), 1);
    }
}
