//! Functions of one number: each float is replaced, histograms are left out, and the metric's name goes.

use crate::eval::{Evaluation, Scalars, Sink};
use crate::functions::{arctangent, logarithm};
use crate::plan::{Call, Node};
use crate::{Error, Function};

/// The function of one number that `function` is, if it is one.
fn of_one_number(function: Function) -> Option<fn(f64) -> f64> {
    Some(match function {
        Function::Abs => f64::abs,
        Function::Ceil => f64::ceil,
        Function::Floor => f64::floor,
        Function::Exp => f64::exp,
        Function::Sqrt => f64::sqrt,
        Function::Ln => logarithm::ln,
        Function::Log2 => logarithm::log2,
        Function::Log10 => logarithm::log10,
        Function::Sin => f64::sin,
        Function::Cos => f64::cos,
        Function::Tan => f64::tan,
        Function::Asin => f64::asin,
        Function::Acos => f64::acos,
        Function::Atan => arctangent::atan,
        Function::Sinh => f64::sinh,
        Function::Cosh => f64::cosh,
        Function::Tanh => f64::tanh,
        Function::Asinh => f64::asinh,
        Function::Acosh => f64::acosh,
        Function::Atanh => f64::atanh,
        Function::Rad => |value| value * std::f64::consts::PI / 180.0,
        Function::Deg => |value| value * 180.0 / std::f64::consts::PI,
        Function::Sgn => sgn,
        _ => return None,
    })
}

/// Whether `function` replaces each number by another one that depends on nothing else.
pub(crate) fn is_of_one_number(function: Function) -> bool {
    of_one_number(function).is_some()
}

/// 1 or -1; zeros and NaN stay as they are.
fn sgn(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        value
    }
}

/// Hands on the series of `call`, a function of one number.
///
/// # Errors
/// Whatever the evaluation or `sink` fails with.
pub(crate) fn for_each(
    evaluation: &Evaluation<'_>,
    call: &Call,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let (Some(function), [argument]) = (of_one_number(call.function), &call.arguments[..]) else {
        return Err(Error::execution(format!(
            "function {} of {} arguments",
            call.function.name(),
            call.arguments.len()
        )));
    };
    map(evaluation, argument, sink, function)
}

/// Hands on the series of `argument` with each float replaced by `function` of it.
pub(super) fn map(
    evaluation: &Evaluation<'_>,
    argument: &Node,
    sink: Sink<'_>,
    function: impl Fn(f64) -> f64,
) -> Result<(), Error> {
    evaluation.for_each(argument, &mut |mut series| {
        series.drop_name = true;
        series.column.map_floats(evaluation, &function)?;
        sink(series)
    })
}

/// Hands on the floats of `argument` that have a step in which `function` gives a value.
fn map_at_steps(
    evaluation: &Evaluation<'_>,
    argument: &Node,
    sink: Sink<'_>,
    function: impl Fn(usize, f64) -> Option<f64>,
) -> Result<(), Error> {
    evaluation.for_each(argument, &mut |mut series| {
        series.drop_name = true;
        series.column.drop_histograms();
        for index in 0..series.column.len() {
            evaluation.check_step(index)?;
            let Some(value) = series.column.float(index) else {
                continue;
            };
            match function(index, value) {
                Some(value) => series.column.set_float(index, value),
                None => series.column.clear(index),
            }
        }
        sink(series)
    })
}

/// `round`: to the nearest multiple, halves up.
pub(crate) fn round(evaluation: &Evaluation<'_>, call: &Call, sink: Sink<'_>) -> Result<(), Error> {
    let nearest = match call.arguments.get(1) {
        Some(node) => evaluation.scalar_behind(&call.arguments[0], node)?,
        None => Scalars::constant(evaluation, 1.0)?,
    };
    map_at_steps(evaluation, &call.arguments[0], sink, |index, value| {
        // The inverse loses less: 1 / 0.1 is exactly 10.
        let inverse = 1.0 / nearest[index];
        Some((value * inverse + 0.5).floor() / inverse)
    })
}

/// `clamp`, `clamp_min`, `clamp_max`: nothing at all where the minimum is above the maximum.
pub(crate) fn clamp(evaluation: &Evaluation<'_>, call: &Call, sink: Sink<'_>) -> Result<(), Error> {
    let unbounded = |value: f64| Scalars::constant(evaluation, value);
    let bound = |index: usize| evaluation.scalar_behind(&call.arguments[0], &call.arguments[index]);
    let (low, high) = match call.function {
        Function::ClampMin => (bound(1)?, unbounded(f64::INFINITY)?),
        Function::ClampMax => (unbounded(f64::NEG_INFINITY)?, bound(1)?),
        _ => (bound(1)?, bound(2)?),
    };
    map_at_steps(evaluation, &call.arguments[0], sink, |index, value| {
        let (low, high) = (low[index], high[index]);
        let crossed = high < low;
        (!crossed).then(|| larger(low, smaller(high, value)))
    })
}

/// The larger number; NaN when either is, unless the other is infinite.
pub(crate) fn larger(left: f64, right: f64) -> f64 {
    if left == f64::INFINITY || right == f64::INFINITY {
        f64::INFINITY
    } else if left.is_nan() || right.is_nan() {
        f64::NAN
    } else {
        left.max(right)
    }
}

/// The smaller number; NaN when either is, unless the other is minus infinity.
pub(crate) fn smaller(left: f64, right: f64) -> f64 {
    if left == f64::NEG_INFINITY || right == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if left.is_nan() || right.is_nan() {
        f64::NAN
    } else {
        left.min(right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_wins_except_over_infinity() {
        assert!(larger(f64::NAN, 1.0).is_nan());
        assert_eq!(larger(f64::NAN, f64::INFINITY), f64::INFINITY);
        assert!(smaller(1.0, f64::NAN).is_nan());
        assert_eq!(smaller(f64::NAN, f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert_eq!(sgn(-3.0), -1.0);
        assert!(sgn(f64::NAN).is_nan());
    }
}
