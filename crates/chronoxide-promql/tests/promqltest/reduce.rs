//! Leaves out what a reduction allows, as a storage with summaries of its chunks would.

use chronoxide_model::{Reduction, SampleColumns, TimeRange, is_stale_marker};

/// Samples of one make-believe chunk.
const RUN: usize = 3;

/// Replaces runs of floats inside `core` by what stands for them, and values that are not needed by others.
pub(crate) fn reduce(columns: &mut SampleColumns, core: TimeRange, reduction: Reduction) {
    if !reduction.needs_values() {
        let values = columns.values.iter_mut();
        for (index, value) in (0_u32..).zip(values.filter(|value| !is_stale_marker(**value))) {
            *value = -7.0 * f64::from(index);
        }
    }
    if !columns.start_timestamps_ms.is_empty() {
        return;
    }
    let times = std::mem::take(&mut columns.timestamps_ms);
    let values = std::mem::take(&mut columns.values);
    for (times, values) in times.chunks(RUN).zip(values.chunks(RUN)) {
        let may_go = times.len() == RUN
            && times.iter().all(|time| core.contains(*time))
            && !columns
                .histogram_timestamps_ms
                .iter()
                .any(|time| (times[0]..=times[RUN - 1]).contains(time))
            && !values.iter().any(|value| value.is_nan());
        let falls = !values.is_sorted_by(|a, b| a <= b);
        let kept: Vec<(i64, f64)> = if may_go && !(falls && reduction == Reduction::Counter) {
            stand_ins(times, values, reduction)
        } else {
            times.iter().copied().zip(values.iter().copied()).collect()
        };
        columns.left_out += (times.len() - kept.len()) as u64;
        for (time, value) in kept {
            columns.timestamps_ms.push(time);
            columns.values.push(value);
        }
    }
}

fn stand_ins(times: &[i64], values: &[f64], reduction: Reduction) -> Vec<(i64, f64)> {
    let at = |index: usize| (times[index], values[index]);
    let (first, last) = (at(0), at(times.len() - 1));
    // Of equal ones the first, as minus zero and zero are.
    let extreme = |is_better: fn(f64, f64) -> bool| {
        let best = values.iter().copied().reduce(
            |best, value| {
                if is_better(value, best) { value } else { best }
            },
        );
        (times[0], best.expect("runs are not empty"))
    };
    match reduction {
        Reduction::Times => times.iter().copied().zip(values.iter().copied()).collect(),
        Reduction::Count | Reduction::First => vec![first],
        Reduction::Last => vec![last],
        Reduction::Minimum => vec![extreme(|a, b| a < b)],
        Reduction::Maximum => vec![extreme(|a, b| a > b)],
        Reduction::Ends | Reduction::Counter => vec![first, last],
    }
}
