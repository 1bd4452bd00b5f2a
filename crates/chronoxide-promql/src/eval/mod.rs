//! The third stage of a query: the plan over columns, each series over all steps at once.

pub(crate) mod aggregate;
pub(crate) mod binary;
mod call;
mod column;
mod detail;
mod invariant;
mod label_table;
pub(crate) mod lookback;
mod merged;
mod meter;
mod names;
mod negate;
pub(crate) mod order;
mod parallel;
mod presence;
pub(crate) mod query;
pub(crate) mod range;
mod reads;
pub(crate) mod reserved;
pub(crate) mod samples;
mod scalar;
mod selector;
mod series;
mod shared;
mod smoothed;
mod steps;
mod stop;
pub(crate) mod window;

pub(crate) use column::{Bits, Cell, CellValue, Column};
pub(crate) use detail::HistogramDetail;
pub(crate) use label_table::{LabelTable, Place};
pub(crate) use merged::Merged;
pub(crate) use meter::{Bill, Charge, Meter, Size};
pub(crate) use parallel::Helpers;
pub(crate) use query::Query;
pub(crate) use reads::Reads;
pub(crate) use scalar::Scalars;
pub(crate) use series::{Outline, StepSeries};
pub(crate) use shared::Shared;
pub(crate) use steps::Steps;
pub(crate) use stop::Stop;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::Error;
use crate::annotations::Annotation;
use crate::eval::lookback::Shown;
use crate::plan::{Expr, Node, Position, RangeExtension, ValueType};

/// Where an operator hands its series to, one by one.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(StepSeries) -> Result<(), Error>;

/// In loops over steps, a query looks after so many whether it is to stop.
pub(crate) const CHECK_STEPS: usize = 4096;

/// Part of a query at certain steps: the query's own, or those inside a subquery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evaluation<'q> {
    /// What the parts share.
    pub(crate) query: &'q Query<'q>,
    /// The steps of this part.
    pub(crate) steps: Steps,
    /// How much of native histograms this part looks at.
    pub(crate) histograms: HistogramDetail,
    /// Whether whoever asked for this part looks at its values, and not only at where there are any.
    pub(crate) values: bool,
    /// Set once whoever asked for this part needs no more of its series.
    pub(crate) enough: Option<&'q AtomicBool>,
    /// How often each sample that a step shows counts as seen: once for each step that one evaluation stands for, and
    /// never inside a subquery, of which only the windows count.
    pub(crate) weight: u64,
}

impl<'q> Evaluation<'q> {
    /// The same part for someone who looks at no buckets.
    pub(crate) const fn without_buckets(&self) -> Self {
        let histograms = match self.histograms {
            HistogramDetail::Always => HistogramDetail::Always,
            HistogramDetail::Full | HistogramDetail::Totals => HistogramDetail::Totals,
        };
        Self {
            histograms,
            ..*self
        }
    }

    /// The same part for someone who looks at buckets, so that whatever it is made of keeps them.
    pub(crate) const fn with_buckets(&self) -> Self {
        Self {
            histograms: HistogramDetail::Always,
            ..*self
        }
    }

    /// The same part for someone who asks only where it has values; what they are does not matter then, but for
    /// histograms, whose buckets count as samples.
    pub(crate) const fn without_values(&self) -> Self {
        Self {
            values: false,
            ..*self
        }
    }

    /// The same part for `expr`, which may look at values that nobody else asks for.
    const fn inside(&self, expr: &Expr) -> Self {
        Self {
            values: self.values || !presence::is_enough(expr),
            ..*self
        }
    }

