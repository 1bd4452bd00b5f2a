//! Functions that give a scalar.

use crate::eval::Evaluation;
use crate::plan::{Call, Node};
use crate::{Error, Function};

/// The number of `call` at each step.
pub(crate) fn scalar(evaluation: &Evaluation<'_>, call: &Call) -> Result<Vec<f64>, Error> {
    let query = evaluation.query;
    let constant = |value: f64| Ok(vec![value; evaluation.steps.count]);
    let seconds = |ms: i64| ms as f64 / 1000.0;
    match (call.function, &call.arguments[..]) {
        (Function::Pi, []) => constant(std::f64::consts::PI),
        (Function::Time, []) => Ok(evaluation.steps.iter().map(seconds).collect()),
        (Function::Start, []) => constant(seconds(query.steps.start_ms)),
        (Function::End, []) => constant(seconds(query.end_ms)),
        (Function::Range, []) => constant(seconds(query.end_ms - query.steps.start_ms)),
        (Function::Step, []) => constant(seconds(query.step_ms)),
        (Function::MaxOf, [left, right]) => pairwise(evaluation, left, right, go_max),
        (Function::MinOf, [left, right]) => pairwise(evaluation, left, right, go_min),
        (Function::Scalar, [vector]) => of_vector(evaluation, vector),
        (function, arguments) => Err(Error::execution(format!(
            "function {} gives no scalar of {} arguments",
            function.name(),
            arguments.len()
        ))),
    }
}

fn pairwise(
    evaluation: &Evaluation<'_>,
    left: &Node,
    right: &Node,
    join: impl Fn(f64, f64) -> f64,
) -> Result<Vec<f64>, Error> {
    let mut values = evaluation.scalar(left)?;
    for (value, other) in values.iter_mut().zip(evaluation.scalar(right)?) {
        *value = join(*value, other);
    }
    Ok(values)
}

/// The larger number; an infinity beats NaN, NaN anything else.
fn go_max(left: f64, right: f64) -> f64 {
    if left == f64::INFINITY || right == f64::INFINITY {
        f64::INFINITY
    } else if left.is_nan() || right.is_nan() {
        f64::NAN
    } else {
        left.max(right)
    }
}

/// The smaller number; minus infinity beats NaN, NaN anything else.
fn go_min(left: f64, right: f64) -> f64 {
    if left == f64::NEG_INFINITY || right == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if left.is_nan() || right.is_nan() {
        f64::NAN
    } else {
        left.min(right)
    }
}

/// The only float of `vector` at each step; NaN where it has none or several.
fn of_vector(evaluation: &Evaluation<'_>, vector: &Node) -> Result<Vec<f64>, Error> {
    let count = evaluation.steps.count;
    let mut values = vec![f64::NAN; count];
    let mut seen = vec![0_u8; count];
    evaluation.for_each(vector, &mut |series| {
        for (index, value) in series.column.floats() {
            seen[index] = seen[index].saturating_add(1);
            values[index] = if seen[index] == 1 { value } else { f64::NAN };
        }
        Ok(())
    })?;
    Ok(values)
}
