//! Functions of times: parts of dates, and the times of samples.

use crate::eval::lookback::{self, Shown};
use crate::eval::{Evaluation, Scalars, Sink};
use crate::functions::calendar::Calendar;
use crate::functions::math;
use crate::plan::{Call, Expr};
use crate::{Error, Function};

/// The part of a date that `function` gives, if it is such a function.
fn part(function: Function) -> Option<fn(Calendar) -> f64> {
    Some(match function {
        Function::DaysInMonth => |at| f64::from(at.days_in_month()),
        Function::DayOfMonth => |at| f64::from(at.day),
        Function::DayOfWeek => |at| f64::from(at.weekday),
        Function::DayOfYear => |at| f64::from(at.day_of_year),
        Function::Hour => |at| f64::from(at.hour),
        Function::Minute => |at| f64::from(at.minute),
        Function::Month => |at| f64::from(at.month),
        Function::Year => |at| at.year as f64,
        _ => return None,
    })
}

/// Whether `function` gives a part of a date.
pub(crate) fn is_date_function(function: Function) -> bool {
    part(function).is_some()
}

/// Hands on the parts of the dates that the values of the argument are, or of the steps without an argument.
///
/// # Errors
/// Whatever the evaluation or `sink` fails with.
pub(crate) fn date(evaluation: &Evaluation<'_>, call: &Call, sink: Sink<'_>) -> Result<(), Error> {
    let Some(part) = part(call.function) else {
        return Err(Error::execution(format!(
            "function {} gives no part of a date",
            call.function.name()
        )));
    };
    match call.arguments.first() {
        Some(argument) => math::map(evaluation, argument, sink, |value| {
            part(Calendar::of_value(value))
        }),
        None => {
            let values =
                Scalars::at_steps(evaluation, |at_ms| part(Calendar::of_seconds(at_ms / 1000)))?;
            sink(values.into_series())
        }
    }
}

/// `timestamp`: the samples' own times of a selector, the step's of anything else.
///
/// # Errors
/// Whatever the evaluation or `sink` fails with.
pub(crate) fn timestamp(
    evaluation: &Evaluation<'_>,
    call: &Call,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let argument = &call.arguments[0];
    if let Expr::Vector(selector) = &argument.expr {
        return lookback::for_each(evaluation, selector, Shown::Time, sink);
    }
    let steps = evaluation.steps;
    evaluation.for_each(argument, &mut |mut series| {
        series.drop_name = true;
        for index in 0..series.column.len() {
            if !series.column.is_absent(index) {
                series
                    .column
                    .set_float(index, steps.at(index) as f64 / 1000.0);
            }
        }
        sink(series)
    })
}

/// `start_timestamp`: the samples' start times of a selector, nothing of anything else.
///
/// # Errors
/// Whatever the evaluation or `sink` fails with.
pub(crate) fn start_timestamp(
    evaluation: &Evaluation<'_>,
    call: &Call,
    sink: Sink<'_>,
) -> Result<(), Error> {
    match &call.arguments[0].expr {
        Expr::Vector(selector) => lookback::for_each(evaluation, selector, Shown::StartTime, sink),
        _ => Ok(()),
    }
}
