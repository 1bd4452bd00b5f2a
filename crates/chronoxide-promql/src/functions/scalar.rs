//! Functions that give a scalar.

use crate::eval::{Evaluation, Scalars};
use crate::functions::math::{larger, smaller};
use crate::plan::{Call, Node};
use crate::{Error, Function};

/// The number of `call` at each step.
pub(crate) fn scalar(evaluation: &Evaluation<'_>, call: &Call) -> Result<Scalars, Error> {
    let query = evaluation.query;
    let constant = |value: f64| Scalars::constant(evaluation, value);
    let seconds = |ms: i64| ms as f64 / 1000.0;
    match (call.function, &call.arguments[..]) {
        (Function::Pi, []) => constant(std::f64::consts::PI),
        (Function::Time, []) => Scalars::at_steps(evaluation, seconds),
        (Function::Start, []) => constant(seconds(query.steps.start_ms)),
        (Function::End, []) => constant(seconds(query.end_ms)),
        (Function::Range, []) => {
            constant(seconds(query.end_ms.saturating_sub(query.steps.start_ms)))
        }
        (Function::Step, []) => constant(seconds(query.step_ms)),
        (Function::MaxOf, [left, right]) => pairwise(evaluation, left, right, larger),
        (Function::MinOf, [left, right]) => pairwise(evaluation, left, right, smaller),
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
) -> Result<Scalars, Error> {
    let left = evaluation.scalar(left)?;
    left.join(evaluation, &evaluation.scalar(right)?, join)
}

/// The only float of `vector` at each step; NaN where it has none or several.
fn of_vector(evaluation: &Evaluation<'_>, vector: &Node) -> Result<Scalars, Error> {
    let mut values = Scalars::constant(evaluation, f64::NAN)?;
    let mut seen = vec![0_u8; values.len()];
    evaluation.for_each(vector, &mut |series| {
        for (index, value) in series.column.floats() {
            seen[index] = seen[index].saturating_add(1);
            values[index] = if seen[index] == 1 { value } else { f64::NAN };
        }
        Ok(())
    })?;
    Ok(values)
}