    /// The same part, whose series that were not read yet may be left out once `enough` is set, if `node` is a selector
    /// that stands in the query once: what is left out of shared series is missing elsewhere.
    pub(crate) fn until<'e>(&self, enough: &'e AtomicBool, node: &Node) -> Evaluation<'e>
    where
        'q: 'e,
    {
        let may_stop =
            matches!(node.expr, Expr::Vector(_)) && !self.query.shared.is_repeated(&node.expr);
        Evaluation {
            enough: may_stop.then_some(enough),
            ..*self
        }
    }

    /// Whether no more series are needed.
    pub(crate) fn has_enough(&self) -> bool {
        self.enough
            .is_some_and(|enough| enough.load(Ordering::Relaxed))
    }

    /// The inside of a subquery, at its own steps.
    pub(crate) const fn inside_subquery(&self, steps: Steps) -> Self {
        Self {
            steps,
            values: true,
            histograms: HistogramDetail::Always,
            weight: 0,
            ..*self
        }
    }

    /// Hands each series of `node` to `sink`; a series without any value may come as well.
    ///
    /// A scalar comes as one series without labels. Strings and range vectors have no series over steps.
    ///
    /// # Errors
    /// Whatever the evaluation, the source or `sink` fails with.
    pub(crate) fn for_each(&self, node: &Node, sink: Sink<'_>) -> Result<(), Error> {
        self.check()?;
        if self.steps.count == 0 {
            return Ok(());
        }
        if self.steps.count > 1 && invariant::is_step_invariant(node) {
            return self.repeat_first_step(node, sink);
        }
        if self.steps.count < CHECK_STEPS {
            return self.evaluate_shared(node, sink);
        }
        // With so many steps each operator takes a while for each series.
        self.evaluate_shared(node, &mut |series| {
            self.check()?;
            sink(series)
        })
    }

    fn evaluate_shared(&self, node: &Node, sink: Sink<'_>) -> Result<(), Error> {
        match self.query.shared.index_of(&node.expr) {
            Some(index) => {
                // Somebody else may ask for the values.
                let whole = Self {
                    values: true,
                    ..*self
                };
                shared::for_each(&whole, index, sink, |sink| {
                    names::for_each(&whole, node, sink)
                })
            }
            None => names::for_each(&self.inside(&node.expr), node, sink),
        }
    }

    /// The series of `node`, some of which may have names that are to go.
    fn evaluate(&self, node: &Node, sink: Sink<'_>) -> Result<(), Error> {
        match &node.expr {
            _ if node.expr.value_type() == ValueType::Scalar => {
                sink(self.scalar(node)?.into_series())
            }
            Expr::Vector(selector) if selector.extension == Some(RangeExtension::Smoothed) => {
                smoothed::for_each(self, selector, node.position, sink)
            }
            Expr::Vector(selector) => lookback::for_each(self, selector, Shown::Value, sink),
            Expr::Negate(inner) => negate::for_each(self, inner, sink),
            Expr::Binary(binary) => binary::for_each(self, binary, node.position, sink),
            Expr::Aggregate(aggregate) => aggregate::for_each(self, aggregate, node.position, sink),
            Expr::Call(call) => call::for_each(self, call, node.position, sink),
            Expr::Number(_) | Expr::String(_) | Expr::Range { .. } | Expr::Subquery(_) => {
                Err(Error::execution(format!(
                    "a {} has no values at steps",
                    node.expr.value_type().as_str()
                )))
            }
        }
    }

    /// Hands `series` to `sink`, one by one, unless the query is to stop.
    ///
    /// # Errors
    /// Whatever `sink` fails with, and when the query is to stop.
    pub(crate) fn hand_on(
        &self,
        series: impl IntoIterator<Item = StepSeries>,
        sink: Sink<'_>,
    ) -> Result<(), Error> {
        series.into_iter().try_for_each(|one| {
            self.check()?;
            sink(one)
        })
    }

    /// All series of `node` that have any value, counted against the limit of samples while they are held.
    ///
    /// # Errors
    /// See [`Evaluation::for_each`].
    pub(crate) fn collect(&self, node: &Node) -> Result<Vec<StepSeries>, Error> {
        let mut all = Vec::new();
        self.for_each(node, &mut |mut series| {
            if !series.column.is_empty() {
                series.charge(&self.query.meter)?;
                all.push(series);
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// The number of a scalar `node` at each step.
    ///
    /// # Errors
    /// Whatever the evaluation fails with.
    pub(crate) fn scalar(&self, node: &Node) -> Result<Scalars, Error> {
        scalar::scalar(self, node)
    }

    /// The number of a scalar `node` that stands behind `vector`, which is asked for later but fails first.
    ///
    /// # Errors
    /// Whatever the evaluation of either fails with.
    pub(crate) fn scalar_behind(&self, vector: &Node, node: &Node) -> Result<Scalars, Error> {
        self.scalar(node).or_else(|error| {
            if matches!(error, Error::Execution { .. }) {
                self.for_each(vector, &mut |_| Ok(()))?;
            }
            Err(error)
        })
    }

    /// Evaluates `node` at the first step and repeats the values at all steps.
    fn repeat_first_step(&self, node: &Node, sink: Sink<'_>) -> Result<(), Error> {
        let count = self.steps.count;
        let first = Self {
            steps: Steps::instant(self.steps.start_ms),
            weight: self.weight.saturating_mul(count as u64),
            ..*self
        };
        first.for_each(node, &mut |series| {
            let column = series.column.repeat_first(count);
            sink(series.with_column(column))
        })
    }

    /// Counts `samples` that steps show, each once a step; a histogram counts as the floats that would take its place.
    pub(crate) fn see(&self, samples: u64) {
        self.query.meter.see(samples.saturating_mul(self.weight));
    }

    /// Stops a query that is cancelled or past its time; to be called in every loop over series.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::Timeout`].
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.query.check()
    }

    /// [`Evaluation::check`] in loops over steps, of which `index` is one: looks every now and then.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::Timeout`].
    pub(crate) fn check_step(&self, index: usize) -> Result<(), Error> {
        // Not at the first step: most queries have no other, and look once a series anyway.
        if index % CHECK_STEPS == CHECK_STEPS - 1 {
            self.check()?;
        }
        Ok(())
    }

    /// Counts a column without gaps, to be held while one is.
    ///
    /// # Errors
    /// [`Error::TooManySamples`].
    pub(crate) fn charge_column(&self) -> Result<Charge, Error> {
        Charge::new(&self.query.meter, Size::of_floats(self.steps.count))
    }

    /// Notes `annotation` about the expression at `position`.
    ///
    /// Building an annotation allocates: where it may come at every step, note it once a series.
    pub(crate) fn annotate(&self, annotation: Annotation, position: Position) {
        self.query.annotate(annotation, position);
    }
}
