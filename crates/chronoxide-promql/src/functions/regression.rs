//! `deriv` and `predict_linear`: least squares through the floats of a window.

use crate::Error;
use crate::eval::CellValue;
use crate::eval::window::Window;
use crate::functions::notes::Note;
use crate::functions::range::Workspace;
use crate::kahan::KahanSum;

pub(super) fn deriv(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    // A time near the samples as origin keeps the squares small and exact.
    Ok(line(window, workspace, |window| window.times[0]).map(|line| CellValue::Float(line.slope)))
}

pub(super) fn predict_linear(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    let ahead = workspace.parameters[0];
    Ok(line(window, workspace, |window| window.step_ms)
        .map(|line| CellValue::Float(line.slope * ahead + line.intercept)))
}

struct Line {
    /// By second.
    slope: f64,
    intercept: f64,
}

/// The line through at least two floats; its intercept at the time that `origin` picks.
fn line(
    window: &Window<'_>,
    workspace: &mut Workspace,
    origin: fn(&Window<'_>) -> i64,
) -> Option<Line> {
    if window.times.is_empty() {
        return None;
    }
    if window.is_mixed() {
        workspace.notes.add(Note::HistogramsIgnored);
    }
    (window.times.len() > 1).then(|| regression(window, origin(window)))
}

fn regression(window: &Window<'_>, origin_ms: i64) -> Line {
    let values = window.values;
    if values[1..].iter().all(|value| *value == values[0]) {
        return constant(values[0]);
    }
    let (mut sum_x, mut sum_y) = (KahanSum::default(), KahanSum::default());
    let (mut sum_xy, mut sum_xx) = (KahanSum::default(), KahanSum::default());
    for (at_ms, y) in window.times.iter().zip(values) {
        let x = at_ms.saturating_sub(origin_ms) as f64 / 1000.0;
        sum_x.add(x);
        sum_y.add(*y);
        sum_xy.add(x * y);
        sum_xx.add(x * x);
    }
    let count = values.len() as f64;
    let total = |sum: KahanSum| sum.sum + sum.compensation;
    let (sum_x, sum_y) = (total(sum_x), total(sum_y));
    let covariance = total(sum_xy) - sum_x * sum_y / count;
    let variance = total(sum_xx) - sum_x * sum_x / count;
    let slope = covariance / variance;
    Line {
        slope,
        intercept: sum_y / count - slope * sum_x / count,
    }
}

const fn constant(value: f64) -> Line {
    if value.is_infinite() {
        return Line {
            slope: f64::NAN,
            intercept: f64::NAN,
        };
    }
    Line {
        slope: 0.0,
        intercept: value,
    }
}
