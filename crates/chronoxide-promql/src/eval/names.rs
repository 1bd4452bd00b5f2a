//! When names go that are to go: at the end of the query, or as soon as a value is another quantity than the metric.

use chronoxide_model::{METRIC_NAME, MatcherOp};

use crate::eval::{Evaluation, Merged, Sink, reserved};
use crate::plan::{AggregateOp, Binary, BinaryOp, Expr, Grouping, Node, Selector, ValueType};
use crate::{Error, Function};

/// Hands on the series of `node`, with names that are to go only if they are kept until the end of the query.
///
/// # Errors
/// When two series are the same without their names, and whatever the evaluation or `sink` fails with.
pub(super) fn for_each(
    evaluation: &Evaluation<'_>,
    node: &Node,
    sink: Sink<'_>,
) -> Result<(), Error> {
    if evaluation.query.features.delayed_name_removal {
        return evaluation.evaluate(node, sink);
    }
    let differ_by_name = match &node.expr {
        Expr::Negate(inner) => may_differ_by_name(inner),
        Expr::Call(call) => call.arguments.iter().any(may_differ_by_name),
        Expr::Binary(binary) => {
            names_apart(binary)
                || may_differ_by_name(&binary.left)
                || may_differ_by_name(&binary.right)
        }
        _ => return evaluation.evaluate(node, sink),
    };
    if !differ_by_name {
        return evaluation.evaluate(node, &mut |mut series| {
            if std::mem::take(&mut series.drop_name) {
                series.labels = reserved::without(&series.labels);
            }
            sink(series)
        });
    }
    let joins = !is_of_range(&node.expr);
    let mut merged = Merged::default();
    evaluation.evaluate(node, &mut |mut series| {
        if std::mem::take(&mut series.drop_name) {
            series.labels = reserved::without(&series.labels);
        }
        series.charge(&evaluation.query.meter)?;
        if merged.add(series)? || joins {
            return Ok(());
        }
        Err(Error::same_labels())
    })?;
    evaluation.hand_on(merged.into_series(), sink)
}

/// Whether `expr` is a function of a range vector: Prometheus joins no series of its result, not even where they have
/// values at different steps.
fn is_of_range(expr: &Expr) -> bool {
    let Expr::Call(call) = expr else { return false };
    let mut arguments = call.arguments.iter();
    arguments.any(|argument| argument.expr.value_type() == ValueType::RangeVector)
}

/// Whether two series of `node` may have the same labels but for their names.
fn may_differ_by_name(node: &Node) -> bool {
    match &node.expr {
        Expr::Number(_) | Expr::String(_) | Expr::Negate(_) => false,
        Expr::Vector(selector) | Expr::Range { selector, .. } => !has_one_name(selector),
        Expr::Subquery(subquery) => may_differ_by_name(&subquery.inner),
        Expr::Aggregate(aggregate) => {
            let keeps_labels = matches!(
                aggregate.op,
                AggregateOp::Topk
                    | AggregateOp::Bottomk
                    | AggregateOp::Limitk
                    | AggregateOp::LimitRatio
            );
            let groups_by_name = match &aggregate.grouping {
                Grouping::By(names) => names.iter().any(|name| name == METRIC_NAME),
                Grouping::Without(_) => false,
            };
            // The value may become the name.
            aggregate.op == AggregateOp::CountValues
                || (keeps_labels || groups_by_name) && may_differ_by_name(&aggregate.inner)
        }
        Expr::Binary(binary) => match binary.op {
            BinaryOp::Or => true,
            BinaryOp::And | BinaryOp::Unless => may_differ_by_name(&binary.left),
            op => {
                let keeps_names = op.is_comparison() && !binary.returns_bool;
                names_apart(binary)
                    || keeps_names
                        && (may_differ_by_name(&binary.left) || may_differ_by_name(&binary.right))
            }
        },
        Expr::Call(call) => match call.function {
            Function::LabelReplace | Function::LabelJoin | Function::Info => true,
            Function::LastOverTime
            | Function::FirstOverTime
            | Function::Sort
            | Function::SortDesc
            | Function::SortByLabel
            | Function::SortByLabelDesc => call.arguments.iter().any(may_differ_by_name),
            _ => false,
        },
    }
}

/// Whether `binary` itself may give names to some of its series and none to others: those of the "one" side, or of a
/// "many" side that is filled.
fn names_apart(binary: &Binary) -> bool {
    let matching = &binary.matching;
    let filled = binary.op.is_comparison() && matching.fill_left.is_some();
    filled || matching.include.iter().any(|name| name == METRIC_NAME)
}

/// Whether all series that `selector` asks for have the same name.
fn has_one_name(selector: &Selector) -> bool {
    selector
        .matchers
        .iter()
        .any(|matcher| matcher.name() == METRIC_NAME && matcher.op() == MatcherOp::Equal)
}
