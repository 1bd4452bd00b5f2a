//! Aggregations.
//!
//! Series stream by and are added to the column of their group, so that memory is groups times steps. Only
//! `quantile` has to hold every value. `topk` and `bottomk` hold the best values of each step, `limitk` and
//! `limit_ratio` hand series on as they come.

mod count_values;
mod extreme;
mod groups;
mod kinds;
mod limit;
mod notes;
mod parameter;
mod quantile;
mod ranking;
mod tally;
mod totals;
mod variance;

#[cfg(test)]
mod tests;

use crate::Error;
use crate::eval::{Evaluation, Sink};
use crate::plan::{Aggregate, AggregateOp, Position};
use groups::accumulate;

/// Hands on the series of `aggregate`, written at `position`.
pub(crate) fn for_each(
    evaluation: &Evaluation<'_>,
    aggregate: &Aggregate,
    position: Position,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let steps = evaluation.steps.count;
    match aggregate.op {
        AggregateOp::Sum => accumulate(evaluation, aggregate, || totals::Sum::new(steps), sink),
        AggregateOp::Avg => accumulate(evaluation, aggregate, || totals::Average::new(steps), sink),
        AggregateOp::Min => accumulate(evaluation, aggregate, || extreme::Min::new(steps), sink),
        AggregateOp::Max => accumulate(evaluation, aggregate, || extreme::Max::new(steps), sink),
        AggregateOp::Count => {
            let inside = evaluation.without_values();
            accumulate(&inside, aggregate, || tally::Count::new(steps), sink)
        }
        AggregateOp::Group => {
            let inside = evaluation.without_values();
            accumulate(&inside, aggregate, || tally::Group::new(steps), sink)
        }
        AggregateOp::Stddev => {
            let new = || variance::Variance::new(steps, variance::Root::Taken);
            accumulate(evaluation, aggregate, new, sink)
        }
        AggregateOp::Stdvar => {
            let new = || variance::Variance::new(steps, variance::Root::Left);
            accumulate(evaluation, aggregate, new, sink)
        }
        AggregateOp::Quantile => quantile::for_each(evaluation, aggregate, sink),
        AggregateOp::CountValues => count_values::for_each(evaluation, aggregate, sink),
        AggregateOp::Topk | AggregateOp::Bottomk => {
            ranking::for_each(evaluation, aggregate, position, sink)
        }
        AggregateOp::Limitk => limit::first(evaluation, aggregate, sink),
        AggregateOp::LimitRatio => limit::ratio(evaluation, aggregate, sink),
    }
}
