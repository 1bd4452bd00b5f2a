//! Which module computes which function.

use crate::eval::{Evaluation, Sink};
use crate::functions::{absent, histogram, info, label, math, range, sort, time};
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
        Function::Absent => absent::absent(evaluation, call, sink),
        Function::AbsentOverTime => absent::absent_over_time(evaluation, call, sink),
        Function::Vector => absent::vector(evaluation, call, sink),
        Function::Clamp | Function::ClampMin | Function::ClampMax => {
            math::clamp(evaluation, call, sink)
        }
        Function::Round => math::round(evaluation, call, sink),
        Function::Info => info::for_each(evaluation, call, sink),
        Function::LabelReplace => label::replace(evaluation, call, sink),
        Function::LabelJoin => label::join(evaluation, call, sink),
        Function::Sort | Function::SortDesc | Function::SortByLabel | Function::SortByLabelDesc => {
            sort::for_each(evaluation, call, position, sink)
        }
        Function::Timestamp => time::timestamp(evaluation, call, sink),
        Function::StartTimestamp => time::start_timestamp(evaluation, call, sink),
        Function::HistogramAvg
        | Function::HistogramCount
        | Function::HistogramFraction
        | Function::HistogramQuantile
        | Function::HistogramQuantiles
        | Function::HistogramStddev
        | Function::HistogramStdvar
        | Function::HistogramSum => histogram::for_each(evaluation, call, sink),
        function if math::is_of_one_number(function) => math::for_each(evaluation, call, sink),
        function if time::is_date_function(function) => time::date(evaluation, call, sink),
        function if range::is_range_function(function) => range::for_each(evaluation, call, sink),
        other => Err(Error::execution(format!(
            "function {} is not available in this build",
            other.name()
        ))),
    }
}
