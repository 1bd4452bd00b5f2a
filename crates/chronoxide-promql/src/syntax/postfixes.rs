//! What may follow an expression: brackets, `offset`, `@`, `anchored` and `smoothed`.

use super::parser::{Construct, Parser};
use super::token::{Keyword, TokenKind};
use super::tree::{At, Duration, DurationKind, Expr, ExprKind, Subquery, TimeModifiers};
use crate::Error;
use crate::plan::{BinaryOp, Position, RangeExtension};

const SELECTOR_KINDS: &str = "an instant vector selector or range vector selector or a subquery";

impl Parser<'_> {
    /// An expression with all that follows it; these bind tighter than any operator.
    pub(super) fn postfixes(&mut self, mut expr: Expr) -> Result<Expr, Error> {
        loop {
            expr = match self.peek() {
                TokenKind::LeftBracket => self.brackets(expr)?,
                TokenKind::Keyword(Keyword::Offset) => self.offset(expr)?,
                TokenKind::At => self.at_time(expr)?,
                TokenKind::Keyword(Keyword::Anchored) => {
                    self.extension(expr, RangeExtension::Anchored)?
                }
                TokenKind::Keyword(Keyword::Smoothed) => {
                    self.extension(expr, RangeExtension::Smoothed)?
                }
                _ => return Ok(expr),
            };
        }
    }

    /// A window: of a selector, or with a colon of a subquery.
    fn brackets(&mut self, expr: Expr) -> Result<Expr, Error> {
        let open = self.bump();
        let expected = "number, duration, step(), or range()";
        let window = self.within(
            "subquery or range selector",
            expected,
            Self::positive_duration,
        )?;
        match self.peek() {
            TokenKind::RightBracket => {
                let close = self.bump();
                let brackets = Position {
                    start: open.start,
                    end: close.end,
                };
                self.range(expr, window, brackets)
            }
            TokenKind::Colon => {
                self.bump();
                self.subquery(expr, window)
            }
            _ => Err(self.unexpected_in(Construct {
                name: "subquery or range",
                expected: "\":\" or \"]\"",
            })),
        }
    }

    fn range(&mut self, expr: Expr, window: Duration, brackets: Position) -> Result<Expr, Error> {
        let ExprKind::Vector(selector) = expr.kind else {
            return Err(self.error(brackets, "ranges only allowed for vector selectors"));
        };
        if selector
            .time
            .offset
            .as_ref()
            .is_some_and(|offset| !is_zero(offset))
        {
            return Err(self.error(brackets, "no offset modifiers allowed before range"));
        }
        if selector.time.at.is_some() {
            return Err(self.error(brackets, "no @ modifiers allowed before range"));
        }
        self.mirror.push("[1s]");
        Ok(Expr {
            kind: ExprKind::Range {
                selector,
                window: Box::new(window),
            },
            position: Position {
                start: expr.position.start,
                end: brackets.end,
            },
        })
    }

    fn subquery(&mut self, inner: Expr, window: Duration) -> Result<Expr, Error> {
        let name = "subquery selector";
        let step = if self.peek() == &TokenKind::RightBracket {
            None
        } else {
            let expected = "number, duration, step(), range(), or \"]\"";
            Some(self.within(name, expected, Self::positive_duration)?)
        };
        if !self.take(&TokenKind::RightBracket) {
            let expected = "\"]\"";
            return Err(self.unexpected_in(Construct { name, expected }));
        }
        self.mirror.push("[1s:]");
        self.stack_on(self.height())?;
        let position = Position {
            start: inner.position.start,
            end: self.last_end(),
        };
        let kind = ExprKind::Subquery(Box::new(Subquery {
            inner,
            window,
            step,
            time: TimeModifiers::default(),
        }));
        Ok(Expr { kind, position })
    }

    /// A literal must be positive; an expression is judged when its value is known.
    fn positive_duration(&mut self) -> Result<Duration, Error> {
        let duration = self.duration()?;
        match duration.kind {
            DurationKind::Literal(number) if number.value.is_nan() || number.value <= 0.0 => {
                Err(self.error(duration.position, "duration must be greater than 0"))
            }
            _ => Ok(duration),
        }
    }

    fn offset(&mut self, mut expr: Expr) -> Result<Expr, Error> {
        self.bump();
        let expected = "number, duration, step(), or range()";
        let offset = self.within("offset", expected, Self::offset_duration)?;
        let position = expr.position;
        let Some(time) = time_modifiers(&mut expr.kind) else {
            let message = format!("offset modifier must be preceded by {SELECTOR_KINDS}");
            return Err(self.error(position, message));
        };
        if time.offset.as_ref().is_some_and(|before| !is_zero(before)) {
            return Err(self.error(position, "offset may not be set multiple times"));
        }
        time.offset = Some(offset);
        expr.position.end = self.last_end();
        Ok(expr)
    }

    fn at_time(&mut self, mut expr: Expr) -> Result<Expr, Error> {
        self.bump();
        let position = expr.position;
        let at = self.within("@", "timestamp", |parser| parser.timestamp(position))?;
        let Some(time) = time_modifiers(&mut expr.kind) else {
            let message = format!("@ modifier must be preceded by {SELECTOR_KINDS}");
            return Err(self.error(position, message));
        };
        if time.at.is_some() {
            return Err(self.error(position, "@ <timestamp> may not be set multiple times"));
        }
        time.at = Some(at);
        expr.position.end = self.last_end();
        Ok(expr)
    }

    fn timestamp(&mut self, of: Position) -> Result<At, Error> {
        let named = match self.peek() {
            TokenKind::Keyword(Keyword::Start) => Some(At::Start),
            TokenKind::Keyword(Keyword::End) => Some(At::End),
            _ => None,
        };
        if let Some(named) = named {
            self.bump();
            if !self.take(&TokenKind::LeftParen) || !self.take(&TokenKind::RightParen) {
                return Err(self.unexpected());
            }
            return Ok(named);
        }
        let negative = match *self.peek() {
            TokenKind::Operator(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                self.bump();
                op == BinaryOp::Sub
            }
            _ => false,
        };
        if !matches!(self.peek(), TokenKind::Number | TokenKind::Duration) {
            return Err(self.unexpected());
        }
        let (number, _) = self.number()?;
        let seconds = if negative {
            -number.value
        } else {
            number.value
        };
        let ms = (seconds * 1000.0).round();
        // Both bounds are powers of two and thus exact.
        if !(i64::MIN as f64..i64::MAX as f64).contains(&ms) {
            let shown = if seconds.is_finite() {
                format!("{seconds:.6}")
            } else {
                super::number::format_number(seconds)
            };
            let message = format!("timestamp out of bounds for @ modifier: {shown}");
            return Err(self.error(of, message));
        }
        Ok(At::Time(ms as i64))
    }

    fn extension(&mut self, mut expr: Expr, extension: RangeExtension) -> Result<Expr, Error> {
        self.bump();
        let word = extension_word(extension);
        let position = expr.position;
        if !self.features.extended_range_selectors {
            return Err(self.error(
                position,
                format!("{word} modifier is experimental and not enabled"),
            ));
        }
        let selector = match &mut expr.kind {
            ExprKind::Vector(selector) | ExprKind::Range { selector, .. } => selector,
            ExprKind::Subquery(_) => {
                let message = format!("{word} modifier is not supported for subqueries");
                return Err(self.error(position, message));
            }
            _ => return Err(self.error(position, format!("{word} modifier not implemented"))),
        };
        if selector.extension.is_some_and(|before| before != extension) {
            let message = "anchored and smoothed modifiers cannot be used together";
            return Err(self.error(position, message));
        }
        selector.extension = Some(extension);
        Ok(expr)
    }
}

/// As the modifier is written.
pub(crate) const fn extension_word(extension: RangeExtension) -> &'static str {
    match extension {
        RangeExtension::Anchored => "anchored",
        RangeExtension::Smoothed => "smoothed",
    }
}

fn time_modifiers(kind: &mut ExprKind) -> Option<&mut TimeModifiers> {
    match kind {
        ExprKind::Vector(selector) | ExprKind::Range { selector, .. } => Some(&mut selector.time),
        ExprKind::Subquery(subquery) => Some(&mut subquery.time),
        _ => None,
    }
}

/// `offset 0` may be written over, as in Prometheus.
fn is_zero(offset: &Duration) -> bool {
    matches!(offset.kind, DurationKind::Literal(number) if number.value == 0.0)
}
