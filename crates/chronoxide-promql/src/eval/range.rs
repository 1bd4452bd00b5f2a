//! Range vectors: selectors with a window, and subqueries, series by series.

use chronoxide_model::{Labels, Reduction, SampleColumns, TimeRange};

use crate::Error;
use crate::eval::samples::Samples;
use crate::eval::selector::Selection;
use crate::eval::window::Bounds;
use crate::eval::{Evaluation, Steps};
use crate::plan::{Expr, Node, RangeExtension, Selector, Subquery};

/// How the window of a range vector follows the steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RangeShape {
    window_ms: i64,
    offset_ms: i64,
    at_ms: Option<i64>,
    /// How the selector reaches beyond its window.
    pub(crate) extension: Option<RangeExtension>,
    lookback_ms: i64,
    /// Which samples that all windows have may be left out, if any.
    reduction: Option<Reduction>,
}

impl RangeShape {
    /// The shape of `node` in a query whose instant selectors look back `lookback_ms`.
    ///
    /// # Errors
    /// When `node` is no range vector.
    pub(crate) fn of(lookback_ms: i64, node: &Node) -> Result<Self, Error> {
        match &node.expr {
            Expr::Range {
                selector,
                window_ms,
            } => Ok(Self {
                window_ms: *window_ms,
                offset_ms: selector.offset_ms,
                at_ms: selector.at_ms,
                extension: selector.extension,
                lookback_ms,
                reduction: None,
            }),
            Expr::Subquery(subquery) => Ok(Self {
                window_ms: subquery.window_ms,
                offset_ms: subquery.offset_ms,
                at_ms: subquery.at_ms,
                extension: None,
                lookback_ms,
                reduction: None,
            }),
            other => Err(Error::execution(format!(
                "expected a range vector, got a {}",
                other.value_type().as_str()
            ))),
        }
    }

    /// The bounds of the window at `step_ms`.
    pub(crate) fn bounds(&self, step_ms: i64) -> Bounds {
        let end_ms = self.at_ms.unwrap_or(step_ms).saturating_sub(self.offset_ms);
        let start_ms = end_ms.saturating_sub(self.window_ms);
        let (before_ms, beyond_ms) = match self.extension {
            None => (0, 0),
            Some(RangeExtension::Anchored) => (self.lookback_ms, 0),
            Some(RangeExtension::Smoothed) => (self.lookback_ms, self.lookback_ms),
        };
        Bounds {
            step_ms,
            start_ms,
            end_ms,
            after_ms: start_ms.saturating_sub(before_ms),
            until_ms: end_ms.saturating_add(beyond_ms),
        }
    }

    /// The shape, of whose samples some may be left out; not with an extended selector.
    pub(crate) fn reduced_by(mut self, reduction: Option<Reduction>) -> Self {
        if self.extension.is_none() {
            self.reduction = reduction;
        }
        self
    }

    /// What is not needed, and the times that every window of `steps` has, where samples may be left out.
    fn reduction(&self, steps: Steps) -> Option<(Reduction, TimeRange)> {
        let reduction = self.reduction?;
        let first = self.bounds(steps.start_ms);
        let last = self.bounds(steps.end_ms());
        match TimeRange::new(last.after_ms.saturating_add(1), first.until_ms) {
            Ok(core) => Some((reduction, core)),
            Err(_) if reduction.needs_values() => None,
            Err(_) => Some((Reduction::Times, self.times(steps)?)),
        }
    }

    /// The times of all samples that the windows of `steps` look at.
    pub(crate) fn times(&self, steps: Steps) -> Option<TimeRange> {
        let first = self.bounds(steps.start_ms);
        let last = self.bounds(steps.end_ms());
        TimeRange::new(first.after_ms.saturating_add(1), last.until_ms).ok()
    }
}

/// One series of a range vector.
#[derive(Debug)]
pub(crate) struct RangeInput<'s> {
    /// Its labels.
    pub(crate) labels: &'s Labels,
    /// Whether the labels lose the metric's name at the end of the query.
    pub(crate) drop_name: bool,
    /// The samples of all windows.
    pub(crate) samples: &'s Samples,
}

/// Does `work` for each series of range vector `node`, selected ones on several threads, and hands what it gives to
/// `sink` in order. `S` is memory that a thread reuses.
///
/// # Errors
/// Whatever the evaluation, the source, `work` or `sink` fails with.
pub(crate) fn map<S: Default, T: Send>(
    evaluation: &Evaluation<'_>,
    node: &Node,
    work: RangeWork<'_, S, T>,
    sink: &mut dyn FnMut(T) -> Result<(), Error>,
) -> Result<(), Error> {
    let shape = RangeShape::of(evaluation.query.lookback_ms, node)?;
    map_shaped(evaluation, node, shape, work, sink)
}

