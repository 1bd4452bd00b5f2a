//! Durations in brackets and behind `offset`: literals and their arithmetic.

use super::number::SECONDS_MAX;
use super::parser::Parser;
use super::token::{Keyword, TokenKind};
use super::tree::{Duration, DurationKind, NumberLiteral};
use crate::Error;
use crate::plan::{BinaryOp, Position};

/// How tightly each operator of durations binds.
const fn strength(op: BinaryOp) -> Option<u8> {
    match op {
        BinaryOp::Add | BinaryOp::Sub => Some(1),
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod => Some(2),
        BinaryOp::Pow => Some(3),
        _ => None,
    }
}

impl Parser<'_> {
    /// A duration expression.
    pub(super) fn duration(&mut self) -> Result<Duration, Error> {
        self.duration_operators(1)
    }

    /// A duration behind `offset`. An operator that follows a bare literal or call belongs to the query: `x offset 1m * 2`
    /// doubles `x`; parentheses make it one of the duration.
    pub(super) fn offset_duration(&mut self) -> Result<Duration, Error> {
        let signed = self.sign().is_some();
        let first = if signed {
            self.second().clone()
        } else {
            self.peek().clone()
        };
        match first {
            TokenKind::LeftParen if !signed => self.duration(),
            TokenKind::Operator(_) => self.duration(),
            _ => self.duration_operand(false),
        }
    }

    fn sign(&self) -> Option<BinaryOp> {
        match *self.peek() {
            TokenKind::Operator(op @ (BinaryOp::Add | BinaryOp::Sub)) => Some(op),
            _ => None,
        }
    }

    fn duration_operators(&mut self, weakest: u8) -> Result<Duration, Error> {
        let mut left = self.duration_operand(true)?;
        while let TokenKind::Operator(op) = *self.peek() {
            let Some(strength) = strength(op).filter(|strength| *strength >= weakest) else {
                break;
            };
            let op_position = self.bump();
            self.count_duration_operator(op_position)?;
            let weakest_right = if op == BinaryOp::Pow {
                strength
            } else {
                strength + 1
            };
            let right = self.deeper(|parser| parser.duration_operators(weakest_right))?;
            self.duration_expressions_on(left.position)?;
            let by_zero =
                matches!(right.kind, DurationKind::Literal(number) if number.value == 0.0);
            match op {
                BinaryOp::Div if by_zero => return Err(self.error(op_position, "division by zero")),
                BinaryOp::Mod if by_zero => return Err(self.error(op_position, "modulo by zero")),
                _ => {}
            }
            let position = Position {
                start: left.position.start,
                end: right.position.end,
            };
            let operands = Box::new((left, right));
            let kind = DurationKind::Binary { op, operands };
            left = Duration { kind, position };
        }
        Ok(left)
    }

    /// A duration with its sign. In arithmetic a power binds tighter than the sign; behind `offset` it does not.
    fn duration_operand(&mut self, in_arithmetic: bool) -> Result<Duration, Error> {
        let Some(op) = self.sign() else {
            return self.duration_primary();
        };
        let start = self.bump().start;
        let negative = op == BinaryOp::Sub;
        let operand = self.deeper(|parser| {
            if in_arithmetic {
                parser.duration_operators(3)
            } else {
                parser.duration_primary()
            }
        })?;
        let position = Position {
            start,
            end: operand.position.end,
        };
        let kind = match operand.kind {
            DurationKind::Literal(number) => DurationKind::Literal(NumberLiteral {
                value: if negative {
                    -number.value
                } else {
                    number.value
                },
                ..number
            }),
            _ => DurationKind::Unary {
                negative,
                operand: Box::new(operand),
            },
        };
        Ok(Duration { kind, position })
    }

    fn duration_primary(&mut self) -> Result<Duration, Error> {
        match *self.peek() {
            TokenKind::Number | TokenKind::Duration => {
                let (number, position) = self.number()?;
                if number.value.abs() > SECONDS_MAX {
                    return Err(self.error(position, "duration out of range"));
                }
                let kind = DurationKind::Literal(number);
                Ok(Duration { kind, position })
            }
            TokenKind::Keyword(
                word @ (Keyword::Step | Keyword::Range | Keyword::MaxOf | Keyword::MinOf),
            ) => self.duration_call(word),
            TokenKind::LeftParen => {
                let start = self.bump().start;
                let inner = self.deeper(Self::duration)?;
                self.duration_expressions_on(inner.position)?;
                self.close_paren()?;
                let kind = DurationKind::Paren(Box::new(inner));
                Ok(self.duration_from(start, kind))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn duration_call(&mut self, word: Keyword) -> Result<Duration, Error> {
        let start = self.bump().start;
        if !self.take(&TokenKind::LeftParen) {
            return Err(self.unexpected());
        }
        let kind = match word {
            Keyword::Step => DurationKind::Step,
            Keyword::Range => DurationKind::Range,
            _ => {
                let left = self.deeper(Self::duration)?;
                if !self.take(&TokenKind::Comma) {
                    return Err(self.unexpected());
                }
                let operands = Box::new((left, self.deeper(Self::duration)?));
                if word == Keyword::MaxOf {
                    DurationKind::MaxOf(operands)
                } else {
                    DurationKind::MinOf(operands)
                }
            }
        };
        self.close_paren()?;
        let duration = self.duration_from(start, kind);
        self.duration_expressions_on(duration.position)?;
        Ok(duration)
    }

    fn close_paren(&mut self) -> Result<(), Error> {
        if self.take(&TokenKind::RightParen) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn duration_from(&self, start: usize, kind: DurationKind) -> Duration {
        let position = Position {
            start,
            end: self.last_end(),
        };
        Duration { kind, position }
    }

    fn duration_expressions_on(&self, position: Position) -> Result<(), Error> {
        if self.features.duration_expressions {
            Ok(())
        } else {
            Err(self.error(position, "experimental duration expression is not enabled"))
        }
    }
}
