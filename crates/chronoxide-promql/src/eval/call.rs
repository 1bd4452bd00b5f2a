//! Which module computes which function.

use crate::eval::{Evaluation, Sink};
use crate::functions::histogram;
use crate::plan::{Call, Position};
use crate::{Error, Function};

/// Hands on the series that `call`, written at `position`, gives.
pub(super) fn for_each(
    evaluation: &Evaluation<'_>,
    call: &Call,
    position: Position,
    sink: Sink<'_>,
) -> Result<(), Error> {
    match call.function {
        Function::HistogramAvg
        | Function::HistogramCount
        | Function::HistogramFraction
        | Function::HistogramQuantile
        | Function::HistogramQuantiles
        | Function::HistogramStddev
        | Function::HistogramStdvar
        | Function::HistogramSum => histogram::for_each(evaluation, call, position, sink),
        other => Err(Error::execution(format!(
            "function {} is not available in this build",
            other.name()
        ))),
    }
}
