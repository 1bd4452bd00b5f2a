//! Quantiles of plain numbers: `quantile_over_time`, `mad_over_time`.

use crate::Error;
use crate::eval::CellValue;
use crate::eval::window::Window;
use crate::functions::notes::Note;
use crate::functions::range::Workspace;

pub(super) fn quantile_over_time(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    if window.times.is_empty() {
        return Ok(None);
    }
    if window.is_mixed() {
        workspace.notes.add(Note::HistogramsIgnored);
    }
    workspace.scratch.clear();
    workspace.scratch.extend_from_slice(window.values);
    let value = quantile(workspace.parameters[0], &mut workspace.scratch);
    Ok(Some(CellValue::Float(value)))
}

/// The median of the distances to the median.
pub(super) fn mad_over_time(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    if window.times.is_empty() {
        return Ok(None);
    }
    if window.is_mixed() {
        workspace.notes.add(Note::HistogramsIgnored);
    }
    if window.values.iter().any(|value| value.is_nan()) {
        return Ok(Some(CellValue::Float(f64::NAN)));
    }
    let values = &mut workspace.scratch;
    values.clear();
    values.extend_from_slice(window.values);
    let median = quantile(0.5, values);
    for value in values.iter_mut() {
        *value = (*value - median).abs();
    }
    Ok(Some(CellValue::Float(quantile(0.5, values))))
}

/// The `q`-quantile of `values`, interpolated between neighbours; sorts them, NaN first.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(|left, right| {
        right
            .is_nan()
            .cmp(&left.is_nan())
            .then_with(|| left.partial_cmp(right).unwrap_or(std::cmp::Ordering::Equal))
    });
    let rank = q * (values.len() - 1) as f64;
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_between_its_neighbours() {
        assert_eq!(quantile(0.5, &mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(quantile(0.75, &mut [0.0, 1.0, 2.0]), 1.5);
        assert_eq!(quantile(1.0, &mut [0.0, 1.0, 2.0]), 2.0);
        assert_eq!(quantile(1.1, &mut [0.0]), f64::INFINITY);
        assert_eq!(quantile(-0.1, &mut [0.0]), f64::NEG_INFINITY);
        assert!(quantile(0.0, &mut [1.0, f64::NAN]).is_nan());
        assert!(quantile(0.5, &mut []).is_nan());
    }
}
