//! Which expressions have the same value at every step, so that one evaluation is enough.

use crate::Function;
use crate::plan::{Call, Expr, Node};

/// Whether `node` holds a selector and its value does not depend on the step.
pub(crate) fn is_step_invariant(node: &Node) -> bool {
    !matches!(node.expr, Expr::Number(_) | Expr::String(_)) && is_constant(node)
}

/// Whether the value of `node` does not depend on the step.
fn is_constant(node: &Node) -> bool {
    match &node.expr {
        Expr::Number(_) | Expr::String(_) => true,
        Expr::Vector(selector) | Expr::Range { selector, .. } => selector.at_ms.is_some(),
        Expr::Subquery(subquery) => subquery.at_ms.is_some(),
        Expr::Negate(inner) => is_constant(inner),
        Expr::Binary(binary) => is_constant(&binary.left) && is_constant(&binary.right),
        Expr::Aggregate(aggregate) => {
            is_constant(&aggregate.inner) && aggregate.parameter.as_ref().is_none_or(is_constant)
        }
        Expr::Call(call) => is_constant_call(call),
    }
}

fn is_constant_call(call: &Call) -> bool {
    if call.function == Function::Timestamp {
        // Of a selector it gives the samples' own times, of anything else the step's.
        return matches!(&call.arguments[..], [node] if matches!(node.expr, Expr::Vector(_)) && is_constant(node));
    }
    !depends_on_time(call.function) && call.arguments.iter().all(is_constant)
}

/// Whether `function` looks at the step's time besides its arguments.
const fn depends_on_time(function: Function) -> bool {
    matches!(
        function,
        Function::DaysInMonth
            | Function::DayOfMonth
            | Function::DayOfWeek
            | Function::DayOfYear
            | Function::Hour
            | Function::Minute
            | Function::Month
            | Function::Year
            | Function::PredictLinear
            | Function::Time
    )
}