/// As [`map`], with the shape of `node`, which may let samples be left out.
///
/// # Errors
/// As [`map`].
pub(crate) fn map_shaped<S: Default, T: Send>(
    evaluation: &Evaluation<'_>,
    node: &Node,
    shape: RangeShape,
    work: RangeWork<'_, S, T>,
    sink: &mut dyn FnMut(T) -> Result<(), Error>,
) -> Result<(), Error> {
    match &node.expr {
        Expr::Subquery(subquery) => map_subquery(evaluation, &shape, subquery, work, sink),
        Expr::Range { selector, .. } => map_selected(evaluation, &shape, selector, work, sink),
        _ => Ok(()),
    }
}

/// What is done with one series of a range vector.
pub(crate) type RangeWork<'w, S, T> =
    &'w (dyn Fn(RangeInput<'_>, &mut S) -> Result<Option<T>, Error> + Sync);

fn map_selected<S: Default, T: Send>(
    evaluation: &Evaluation<'_>,
    shape: &RangeShape,
    selector: &Selector,
    work: RangeWork<'_, S, T>,
    sink: &mut dyn FnMut(T) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some(times) = shape.times(evaluation.steps) else {
        return Ok(());
    };
    let selection = Selection::new(evaluation, &selector.matchers, times)?
        .reduced_by(shape.reduction(evaluation.steps));
    let work_on_columns =
        |index: usize, columns: &mut SampleColumns, (samples, state): &mut (Samples, S)| {
            samples.take(columns, &evaluation.query.stop)?;
            if samples.len() == 0 {
                return Ok(None);
            }
            let input = RangeInput {
                labels: &selection.labels(index),
                drop_name: false,
                samples,
            };
            work(input, state)
        };
    selection.map(evaluation, &work_on_columns, sink)
}

fn map_subquery<S: Default, T>(
    evaluation: &Evaluation<'_>,
    shape: &RangeShape,
    subquery: &Subquery,
    work: RangeWork<'_, S, T>,
    sink: &mut dyn FnMut(T) -> Result<(), Error>,
) -> Result<(), Error> {
    let steps = inner_steps(evaluation.steps, shape, subquery);
    let inner = evaluation.inside_subquery(steps);
    // Inner series come one by one; one without gaps is the most that is held of them here.
    let _charge = inner.charge_column()?;
    let mut samples = Samples::default();
    let mut state = S::default();
    inner.for_each(&subquery.inner, &mut |series| {
        samples.take_column(series.column, steps);
        if samples.len() == 0 {
            return Ok(());
        }
        let input = RangeInput {
            labels: &series.labels,
            drop_name: series.drop_name,
            samples: &samples,
        };
        match work(input, &mut state)? {
            Some(result) => sink(result),
            None => Ok(()),
        }
    })
}

/// The steps inside a subquery: the multiples of its step within all windows of `steps`.
pub(crate) fn inner_steps(steps: Steps, shape: &RangeShape, subquery: &Subquery) -> Steps {
    let after_ms = shape.bounds(steps.start_ms).start_ms;
    let until_ms = shape.bounds(steps.end_ms()).end_ms;
    let step_ms = subquery.step_ms.max(1);
    let start_ms = after_ms
        .div_euclid(step_ms)
        .saturating_add(1)
        .saturating_mul(step_ms);
    Steps::new(start_ms, until_ms, step_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subquery(window_ms: i64, step_ms: i64) -> Subquery {
        Subquery {
            inner: Box::new(Node {
                expr: Expr::Number(1.0),
                position: crate::plan::Position::default(),
            }),
            window_ms,
            step_ms,
            offset_ms: 0,
            at_ms: None,
        }
    }

    #[test]
    fn inner_steps_are_multiples_within_the_window() {
        let shape = |window_ms| RangeShape {
            window_ms,
            offset_ms: 0,
            at_ms: None,
            extension: None,
            lookback_ms: 0,
            reduction: None,
        };
        let inner = |end_ms, window_ms, step_ms| {
            inner_steps(
                Steps::instant(end_ms),
                &shape(window_ms),
                &subquery(window_ms, step_ms),
            )
            .iter()
            .collect::<Vec<_>>()
        };
        assert_eq!(inner(100, 30, 10), [80, 90, 100]);
        assert_eq!(inner(105, 30, 10), [80, 90, 100]);
        assert_eq!(inner(5, 20, 10), [-10, 0]);
        assert_eq!(inner(5, 3, 10), [0; 0]);
    }
}
