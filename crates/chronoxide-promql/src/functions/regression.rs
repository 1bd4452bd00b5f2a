//! `deriv` and `predict_linear`: least squares through the floats of a window.

use crate::Error;
use crate::eval::window::Window;
use crate::eval::{CellValue, Stop};
use crate::functions::notes::Note;
use crate::functions::range::Workspace;
use crate::functions::side_by_side::LineSums;

pub(super) fn deriv(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    // A time near the samples as origin keeps the squares small and exact.
    let line = line(window, workspace, |window| window.times[0])?;
    Ok(line.map(|line| CellValue::Float(line.slope)))
}

pub(super) fn predict_linear(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    let ahead = workspace.parameters[0];
    let line = line(window, workspace, |window| window.step_ms)?;
    Ok(line.map(|line| CellValue::Float(line.slope * ahead + line.intercept)))
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
) -> Result<Option<Line>, Error> {
    if window.times.is_empty() {
        return Ok(None);
    }
    if window.is_mixed() {
        workspace.notes.add(Note::HistogramsIgnored);
    }
    let values = window.values;
    if values.len() < 2 {
        return Ok(None);
    }
    if values[1..].iter().all(|value| *value == values[0]) {
        return Ok(Some(constant(values[0])));
    }
    let (slope, intercept) = match workspace.total() {
        Some([slope, intercept]) => (slope, intercept),
        None => regression(window, origin(window), &workspace.stop)?,
    };
    Ok(Some(Line { slope, intercept }))
}

fn regression(window: &Window<'_>, origin_ms: i64, stop: &Stop) -> Result<(f64, f64), Error> {
    let mut sums = LineSums::default();
    let floats = window.times.iter().zip(window.values).enumerate();
    for (index, (at_ms, y)) in floats {
        stop.check_turn(index)?;
        sums.add(*at_ms, origin_ms, *y);
    }
    Ok(sums.line(window.values.len()))
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
