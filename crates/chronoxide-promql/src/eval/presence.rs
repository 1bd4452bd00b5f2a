//! Who asks only where there are values.

use crate::Function;
use crate::plan::{AggregateOp, BinaryOp, Expr};

/// Whether where `expr` has values depends on where its operands have any and not on what they are.
///
/// It is said of those only that dashboards count.
pub(super) const fn is_enough(expr: &Expr) -> bool {
    match expr {
        Expr::Vector(_) => true,
        Expr::Aggregate(aggregate) => is_tally(aggregate.op),
        Expr::Binary(binary) => {
            matches!(binary.op, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless)
        }
        Expr::Call(call) => matches!(
            call.function,
            Function::Absent | Function::LabelReplace | Function::LabelJoin
        ),
        Expr::Number(_)
        | Expr::String(_)
        | Expr::Negate(_)
        | Expr::Range { .. }
        | Expr::Subquery(_) => false,
    }
}

/// Whether the aggregation never looks at values.
pub(crate) const fn is_tally(op: AggregateOp) -> bool {
    matches!(op, AggregateOp::Count | AggregateOp::Group)
}
