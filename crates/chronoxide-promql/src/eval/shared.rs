//! Expressions that stand more than once in a query, as `a` in `a / (a + b)`: evaluated once and kept.

mod same;

use std::sync::{Arc, Mutex, PoisonError};

use crate::Error;
use crate::eval::{Evaluation, HistogramDetail, Meter, Sink, StepSeries, Steps};
use crate::plan::{Expr, Node, ValueType};
use same::same;

/// Plans with more expressions are not searched for equal ones.
const EXPRESSIONS_MAX: usize = 256;

/// So many cells, 16 MiB of floats, are kept in one query.
const CELLS_MAX: usize = 1 << 21;

/// The repeated expressions of a query, and the series of those that were evaluated.
#[derive(Debug, Default)]
pub(crate) struct Shared<'q> {
    repeated: Vec<&'q Expr>,
    kept: Mutex<Vec<Kept>>,
}

/// The series of one expression at certain steps.
#[derive(Debug)]
struct Kept {
    expression: usize,
    steps: Steps,
    histograms: HistogramDetail,
    series: Arc<Vec<StepSeries>>,
}

impl<'q> Shared<'q> {
    /// The repeated expressions of the plan `node`.
    pub(crate) fn of(node: &'q Node) -> Self {
        let mut search = Search::default();
        search.visit(node);
        let repeated = search
            .found
            .into_iter()
            .filter(|(_, is_repeated)| *is_repeated)
            .map(|(expr, _)| expr)
            .collect();
        Self {
            repeated,
            kept: Mutex::default(),
        }
    }

    /// Whether `expr` stands in the query more than once.
    pub(crate) fn is_repeated(&self, expr: &Expr) -> bool {
        self.index_of(expr).is_some()
    }

    /// Which of the repeated expressions `expr` is.
    pub(super) fn index_of(&self, expr: &Expr) -> Option<usize> {
        self.repeated.iter().position(|other| same(other, expr))
    }

    /// The series of repeated expression `index`, if they were kept.
    fn find(&self, evaluation: &Evaluation<'_>, index: usize) -> Option<Arc<Vec<StepSeries>>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().find(|kept| {
            kept.expression == index
                && kept.steps == evaluation.steps
                && has_buckets(kept.histograms) == has_buckets(evaluation.histograms)
        })?;
        Some(Arc::clone(&found.series))
    }

    /// Keeps `series` if there is room.
    fn keep(&self, evaluation: &Evaluation<'_>, index: usize, series: Vec<StepSeries>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let cells: usize = kept.iter().map(|kept| cells_of(&kept.series)).sum();
        if cells + cells_of(&series) <= CELLS_MAX {
            kept.push(Kept {
                expression: index,
                steps: evaluation.steps,
                histograms: evaluation.histograms,
                series: Arc::new(series),
            });
        }
    }
}

/// Whether series read with `detail` have the buckets of their histograms: that is all that tells two readings apart.
fn has_buckets(detail: HistogramDetail) -> bool {
    detail != HistogramDetail::Totals
}

fn cells_of(series: &[StepSeries]) -> usize {
    series.iter().map(|one| one.column.len()).sum()
}

/// Hands on the series of repeated expression `index`: those kept, or what `evaluate` gives, which is kept then.
///
/// Annotations point at one place, the last one: what has any is not kept but evaluated again.
///
/// # Errors
/// Whatever `evaluate` or `sink` fails with.
pub(super) fn for_each(
    evaluation: &Evaluation<'_>,
    index: usize,
    sink: Sink<'_>,
    evaluate: impl FnOnce(Sink<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let query = evaluation.query;
    if let Some(series) = query.shared.find(evaluation, index) {
        return evaluation.hand_on(series.iter().map(StepSeries::copy), sink);
    }
    let noted = query.annotation_count();
    let mut copies = Copies::default();
    evaluate(&mut |series| {
        copies.add(&series, &query.meter);
        sink(series)
    })?;
    if let Some(series) = copies.finish()
        && query.annotation_count() == noted
    {
        query.shared.keep(evaluation, index, series);
    }
    Ok(())
}

/// Copies of series, until they are too many.
#[derive(Debug, Default)]
struct Copies {
    series: Vec<StepSeries>,
    cells: usize,
    too_many: bool,
}

impl Copies {
    fn add(&mut self, series: &StepSeries, meter: &Arc<Meter>) {
        if self.too_many {
            return;
        }
        self.cells += series.column.len();
        let mut copied = series.copy();
        if self.cells > CELLS_MAX || copied.charge(meter).is_err() {
            self.too_many = true;
            self.series = Vec::new();
        } else {
            self.series.push(copied);
        }
    }

    fn finish(self) -> Option<Vec<StepSeries>> {
        (!self.too_many).then_some(self.series)
    }
}

/// Walks a plan in the order of evaluation.
#[derive(Default)]
struct Search<'q> {
    /// Expressions that are evaluated, and whether an equal one follows.
    found: Vec<(&'q Expr, bool)>,
}

impl<'q> Search<'q> {
    fn visit(&mut self, node: &'q Node) {
        if node.expr.value_type() == ValueType::InstantVector {
            let equal = self
                .found
                .iter_mut()
                .find(|(expr, _)| same(expr, &node.expr));
            if let Some((_, is_repeated)) = equal {
                *is_repeated = true;
                return;
            }
            if self.found.len() >= EXPRESSIONS_MAX {
                return;
            }
            self.found.push((&node.expr, false));
        }
        match &node.expr {
            Expr::Number(_) | Expr::String(_) | Expr::Vector(_) | Expr::Range { .. } => {}
            Expr::Subquery(subquery) => self.visit(&subquery.inner),
            Expr::Negate(inner) => self.visit(inner),
            Expr::Binary(binary) => {
                self.visit(&binary.left);
                self.visit(&binary.right);
            }
            Expr::Aggregate(aggregate) => {
                self.visit(&aggregate.inner);
                if let Some(parameter) = &aggregate.parameter {
                    self.visit(parameter);
                }
            }
            Expr::Call(call) => call
                .arguments
                .iter()
                .for_each(|argument| self.visit(argument)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::{LowerOptions, lower};

    fn repeated(text: &str) -> usize {
        let node = lower(text, &LowerOptions::instant(0)).unwrap();
        Shared::of(&node).repeated.len()
    }

    #[test]
    fn only_the_largest_repeated_expressions_are_shared() {
        assert_eq!(repeated("a / b"), 0);
        assert_eq!(repeated("a / (a + b)"), 1);
        assert_eq!(repeated("sum(rate(a[5m])) / (sum(rate(a[5m])) + 1)"), 1);
        assert_eq!(
            repeated("sum(rate(a[5m])) / (sum(rate(a[5m])) + max(rate(a[5m])))"),
            2
        );
        assert_eq!(repeated("rate(a[5m]) / rate(a[6m])"), 0);
        assert_eq!(repeated("rate(a[5m]) / increase(a[5m])"), 0);
        assert_eq!(repeated("sum by (x) (a) / sum by (y) (a)"), 1);
        assert_eq!(repeated("a @ 1 / a @ 2"), 0);
        assert_eq!(repeated("1 + 1 + time() + time()"), 0);
    }
}
