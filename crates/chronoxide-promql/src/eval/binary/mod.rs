//! Binary operators.
//!
//! Between a vector and a scalar series pass through one by one. Between two vectors both are collected, series are
//! sorted into groups by their match signature once, and each pair of a group is then calculated over all steps.
//! Duplicates within a group are an error only at steps where both have a value, as if each step stood alone.

mod cells;
mod failure;
mod matching;
mod notes;
mod set;
mod vector_scalar;
mod vectors;

#[cfg(test)]
mod tests;

use crate::Error;
use crate::eval::{Evaluation, Sink};
use crate::functions::arctangent;
use crate::plan::{Binary, BinaryOp, Node, Position, ValueType};

/// Hands on the series of `binary`, written at `position`, of which at least one operand is a vector.
pub(crate) fn for_each(
    evaluation: &Evaluation<'_>,
    binary: &Binary,
    position: Position,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let trims = matches!(binary.op, BinaryOp::TrimUpper | BinaryOp::TrimLower);
    let evaluation = &if trims {
        evaluation.with_buckets()
    } else {
        *evaluation
    };
    let is_vector = |node: &Node| node.expr.value_type() == ValueType::InstantVector;
    if !is_vector(&binary.left) || !is_vector(&binary.right) {
        return vector_scalar::for_each(evaluation, binary, position, sink);
    }
    if binary.op.is_set() {
        return set::for_each(evaluation, binary, sink);
    }
    vectors::for_each(evaluation, binary, position, sink)
}

/// `left op right` of two numbers; comparisons give 0 or 1.
///
/// Set operators and histogram trimming do not take scalars and give NaN.
pub(crate) fn scalar(op: BinaryOp, left: f64, right: f64) -> f64 {
    let truth = |holds: bool| f64::from(u8::from(holds));
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div => left / right,
        BinaryOp::Mod => left % right,
        BinaryOp::Pow => left.powf(right),
        BinaryOp::Atan2 => arctangent::atan2(left, right),
        BinaryOp::Equal => truth(left == right),
        BinaryOp::NotEqual => truth(left != right),
        BinaryOp::Less => truth(left < right),
        BinaryOp::LessOrEqual => truth(left <= right),
        BinaryOp::Greater => truth(left > right),
        BinaryOp::GreaterOrEqual => truth(left >= right),
        BinaryOp::And
        | BinaryOp::Or
        | BinaryOp::Unless
        | BinaryOp::TrimUpper
        | BinaryOp::TrimLower => f64::NAN,
    }
}
