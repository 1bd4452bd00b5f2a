//! `rate`, `increase` and `delta`: the change over a window, extrapolated to its edges.

mod extrapolation;
pub(super) mod floats;
mod histogram;

use std::sync::Arc;

use crate::eval::CellValue;
use crate::eval::samples::Samples;
use crate::eval::window::Window;
use crate::functions::notes::Note;
use crate::functions::range::Workspace;
use crate::{Error, FloatHistogram};

use extrapolation::{Extents, reach};
pub(super) use histogram::{add_noted, subtract_noted};

/// What is computed of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Falls are resets to zero, and the value is never below zero.
    pub(super) is_counter: bool,
    /// By second.
    pub(super) is_rate: bool,
}

impl Change {
    pub(super) const RATE: Self = Self {
        is_counter: true,
        is_rate: true,
    };
    pub(super) const INCREASE: Self = Self {
        is_counter: true,
        is_rate: false,
    };
    pub(super) const DELTA: Self = Self {
        is_counter: false,
        is_rate: false,
    };
}

pub(super) fn rate(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    Ok(extrapolated(window, workspace, Change::RATE))
}

pub(super) fn increase(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    Ok(extrapolated(window, workspace, Change::INCREASE))
}

pub(super) fn delta(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    Ok(extrapolated(window, workspace, Change::DELTA))
}

/// Fills `found` with the floats of which `counts` is true together with the float before.
pub(super) fn find_pairs(
    values: &[f64],
    found: &mut Vec<usize>,
    counts: impl Fn(f64, f64) -> bool,
) {
    found.clear();
    let Some((_, later)) = values.split_first() else {
        return;
    };
    let blocks = values.chunks(PAIRS).zip(later.chunks(PAIRS));
    for (number, (before, after)) in blocks.enumerate() {
        let pairs = || before.iter().zip(after);
        // Most blocks have none, which is found out without a branch for each.
        // As wide as the floats, so that several go side by side.
        let any = |any, (before, after): (&f64, &f64)| any | u64::from(counts(*before, *after));
        if pairs().fold(0, any) == 0 {
            continue;
        }
        let indexes = number * PAIRS + 1..;
        let counted = indexes
            .zip(pairs())
            .filter(|(_, (before, after))| counts(**before, **after));
        found.extend(counted.map(|(index, _)| index));
    }
}

/// So many pairs are looked at together.
const PAIRS: usize = 64;

/// Fills `resets` with the floats that start anew after the float before, so that each is looked for once and not in
/// every window.
pub(super) fn find_resets(samples: &Samples, resets: &mut Vec<usize>) {
    let (times, values, starts) = (&samples.times, &samples.values, &samples.starts);
    if starts.is_empty() {
        find_pairs(values, resets, |before, after| after < before);
        return;
    }
    resets.clear();
    for index in 1..values.len() {
        if values[index] < values[index - 1]
            || is_start_reset(
                (starts[index - 1], times[index - 1]),
                (starts[index], times[index]),
            )
        {
            resets.push(index);
        }
    }
}

/// Whether the start time of a sample tells of a reset since the previous one; both as start time and time.
///
/// A start time that is unknown (0), not before its sample, or before the previous sample tells nothing. One that lies
/// right on the previous sample is a delta's, unless that sample's start is unknown too.
pub(super) const fn is_start_reset(previous: (i64, i64), current: (i64, i64)) -> bool {
    let ((previous_start, previous_ms), (start, at_ms)) = (previous, current);
    if start == 0 || start >= at_ms || start < previous_ms {
        return false;
    }
    if start > previous_ms {
        return true;
    }
    previous_start <= previous_ms && previous_start != 0 && previous_start != previous_ms
}

/// Whether a sample claims to start before the previous sample, and not together with it.
pub(super) const fn overlaps(previous_start: i64, previous_ms: i64, start: i64) -> bool {
    start != 0 && start < previous_ms && start != previous_start
}

/// Whether any sample but the first overlaps with the one before.
pub(super) fn any_overlap(starts: &[i64], times: &[i64]) -> bool {
    (1..starts.len()).any(|index| overlaps(starts[index - 1], times[index - 1], starts[index]))
}

/// The samples of one kind in a window, as far as extrapolation looks at them.
struct Ends<'w> {
    times: &'w [i64],
    starts: &'w [i64],
    /// How many more there are.
    left_out: usize,
}

/// The change in a window.
enum Total {
    Float(f64),
    /// None while there is one histogram only.
    Histogram(Option<FloatHistogram>),
}

