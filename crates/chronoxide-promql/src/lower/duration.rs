//! Duration expressions to milliseconds.

use super::LowerOptions;
use crate::Error;
use crate::plan::BinaryOp;
use crate::syntax::{Duration, DurationKind};

/// What durations depend on.
pub(super) struct Clock<'a> {
    /// The query, for positions in messages.
    pub(super) text: &'a str,
    pub(super) options: &'a LowerOptions,
}

/// Durations are bounded by what fits into 64 bits of nanoseconds.
const SECONDS_MAX: f64 = (i64::MAX / 1_000_000_000) as f64;

impl Clock<'_> {
    /// The milliseconds of a window or step.
    pub(super) fn positive(&self, duration: &Duration) -> Result<i64, Error> {
        match self.any(duration)? {
            ms if ms > 0 => Ok(ms),
            _ => Err(self.error(duration, "duration must be greater than 0")),
        }
    }

    /// The milliseconds of an offset, of either sign.
    pub(super) fn any(&self, duration: &Duration) -> Result<i64, Error> {
        let seconds = self.seconds(duration)?;
        if !seconds.is_finite() {
            return Err(self.error(duration, "duration is NaN or infinite"));
        }
        if seconds.abs() > SECONDS_MAX {
            return Err(self.error(duration, "duration is out of range"));
        }
        // Literals are rounded to the nanosecond first; what is below a millisecond goes.
        Ok(match duration.kind {
            DurationKind::Literal(_) => (seconds * 1e9).round() as i64 / 1_000_000,
            _ => (seconds * 1000.0) as i64,
        })
    }

    fn seconds(&self, duration: &Duration) -> Result<f64, Error> {
        Ok(match &duration.kind {
            DurationKind::Literal(number) => number.value,
            DurationKind::Step => self.options.step_ms as f64 / 1000.0,
            DurationKind::Range => {
                self.options.end_ms.saturating_sub(self.options.start_ms) as f64 / 1000.0
            }
            DurationKind::Unary { negative, operand } => {
                let seconds = self.seconds(operand)?;
                if *negative { -seconds } else { seconds }
            }
            DurationKind::Paren(inner) => self.seconds(inner)?,
            DurationKind::MaxOf(operands) => {
                let (left, right) = (self.seconds(&operands.0)?, self.seconds(&operands.1)?);
                if left.is_nan() || right.is_nan() {
                    f64::NAN
                } else {
                    left.max(right)
                }
            }
            DurationKind::MinOf(operands) => {
                let (left, right) = (self.seconds(&operands.0)?, self.seconds(&operands.1)?);
                if left.is_nan() || right.is_nan() {
                    f64::NAN
                } else {
                    left.min(right)
                }
            }
            DurationKind::Binary { op, operands } => {
                let (left, right) = (self.seconds(&operands.0)?, self.seconds(&operands.1)?);
                self.arithmetic(duration, *op, left, right)?
            }
        })
    }

    fn arithmetic(
        &self,
        duration: &Duration,
        op: BinaryOp,
        left: f64,
        right: f64,
    ) -> Result<f64, Error> {
        match op {
            BinaryOp::Div if right == 0.0 => Err(self.error(duration, "division by zero")),
            BinaryOp::Mod if right == 0.0 => Err(self.error(duration, "modulo by zero")),
            BinaryOp::Add => Ok(left + right),
            BinaryOp::Sub => Ok(left - right),
            BinaryOp::Mul => Ok(left * right),
            BinaryOp::Div => Ok(left / right),
            BinaryOp::Mod => Ok(left % right),
            BinaryOp::Pow => Ok(left.powf(right)),
            _ => {
                let op = op.as_str();
                Err(self.error(
                    duration,
                    format!("unexpected duration expression operator \"{op}\""),
                ))
            }
        }
    }

    fn error(&self, duration: &Duration, message: impl Into<String>) -> Error {
        Error::parse(self.text, duration.position, message)
    }
}
