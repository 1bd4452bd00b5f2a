//! Whether two expressions compute the same, wherever they stand.

use crate::plan::{Binary, Expr, Node, Subquery};

/// Whether `left` and `right` are the same but for their positions.
pub(super) fn same(left: &Expr, right: &Expr) -> bool {
    match (left, right) {
        (Expr::Number(left), Expr::Number(right)) => left.to_bits() == right.to_bits(),
        (Expr::String(_), Expr::String(_))
        | (Expr::Vector(_), Expr::Vector(_))
        | (Expr::Range { .. }, Expr::Range { .. }) => left == right,
        (Expr::Subquery(left), Expr::Subquery(right)) => same_subquery(left, right),
        (Expr::Negate(left), Expr::Negate(right)) => same_node(left, right),
        (Expr::Binary(left), Expr::Binary(right)) => same_binary(left, right),
        (Expr::Aggregate(left), Expr::Aggregate(right)) => {
            let same_parameter = match (&left.parameter, &right.parameter) {
                (None, None) => true,
                (Some(left), Some(right)) => same_node(left, right),
                _ => false,
            };
            left.op == right.op
                && left.grouping == right.grouping
                && same_parameter
                && same_node(&left.inner, &right.inner)
        }
        (Expr::Call(left), Expr::Call(right)) => {
            left.function == right.function
                && left.arguments.len() == right.arguments.len()
                && left
                    .arguments
                    .iter()
                    .zip(&right.arguments)
                    .all(|(left, right)| same_node(left, right))
        }
        _ => false,
    }
}

fn same_node(left: &Node, right: &Node) -> bool {
    same(&left.expr, &right.expr)
}

fn same_subquery(left: &Subquery, right: &Subquery) -> bool {
    let numbers = |subquery: &Subquery| {
        (
            subquery.window_ms,
            subquery.step_ms,
            subquery.offset_ms,
            subquery.at_ms,
        )
    };
    numbers(left) == numbers(right) && same_node(&left.inner, &right.inner)
}

fn same_binary(left: &Binary, right: &Binary) -> bool {
    left.op == right.op
        && left.returns_bool == right.returns_bool
        && left.matching == right.matching
        && same_node(&left.left, &right.left)
        && same_node(&left.right, &right.right)
}