fn extrapolated(
    window: &Window<'_>,
    workspace: &mut Workspace,
    change: Change,
) -> Option<CellValue> {
    if window.is_mixed() {
        workspace.notes.add(Note::MixedFloatsHistograms);
        return None;
    }
    let (ends, total) = if window.times.is_empty() {
        let ends = Ends {
            times: window.histogram_times,
            starts: window.histogram_starts,
            left_out: 0,
        };
        let total = if ends.times.len() > 1 {
            Some(histogram::change(window, change, workspace)?)
        } else {
            None
        };
        (ends, Total::Histogram(total))
    } else {
        let ends = Ends {
            times: window.times,
            starts: window.starts,
            left_out: window.left_out,
        };
        (ends, Total::Float(float_change(window, workspace, change)))
    };
    scale_to_window(window, workspace, change, &ends, total)
}

/// Last minus first value, plus what resets took away.
fn float_change(window: &Window<'_>, workspace: &mut Workspace, change: Change) -> f64 {
    let values = window.values;
    let mut total = values[values.len() - 1] - values[0];
    if !change.is_counter {
        return total;
    }
    if any_overlap(window.starts, window.times) {
        workspace.notes.start_overlaps += 1;
    }
    let resets = &workspace.resets;
    let first = resets.partition_point(|index| *index <= window.before);
    for index in &resets[first..] {
        let Some(previous) = values.get(index - 1 - window.before) else {
            break;
        };
        if *index - window.before >= values.len() {
            break;
        }
        total += previous;
    }
    total
}

/// Extrapolates `total` to the edges of the window, as far as the distances between samples suggest that the series
/// reaches there.
fn scale_to_window(
    window: &Window<'_>,
    workspace: &mut Workspace,
    change: Change,
    ends: &Ends<'_>,
    mut total: Total,
) -> Option<CellValue> {
    let count = ends.times.len() + ends.left_out;
    let (first_ms, last_ms) = (ends.times[0], ends.times[ends.times.len() - 1]);
    let between = (last_ms - first_ms) as f64 / 1000.0;
    let average = if count > 1 {
        between / (count - 1) as f64
    } else {
        0.0
    };
    let mut to_start = (first_ms - window.start_ms) as f64 / 1000.0;
    let mut covered = between;
    match ends.starts.first() {
        Some(&start)
            if change.is_counter && start != 0 && start > window.start_ms && start < first_ms =>
        {
            // The counter was zero at the start time: no need to guess.
            to_start = 0.0;
            covered = (last_ms - start) as f64 / 1000.0;
            add_first(window, workspace, &mut total)?;
        }
        _ if count == 1 => return None,
        _ => {}
    }
    let (first, changed) = match &total {
        Total::Float(total) => (window.values[0], *total),
        Total::Histogram(Some(total)) => (window.histograms[0].count, total.count),
        Total::Histogram(None) => (0.0, 0.0),
    };
    let to_end = (window.end_ms - last_ms) as f64 / 1000.0;
    let extents = Extents {
        to_start: [reach(to_start, average)],
        to_end: [reach(to_end, average)],
        covered: [covered],
        first: [first],
        total: [changed],
        window: [window.seconds()],
    };
    let [factor] = extents.factors(change);
    Some(match total {
        Total::Float(total) => CellValue::Float(total * factor),
        Total::Histogram(total) => {
            let mut total = total?;
            total.mul(factor);
            CellValue::Histogram(Arc::new(total))
        }
    })
}

/// Adds the first sample to the change: the counter rose to it from zero.
fn add_first(window: &Window<'_>, workspace: &mut Workspace, total: &mut Total) -> Option<()> {
    match total {
        Total::Float(total) => *total += window.values[0],
        Total::Histogram(Some(total)) => {
            add_noted(total, &window.histograms[0], &mut workspace.notes)?;
        }
        Total::Histogram(total @ None) => {
            *total = Some(window.histograms[0].as_ref().clone());
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_time_after_the_previous_sample_is_a_reset() {
        assert!(is_start_reset((1, 10), (11, 20)));
        assert!(!is_start_reset((1, 10), (1, 20)));
        assert!(!is_start_reset((1, 10), (0, 20)));
        assert!(!is_start_reset((1, 10), (20, 20)));
        // Delta: each sample starts where the one before ends.
        assert!(is_start_reset((1, 10), (10, 20)));
        assert!(!is_start_reset((0, 10), (10, 20)));
        assert!(!is_start_reset((10, 10), (10, 20)));
    }

    #[test]
    fn an_overlapping_start_time_lies_before_the_previous_sample() {
        assert!(overlaps(1, 10, 5));
        assert!(!overlaps(5, 10, 5));
        assert!(!overlaps(1, 10, 10));
        assert!(!overlaps(1, 10, 0));
    }
}
