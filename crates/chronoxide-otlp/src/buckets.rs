//! Rows of buckets as the spans of native histograms.

use chronoxide_model::BucketSpan;

/// Gaps up to this many empty buckets are filled with zeros: that takes less room than another span.
const GAP_FILLED_MAX: i64 = 2;

/// Spans and counts of one side of a native histogram.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) spans: Vec<BucketSpan>,
    pub(crate) counts: Vec<u64>,
}

/// Lays out `buckets`: index and count, indexes ascending, equal ones added up, empty ones left out.
///
/// `None` when an index or a count passes what a native histogram can hold.
pub(crate) fn lay_out(buckets: impl IntoIterator<Item = (i64, u64)>) -> Option<Layout> {
    let mut layout = Layout::default();
    let mut last: Option<i64> = None;
    for (index, count) in buckets {
        if count == 0 {
            continue;
        }
        if last == Some(index) {
            let merged = layout.counts.last_mut()?;
            *merged = merged.checked_add(count)?;
            continue;
        }
        i32::try_from(index).ok()?;
        let gap = last.map_or(index, |last| index - last - 1);
        match layout.spans.last_mut() {
            Some(span) if gap <= GAP_FILLED_MAX => {
                let filled = usize::try_from(gap).ok()?;
                layout.counts.resize(layout.counts.len() + filled, 0);
                span.length = span.length.checked_add(u32::try_from(gap + 1).ok()?)?;
            }
            _ => layout.spans.push(BucketSpan {
                offset: i32::try_from(gap).ok()?,
                length: 1,
            }),
        }
        layout.counts.push(count);
        last = Some(index);
    }
    Some(layout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_gaps_are_filled_and_wide_ones_begin_a_span() {
        let layout = lay_out([(-3, 1), (-3, 1), (0, 4), (1, 0), (4, 7), (5, 9)]).unwrap();
        assert_eq!(layout.counts, [2, 0, 0, 4, 7, 9]);
        let spans: Vec<_> = layout
            .spans
            .iter()
            .map(|span| (span.offset, span.length))
            .collect();
        assert_eq!(spans, [(-3, 4), (3, 2)]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(lay_out([(i64::from(i32::MAX) + 1, 1)]), None);
        assert_eq!(lay_out([(0, u64::MAX), (0, 1)]), None);
        assert_eq!(lay_out([]), Some(Layout::default()));
    }
}
