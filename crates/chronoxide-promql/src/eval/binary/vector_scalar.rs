//! A vector and a scalar: series by series, nothing is held.

use super::cells::{Operand, Operator, Outcome};
use super::notes::{Note, Notes};
use super::scalar;
use crate::Error;
use crate::eval::{Bits, CellValue, Column, Evaluation, Sink};
use crate::plan::{Binary, BinaryOp, Position, ValueType};

/// Hands on the series of `binary`, one operand of which is a scalar.
pub(super) fn for_each(
    evaluation: &Evaluation<'_>,
    binary: &Binary,
    position: Position,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let scalar_left = binary.left.expr.value_type() == ValueType::Scalar;
    let (vector, number) = if scalar_left {
        (&binary.right, &binary.left)
    } else {
        (&binary.left, &binary.right)
    };
    let numbers = if scalar_left {
        evaluation.scalar(number)?
    } else {
        evaluation.scalar_behind(vector, number)?
    };
    let operator = Operator::new(binary, scalar_left);
    let drops_name = operator.changes_quantity() || operator.returns_bool;
    let mut notes = Notes::default();
    let mut pair = 0;
    let done = evaluation.for_each(vector, &mut |mut series| {
        if operator.changes_quantity() && !series.column.has_histograms() {
            let column = &mut series.column;
            calculate(evaluation, operator, column, &numbers, scalar_left)?;
        } else if let Some(column) = compare(operator, &series.column, &numbers, scalar_left) {
            series.column = column;
        } else {
            let column = &series.column;
            let mut tell = |note, step| notes.add(note, pair, step);
            series.column = apply(operator, column, &numbers, scalar_left, &mut tell);
        }
        pair += 1;
        series.drop_name |= drops_name;
        sink(series)
    });
    notes.annotate(evaluation, binary.op, position);
    done
}

/// Calculates with a column of floats in place.
fn calculate(
    evaluation: &Evaluation<'_>,
    operator: Operator,
    column: &mut Column,
    numbers: &[f64],
    scalar_left: bool,
) -> Result<(), Error> {
    let mut numbers = numbers.iter();
    // Absent cells are calculated along: it is cheaper than to look which they are.
    column.map_floats(evaluation, |value| {
        let number = numbers.next().copied().unwrap_or(f64::NAN);
        if scalar_left {
            scalar(operator.op, number, value)
        } else {
            scalar(operator.op, value, number)
        }
    })
}

/// Compares a column of floats alone, if the operator compares.
fn compare(
    operator: Operator,
    column: &Column,
    numbers: &[f64],
    scalar_left: bool,
) -> Option<Column> {
    // The number stands on the right of each of these.
    let op = match (operator.op, scalar_left) {
        (BinaryOp::Less, true) => BinaryOp::Greater,
        (BinaryOp::LessOrEqual, true) => BinaryOp::GreaterOrEqual,
        (BinaryOp::Greater, true) => BinaryOp::Less,
        (BinaryOp::GreaterOrEqual, true) => BinaryOp::LessOrEqual,
        (op, _) => op,
    };
    let returns_bool = operator.returns_bool;
    match op {
        BinaryOp::Equal => compare_by(column, numbers, returns_bool, |a, b| a == b),
        BinaryOp::NotEqual => compare_by(column, numbers, returns_bool, |a, b| a != b),
        BinaryOp::Less => compare_by(column, numbers, returns_bool, |a, b| a < b),
        BinaryOp::LessOrEqual => compare_by(column, numbers, returns_bool, |a, b| a <= b),
        BinaryOp::Greater => compare_by(column, numbers, returns_bool, |a, b| a > b),
        BinaryOp::GreaterOrEqual => compare_by(column, numbers, returns_bool, |a, b| a >= b),
        _ => None,
    }
}

fn compare_by(
    column: &Column,
    numbers: &[f64],
    returns_bool: bool,
    holds: impl Fn(f64, f64) -> bool,
) -> Option<Column> {
    let (values, present) = column.only_floats()?;
    let held = values.iter().zip(numbers).map(|(a, b)| holds(*a, *b));
    if returns_bool {
        let floats = held.map(|holds| f64::from(u8::from(holds))).collect();
        return Some(Column::of_present(floats, present.clone()));
    }
    let mut passed = Bits::default();
    for (step, holds) in held.enumerate() {
        passed.push(step, holds & present.get(step));
    }
    Some(Column::of_present(values.to_vec(), passed))
}

fn apply(
    operator: Operator,
    column: &Column,
    numbers: &[f64],
    scalar_left: bool,
    tell: &mut dyn FnMut(Note, usize),
) -> Column {
    let (series, number) = (Operand::Column(column), Operand::Scalar(numbers));
    let (left, right) = if scalar_left {
        (number, series)
    } else {
        (series, number)
    };
    let mut result = Column::absent(column.len());
    for step in 0..column.len() {
        let mut note = None;
        let outcome = operator.apply(left.cell(step), right.cell(step), &mut note);
        if let Some(note) = note {
            tell(note, step);
        }
        match outcome {
            Outcome::Value(CellValue::Float(value)) => result.set_float(step, value),
            Outcome::Value(value) => result.set(step, value),
            Outcome::Nothing | Outcome::Filtered => {}
        }
    }
    result
}
