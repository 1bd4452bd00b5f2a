//! Range functions of `anchored` and `smoothed` selectors, which look beyond the window.
//!
//! An anchored window begins with the last sample at or before its start; a smoothed one has values interpolated at
//! both edges. Nothing is extrapolated.

pub(crate) mod edges;
pub(crate) mod histogram;

use crate::eval::CellValue;
use crate::eval::window::Window;
use crate::functions::changes::{Step, count, is_change, is_reset};
use crate::functions::notes::Note;
use crate::functions::range::{Kernel, Workspace};
use crate::functions::rate::Change;
use crate::plan::RangeExtension;
use crate::{Error, Function};
use edges::Edges;

type KernelResult = Result<Option<CellValue>, Error>;

/// The kernel of `function` over smoothed windows, if it has one.
pub(super) fn smoothed_kernel(function: Function) -> Option<Kernel> {
    Some(match function {
        Function::Rate => |window, space| Ok(change(window, space, Change::RATE, true)),
        Function::Increase => |window, space| Ok(change(window, space, Change::INCREASE, true)),
        Function::Delta => |window, space| Ok(change(window, space, Change::DELTA, true)),
        _ => return None,
    })
}

/// The kernel of `function` over anchored windows, if it has one.
pub(super) fn anchored_kernel(function: Function) -> Option<Kernel> {
    Some(match function {
        Function::Rate => |window, space| Ok(change(window, space, Change::RATE, false)),
        Function::Increase => |window, space| Ok(change(window, space, Change::INCREASE, false)),
        Function::Delta => |window, space| Ok(change(window, space, Change::DELTA, false)),
        Function::Changes => anchored_changes,
        Function::Resets => anchored_resets,
        _ => return None,
    })
}

/// The error of a function that cannot work with such a selector.
pub(super) fn unsafe_function(function: Function, extension: Option<RangeExtension>) -> Error {
    let (name, allowed) = match extension {
        Some(RangeExtension::Anchored) => ("anchored", "changes, delta, increase, rate, resets"),
        Some(RangeExtension::Smoothed) => ("smoothed", "delta, increase, rate"),
        None => {
            return Error::execution(format!("function {} takes no range", function.name()));
        }
    };
    Error::execution(format!(
        "{name} modifier can only be used with: {allowed} - not with {}",
        function.name()
    ))
}

fn change(
    window: &Window<'_>,
    workspace: &mut Workspace,
    change: Change,
    smoothed: bool,
) -> Option<CellValue> {
    if window.is_mixed() {
        workspace.notes.add(Note::MixedFloatsHistograms);
        return None;
    }
    if window.times.is_empty() {
        return histogram::change(window, &mut workspace.notes, change, smoothed);
    }
    let edges = Edges::of(window, window.times, smoothed)?;
    let (left, right) = edges.values(window, change.is_counter);
    let mut total = right - left;
    if change.is_counter {
        let inside = edges.inside(window, window.times);
        total += lost_in_resets(left, &window.values[inside], right);
    }
    if change.is_rate {
        total /= window.seconds();
    }
    Some(CellValue::Float(total))
}

/// What resets took away between `left`, the values inside the window and `right`.
fn lost_in_resets(left: f64, inside: &[f64], right: f64) -> f64 {
    let mut lost = 0.0;
    let mut previous = left;
    for value in inside.iter().chain([&right]) {
        if *value < previous {
            lost += previous;
        }
        previous = *value;
    }
    lost
}

fn anchored_changes(window: &Window<'_>, _: &mut Workspace) -> KernelResult {
    Ok(count_from_anchor(window, is_change))
}

fn anchored_resets(window: &Window<'_>, _: &mut Workspace) -> KernelResult {
    Ok(count_from_anchor(window, is_reset))
}

/// Counts from the last sample at or before the window's start; none when nothing follows it.
fn count_from_anchor(
    window: &Window<'_>,
    counts: fn(&Step<'_>, &Step<'_>) -> bool,
) -> Option<CellValue> {
    let until_start = |times: &[i64]| times.partition_point(|at_ms| *at_ms <= window.start_ms);
    let floats = until_start(window.times);
    let histograms = until_start(window.histogram_times);
    if floats == window.times.len() && histograms == window.histogram_times.len() {
        return None;
    }
    let last_float = floats.checked_sub(1).map(|at| window.times[at]);
    let last_histogram = histograms
        .checked_sub(1)
        .map(|at| window.histogram_times[at]);
    let (float, histogram) = match (last_float, last_histogram) {
        (None, None) => (0, 0),
        (float, histogram) if float >= histogram => (floats - 1, histograms),
        _ => (floats, histograms - 1),
    };
    Some(count(window, float, histogram, counts))
}
