//! Quantiles of plain numbers: `quantile_over_time`, `mad_over_time`.

use std::cmp::Ordering;

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

/// The `q`-quantile of `values`, interpolated between neighbours; puts them in another order. NaN is the smallest.
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
    let rank = q * (values.len() - 1) as f64;
    let weight = rank - rank.floor();
    // Only the two neighbours of the rank have to be known, not the order of all others.
    let (_, &mut lower, above) = values.select_nth_unstable_by(rank.floor() as usize, nan_first);
    let upper = above.iter().copied().min_by(nan_first).unwrap_or(lower);
    lower * (1.0 - weight) + upper * weight
}

/// By value, NaN before all numbers.
fn nan_first(left: &f64, right: &f64) -> Ordering {
    let by_value = left.partial_cmp(right);
    by_value.unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
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
