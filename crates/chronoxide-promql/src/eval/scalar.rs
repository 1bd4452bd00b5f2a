//! Scalar expressions: one number a step.

use crate::Error;
use crate::eval::{Evaluation, binary};
use crate::functions::scalar as functions;
use crate::plan::{Expr, Node};

/// The number of scalar `node` at each step.
pub(super) fn scalar(evaluation: &Evaluation<'_>, node: &Node) -> Result<Vec<f64>, Error> {
    match &node.expr {
        Expr::Number(value) => Ok(vec![*value; evaluation.steps.count]),
        Expr::Negate(inner) => {
            let mut values = evaluation.scalar(inner)?;
            for value in &mut values {
                *value = -*value;
            }
            Ok(values)
        }
        Expr::Binary(operation) => {
            let mut left = evaluation.scalar(&operation.left)?;
            let right = evaluation.scalar(&operation.right)?;
            for (left, right) in left.iter_mut().zip(right) {
                *left = binary::scalar(operation.op, *left, right);
            }
            Ok(left)
        }
        Expr::Call(call) => functions::scalar(evaluation, call),
        _ => Err(Error::execution(format!(
            "expected a scalar, got a {}",
            node.expr.value_type().as_str()
        ))),
    }
}
