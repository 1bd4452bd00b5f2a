//! Scalars that are the same at every step and in every query, computed once.

use crate::Function;
use crate::eval::binary;
use crate::functions::math::{larger, smaller};
use crate::plan::{Expr, Node};

/// `expr`, or the number that it is.
pub(super) fn fold(expr: Expr) -> Expr {
    match number(&expr) {
        Some(number) => Expr::Number(number),
        None => expr,
    }
}

fn number(expr: &Expr) -> Option<f64> {
    let of = |node: &Node| match node.expr {
        Expr::Number(number) => Some(number),
        _ => None,
    };
    match expr {
        Expr::Negate(inner) => of(inner).map(|number| -number),
        Expr::Binary(binary) => {
            let (left, right) = (of(&binary.left)?, of(&binary.right)?);
            Some(binary::scalar(binary.op, left, right))
        }
        Expr::Call(call) => match (call.function, &call.arguments[..]) {
            (Function::Pi, []) => Some(std::f64::consts::PI),
            (Function::MaxOf, [left, right]) => Some(larger(of(left)?, of(right)?)),
            (Function::MinOf, [left, right]) => Some(smaller(of(left)?, of(right)?)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::{LowerOptions, lower};

    #[test]
    fn what_no_step_changes_becomes_a_number() {
        for (text, expected) in [
            ("1 + 2 * 3 ^ 2", 19.0),
            ("-(4 - 1) % 2", -1.0),
            ("2 > bool 1", 1.0),
            ("max_of(pi(), min_of(7, 1 / 0))", 7.0),
        ] {
            let plan = lower(text, &LowerOptions::instant(0)).unwrap();
            assert_eq!(plan.expr, Expr::Number(expected), "{text}");
        }
        let plan = lower("x > 60 * 1000", &LowerOptions::instant(0)).unwrap();
        let Expr::Binary(comparison) = plan.expr else {
            panic!("a comparison");
        };
        assert_eq!(comparison.right.expr, Expr::Number(60_000.0));
        let plan = lower("time() + 1", &LowerOptions::instant(0)).unwrap();
        assert!(matches!(plan.expr, Expr::Binary(_)));
    }
}
