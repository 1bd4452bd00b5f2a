//! Selectors: a metric name and matchers in braces.

use chronoxide_model::{METRIC_NAME, Matcher, MatcherOp};

use super::parser::{Construct, Parser};
use super::token::TokenKind;
use super::tree::{Expr, ExprKind, Selector, TimeModifiers};
use crate::Error;
use crate::plan::{BinaryOp, Position};

impl Parser<'_> {
    /// The whole text as one selector, without brackets and modifiers.
    pub(crate) fn lone_selector(&mut self) -> Result<Selector, Error> {
        let begins_selector = match self.peek() {
            TokenKind::Identifier
            | TokenKind::MetricIdentifier
            | TokenKind::LeftBrace
            | TokenKind::Aggregate(_)
            | TokenKind::Operator(BinaryOp::And | BinaryOp::Or | BinaryOp::Unless) => true,
            TokenKind::Keyword(keyword) => keyword.names_a_metric(),
            _ => false,
        };
        if !begins_selector {
            return Err(self.unexpected());
        }
        let expr = self.selector()?;
        self.end()?;
        match expr.kind {
            ExprKind::Vector(selector) => Ok(*selector),
            _ => Err(self.error(expr.position, "expected a selector")),
        }
    }

    /// A metric name, matchers in braces, or both.
    pub(super) fn selector(&mut self) -> Result<Expr, Error> {
        let start = self.here().start;
        let name = if self.peek() == &TokenKind::LeftBrace {
            None
        } else {
            let position = self.bump();
            Some(self.slice(position).to_owned())
        };
        let matchers = if self.take(&TokenKind::LeftBrace) {
            self.matchers()?
        } else {
            Vec::new()
        };
        self.mirror.selector();
        let kind = ExprKind::Vector(Box::new(Selector {
            name,
            matchers,
            time: TimeModifiers::default(),
            extension: None,
        }));
        let position = Position {
            start,
            end: self.last_end(),
        };
        Ok(Expr { kind, position })
    }

    fn matchers(&mut self) -> Result<Vec<Matcher>, Error> {
        let mut matchers = Vec::new();
        while !self.take(&TokenKind::RightBrace) {
            matchers.push(self.matcher()?);
            if !self.take(&TokenKind::Comma) && self.peek() != &TokenKind::RightBrace {
                return Err(self.label_matching("\",\" or \"}\""));
            }
        }
        Ok(matchers)
    }

    fn matcher(&mut self) -> Result<Matcher, Error> {
        let quoted = match self.peek() {
            TokenKind::Identifier => false,
            TokenKind::String => true,
            _ => return Err(self.label_matching("identifier or \"}\"")),
        };
        let name_position = self.bump();
        let name = if quoted {
            self.utf8_string(name_position)?
        } else {
            self.slice(name_position).to_owned()
        };
        let op = match self.peek() {
            TokenKind::Assign => MatcherOp::Equal,
            TokenKind::Operator(BinaryOp::NotEqual) => MatcherOp::NotEqual,
            TokenKind::RegexMatch => MatcherOp::Regex,
            TokenKind::NotRegexMatch => MatcherOp::NotRegex,
            // A string alone is the metric's name.
            _ if quoted => return Ok(Matcher::equal(METRIC_NAME, name)),
            _ => return Err(self.label_matching("label matching operator")),
        };
        self.bump();
        if self.peek() != &TokenKind::String {
            return Err(self.label_matching("string"));
        }
        let value_position = self.bump();
        let value = self.utf8_string(value_position)?;
        let position = Position {
            start: name_position.start,
            end: value_position.end,
        };
        self.build_matcher(op, name, value, position)
    }

    fn label_matching(&self, expected: &'static str) -> Error {
        let name = "label matching";
        self.unexpected_in(Construct { name, expected })
    }

    fn utf8_string(&self, position: Position) -> Result<String, Error> {
        let literal = self.string(position)?;
        match literal.as_str() {
            Some(text) => Ok(text.to_owned()),
            None => {
                let shown = super::quote::quote_bytes(literal.bytes());
                Err(self.error(
                    position,
                    format!("label name or value is not valid UTF-8: {shown}"),
                ))
            }
        }
    }

    fn build_matcher(
        &mut self,
        op: MatcherOp,
        name: String,
        value: String,
        position: Position,
    ) -> Result<Matcher, Error> {
        let built = self.regexes.matcher(op, name, value);
        built.map_err(|message| self.error(position, message))
    }
}
