//! `changes` and `resets`: how often a series changed, or a counter started anew, within a window.

use crate::eval::CellValue;
use crate::eval::window::Window;
use crate::functions::range::Workspace;
use crate::functions::rate::is_start_reset;
use crate::{Error, FloatHistogram};

pub(super) fn changes(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    if !window.histogram_times.is_empty() {
        return Ok(Some(count(window, 0, 0, is_change)));
    }
    Ok(Some(count_found(window, workspace)))
}

pub(super) fn resets(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    if !window.histogram_times.is_empty() {
        return Ok(Some(count(window, 0, 0, is_reset)));
    }
    Ok(Some(count_found(window, workspace)))
}

/// How many of the floats that were found beforehand follow another of the window.
fn count_found(window: &Window<'_>, workspace: &Workspace) -> CellValue {
    let found = &workspace.resets;
    let first = found.partition_point(|at| *at <= window.before);
    let end = found.partition_point(|at| *at < window.before + window.values.len());
    CellValue::Float(end.saturating_sub(first) as f64)
}

/// One sample of either kind.
#[derive(Clone, Copy)]
pub(super) struct Step<'w> {
    at_ms: i64,
    start_ms: i64,
    /// Meaningless for a histogram.
    value: f64,
    histogram: Option<&'w FloatHistogram>,
}

/// How many samples of the window, from float `float` and histogram `histogram` on, satisfy `counts` together with the
/// one before.
pub(super) fn count(
    window: &Window<'_>,
    mut float: usize,
    mut histogram: usize,
    counts: fn(&Step<'_>, &Step<'_>) -> bool,
) -> CellValue {
    let mut total = 0_u64;
    let mut previous: Option<Step<'_>> = None;
    loop {
        let float_ms = window.times.get(float).copied();
        let histogram_ms = window.histogram_times.get(histogram).copied();
        let current = match (float_ms, histogram_ms) {
            (Some(at_ms), other) if other.is_none_or(|other| at_ms < other) => {
                float += 1;
                Step {
                    at_ms,
                    start_ms: window.starts.get(float - 1).copied().unwrap_or(0),
                    value: window.values[float - 1],
                    histogram: None,
                }
            }
            (_, Some(at_ms)) => {
                histogram += 1;
                Step {
                    at_ms,
                    start_ms: window
                        .histogram_starts
                        .get(histogram - 1)
                        .copied()
                        .unwrap_or(0),
                    value: 0.0,
                    histogram: Some(&window.histograms[histogram - 1]),
                }
            }
            _ => break,
        };
        if previous.is_some_and(|previous| counts(&previous, &current)) {
            total += 1;
        }
        previous = Some(current);
    }
    CellValue::Float(total as f64)
}

/// NaN is no change from NaN.
pub(super) fn is_float_change(previous: f64, current: f64) -> bool {
    current != previous && !(current.is_nan() && previous.is_nan())
}

pub(super) fn is_change(previous: &Step<'_>, current: &Step<'_>) -> bool {
    match (previous.histogram, current.histogram) {
        (None, None) => is_float_change(previous.value, current.value),
        (Some(previous), Some(current)) => !current.same_observations(previous),
        _ => true,
    }
}

pub(super) fn is_reset(previous: &Step<'_>, current: &Step<'_>) -> bool {
    let by_start = || {
        is_start_reset(
            (previous.start_ms, previous.at_ms),
            (current.start_ms, current.at_ms),
        )
    };
    match (previous.histogram, current.histogram) {
        (None, None) => current.value < previous.value || by_start(),
        (Some(previous), Some(current)) => by_start() || current.is_reset_after(previous),
        _ => true,
    }
}
