//! The `*_over_time` functions: aggregations of the samples of one series in a window.

mod histogram;

use std::sync::Arc;

use crate::Error;
use crate::eval::window::Window;
use crate::eval::{CellValue, Stop};
use crate::functions::notes::Note;
use crate::functions::range::Workspace;
use crate::kahan::KahanSum;

type KernelResult = Result<Option<CellValue>, Error>;

pub(super) fn sum(window: &Window<'_>, workspace: &mut Workspace) -> KernelResult {
    if window.is_mixed() {
        workspace.notes.add(Note::MixedFloatsHistograms);
        return Ok(None);
    }
    if window.times.is_empty() {
        return Ok(histogram::sum(window.histograms, workspace));
    }
    Ok(float(total(window, workspace)?.value()))
}

pub(super) fn avg(window: &Window<'_>, workspace: &mut Workspace) -> KernelResult {
    if window.is_mixed() {
        workspace.notes.add(Note::MixedFloatsHistograms);
        return Ok(None);
    }
    if window.times.is_empty() {
        return Ok(histogram::avg(window.histograms, workspace));
    }
    let sum = total(window, workspace)?;
    if sum.sum.is_finite() {
        let count = window.values.len() as f64;
        return Ok(float(sum.sum / count + sum.compensation / count));
    }
    Ok(float(mean(window.values, &workspace.stop)?))
}

/// The compensated sum of the floats.
fn total(window: &Window<'_>, workspace: &Workspace) -> Result<KahanSum, Error> {
    if let Some([sum, compensation]) = workspace.total() {
        return Ok(KahanSum { sum, compensation });
    }
    let mut total = KahanSum::default();
    for block in workspace.stop.blocks(window.values) {
        for value in block? {
            total.add(*value);
        }
    }
    Ok(total)
}

/// The mean of at least one value: the sum divided by the count or, where the sum overflows, a running mean.
fn mean(values: &[f64], stop: &Stop) -> Result<f64, Error> {
    let mut sum = KahanSum::new(values[0]);
    for (index, value) in values.iter().enumerate().skip(1) {
        stop.check_turn(index)?;
        let before = sum;
        sum.add(*value);
        if sum.sum.is_infinite() {
            let mean = before.divided(index as f64);
            return running_mean(mean, &values[index..], index, stop);
        }
    }
    let count = values.len() as f64;
    Ok(sum.sum / count + sum.compensation / count)
}

/// The mean of `count` values whose mean is `mean` and of `values`.
fn running_mean(
    mut mean: KahanSum,
    values: &[f64],
    count: usize,
    stop: &Stop,
) -> Result<f64, Error> {
    let mut count = count as f64;
    for (index, value) in values.iter().enumerate() {
        stop.check_turn(index)?;
        count += 1.0;
        mean = mean.scaled((count - 1.0) / count);
        mean.add(*value / count);
    }
    Ok(mean.value())
}

pub(super) fn count(window: &Window<'_>, _: &mut Workspace) -> KernelResult {
    Ok(float(
        (window.times.len() + window.left_out + window.histogram_times.len()) as f64,
    ))
}

pub(super) fn present(_: &Window<'_>, _: &mut Workspace) -> KernelResult {
    Ok(float(1.0))
}

pub(super) fn first(window: &Window<'_>, _: &mut Workspace) -> KernelResult {
    let histogram_ms = window.histogram_times.first();
    Ok(match window.times.first() {
        Some(at_ms) if histogram_ms.is_none_or(|other| at_ms < other) => float(window.values[0]),
        _ => window
            .histograms
            .first()
            .map(|histogram| CellValue::Histogram(Arc::clone(histogram))),
    })
}

pub(super) fn last(window: &Window<'_>, _: &mut Workspace) -> KernelResult {
    Ok(match window.times.last() {
        at_ms @ Some(_) if at_ms > window.histogram_times.last() => {
            window.values.last().copied().and_then(float)
        }
        _ => window
            .histograms
            .last()
            .map(|histogram| CellValue::Histogram(Arc::clone(histogram))),
    })
}

