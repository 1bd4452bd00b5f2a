//! Binary operators.

use crate::Error;
use crate::eval::{Evaluation, Sink};
use crate::plan::{Binary, BinaryOp, Position};

/// Hands on the series of `binary`, written at `position`, of which at least one operand is a vector.
pub(crate) fn for_each(
    _evaluation: &Evaluation<'_>,
    binary: &Binary,
    _position: Position,
    _sink: Sink<'_>,
) -> Result<(), Error> {
    Err(Error::execution(format!(
        "operator {} between vectors is not available in this build",
        binary.op.as_str()
    )))
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
        BinaryOp::Atan2 => left.atan2(right),
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
