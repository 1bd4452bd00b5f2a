//! `double_exponential_smoothing` (Holt's linear method).

use crate::Error;
use crate::eval::CellValue;
use crate::eval::window::Window;
use crate::functions::notes::Note;
use crate::functions::range::Workspace;

pub(super) fn double_exponential_smoothing(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    let [smoothing, trend_factor] = workspace.parameters;
    check("smoothing", "sf", smoothing)?;
    check("trend", "tf", trend_factor)?;
    if window.times.is_empty() {
        return Ok(None);
    }
    if window.is_mixed() {
        workspace.notes.add(Note::HistogramsIgnored);
    }
    let [first, second, ..] = window.values else {
        return Ok(None);
    };
    let mut level = *first;
    let mut trend = second - first;
    for (index, value) in window.values[1..].iter().enumerate() {
        workspace.stop.check_turn(index)?;
        let smoothed = smoothing * value + (1.0 - smoothing) * (level + trend);
        // The trend for the next value; the first one is taken from the data as it is.
        if index + 2 < window.values.len() {
            trend = trend_factor * (smoothed - level) + (1.0 - trend_factor) * trend;
        }
        level = smoothed;
    }
    Ok(Some(CellValue::Float(level)))
}

fn check(name: &str, short: &str, factor: f64) -> Result<(), Error> {
    if factor <= 0.0 || factor >= 1.0 {
        return Err(Error::execution(format!(
            "invalid {name} factor. Expected: 0 < {short} < 1, got: {factor:.6}"
        )));
    }
    Ok(())
}