pub(super) fn ts_of_first(window: &Window<'_>, _: &mut Workspace) -> KernelResult {
    let first = |times: &[i64]| times.first().copied().unwrap_or(i64::MAX);
    Ok(seconds(
        first(window.times).min(first(window.histogram_times)),
    ))
}

pub(super) fn ts_of_last(window: &Window<'_>, _: &mut Workspace) -> KernelResult {
    let last = |times: &[i64]| times.last().copied().unwrap_or(i64::MIN);
    Ok(seconds(
        last(window.times).max(last(window.histogram_times)),
    ))
}

pub(super) fn max(window: &Window<'_>, workspace: &mut Workspace) -> KernelResult {
    let best = extreme(window, workspace, |best, value| best < value)?;
    Ok(best.and_then(|at| float(window.values[at])))
}

pub(super) fn min(window: &Window<'_>, workspace: &mut Workspace) -> KernelResult {
    let best = extreme(window, workspace, |best, value| best > value)?;
    Ok(best.and_then(|at| float(window.values[at])))
}

pub(super) fn ts_of_max(window: &Window<'_>, workspace: &mut Workspace) -> KernelResult {
    let best = extreme(window, workspace, |best, value| best <= value)?;
    Ok(best.and_then(|at| seconds(window.times[at])))
}

pub(super) fn ts_of_min(window: &Window<'_>, workspace: &mut Workspace) -> KernelResult {
    let best = extreme(window, workspace, |best, value| best >= value)?;
    Ok(best.and_then(|at| seconds(window.times[at])))
}

/// The float that replaces all others, going by whether the first argument is replaced by the later second one; NaN
/// is replaced by any.
fn extreme(
    window: &Window<'_>,
    workspace: &mut Workspace,
    is_replaced: impl Fn(f64, f64) -> bool,
) -> Result<Option<usize>, Error> {
    if window.times.is_empty() {
        return Ok(None);
    }
    if window.is_mixed() {
        workspace.notes.add(Note::HistogramsIgnored);
    }
    let mut best = None;
    let mut end = 0;
    for block in workspace.stop.blocks(window.values) {
        end += block?.len();
        let values = &window.values[..end];
        best = workspace
            .extremes
            .slide(window.before, values, &is_replaced);
    }
    Ok(Some(best.map_or(end - 1, |at| at - window.before)))
}

pub(super) fn stdvar(window: &Window<'_>, workspace: &mut Workspace) -> KernelResult {
    Ok(variance(window, workspace)?.and_then(float))
}

pub(super) fn stddev(window: &Window<'_>, workspace: &mut Workspace) -> KernelResult {
    Ok(variance(window, workspace)?.and_then(|variance| float(variance.sqrt())))
}

/// The population variance, by Welford's method with compensated sums.
fn variance(window: &Window<'_>, workspace: &mut Workspace) -> Result<Option<f64>, Error> {
    if window.times.is_empty() {
        return Ok(None);
    }
    if window.is_mixed() {
        workspace.notes.add(Note::HistogramsIgnored);
    }
    if let Some([variance, _]) = workspace.total() {
        return Ok(Some(variance));
    }
    let (mut mean, mut squares) = (KahanSum::default(), KahanSum::default());
    let mut count = 0.0;
    for block in workspace.stop.blocks(window.values) {
        for value in block? {
            count += 1.0;
            let distance = value - mean.value();
            mean.add(distance / count);
            squares.add(distance * (value - mean.value()));
        }
    }
    Ok(Some(squares.value() / count))
}

fn seconds(at_ms: i64) -> Option<CellValue> {
    float(at_ms as f64 / 1000.0)
}

const fn float(value: f64) -> Option<CellValue> {
    Some(CellValue::Float(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_huge_values_does_not_overflow() {
        let mean = |values: &[f64]| mean(values, &Stop::default()).unwrap();
        let of_huge = mean(&[f64::MAX, f64::MAX, f64::MAX]);
        assert!((of_huge / f64::MAX - 1.0).abs() < 1e-15, "{of_huge}");
        assert_eq!(mean(&[1e100, 1.0, -1e100]), 1.0 / 3.0);
        assert_eq!(mean(&[f64::INFINITY, 1.0]), f64::INFINITY);
    }
}
