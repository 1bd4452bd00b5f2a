//! Tokens to the tree: expressions, calls, aggregations, operators and their modifiers.
//!
//! Messages are Prometheus'. It reads with a generated parser that, at a token that fits nowhere, names the innermost
//! construct that can explain itself; [`Parser::within`] keeps those constructs.

use super::Features;
use super::mirror::Mirror;
use super::regexes::Regexes;
use super::token::{Keyword, Token, TokenKind};
use super::tree::{Binary, Expr, ExprKind, NumberLiteral, StringLiteral};
use crate::plan::{BinaryOp, Position};
use crate::{Error, Function};

/// Calls, brackets, signs and right operands that may stand in each other. Everything that walks a tree recurses, so
/// this bounds the stack: two megabytes, what threads commonly have, are enough even without optimization.
const NESTING_MAX: usize = 100;

/// Levels a tree may have; chained operators make levels as nesting does.
const LEVELS_MAX: usize = 200;

/// Operators that the durations of a query may have together.
const DURATION_OPERATORS_MAX: usize = 200;

pub(crate) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) features: Features,
    /// The same query in the words of the second reader.
    pub(super) mirror: Mirror,
    pub(super) regexes: Regexes,
    tokens: Vec<Token>,
    at: usize,
    /// Constructs around that name themselves in messages, innermost last.
    constructs: Vec<Construct>,
    /// How deep the recursion is.
    depth: usize,
    /// Levels of the expression read last.
    height: usize,
    /// Operators in durations so far.
    duration_operators: usize,
}

/// A construct that names itself in messages, and what it would like to see.
#[derive(Clone, Copy)]
pub(super) struct Construct {
    pub(super) name: &'static str,
    pub(super) expected: &'static str,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str, tokens: Vec<Token>, features: Features) -> Self {
        Self {
            text,
            features,
            mirror: Mirror::default(),
            regexes: Regexes::default(),
            tokens,
            at: 0,
            constructs: Vec::new(),
            depth: 0,
            height: 0,
            duration_operators: 0,
        }
    }

    /// Reads the whole text as one expression.
    pub(crate) fn whole(&mut self) -> Result<Expr, Error> {
        if self.peek() == &TokenKind::End {
            return Err(self.error(Position::default(), "no expression found in input"));
        }
        let expr = self.expression()?;
        self.end()?;
        Ok(expr)
    }

    /// Refuses what follows.
    pub(super) fn end(&self) -> Result<(), Error> {
        match self.peek() {
            TokenKind::End => Ok(()),
            _ => Err(self.unexpected()),
        }
    }

    /// How the second reader would write what was read.
    pub(crate) fn into_mirror(self) -> Mirror {
        self.mirror
    }

    pub(super) fn peek(&self) -> &TokenKind {
        &self.token().kind
    }

    /// The token that is next; the last one stays there.
    pub(super) fn token(&self) -> &Token {
        &self.tokens[self.at]
    }

    /// The token behind the next one.
    pub(super) fn second(&self) -> &TokenKind {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].kind
    }

    /// Where the next token stands.
    pub(super) fn here(&self) -> Position {
        self.token().position
    }

    /// The end of the token read last.
    pub(super) fn last_end(&self) -> usize {
        match self.at.checked_sub(1) {
            Some(last) => self.tokens[last].position.end,
            None => 0,
        }
    }

    pub(super) fn bump(&mut self) -> Position {
        let position = self.here();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        position
    }

    pub(super) fn take(&mut self, kind: &TokenKind) -> bool {
        let taken = self.peek() == kind;
        if taken {
            self.bump();
        }
        taken
    }

    pub(super) fn take_keyword(&mut self, keyword: Keyword) -> bool {
        self.take(&TokenKind::Keyword(keyword))
    }

    pub(super) fn slice(&self, position: Position) -> &'a str {
        &self.text[position.start..position.end]
    }

    pub(super) fn error(&self, position: Position, message: impl Into<String>) -> Error {
        Error::parse(self.text, position, message)
    }

    /// The next token fits nowhere.
    pub(super) fn unexpected(&self) -> Error {
        match self.constructs.last() {
            Some(construct) => self.unexpected_in(*construct),
            None => self.unexpected_in(Construct {
                name: "",
                expected: "",
            }),
        }
    }

    pub(super) fn unexpected_in(&self, construct: Construct) -> Error {
        let token = self.token();
        let mut message = token.describe(self.text);
        if !matches!(token.kind, TokenKind::Broken(_)) {
            message.insert_str(0, "unexpected ");
            if !construct.name.is_empty() {
                message = format!("{message} in {}", construct.name);
            }
            if !construct.expected.is_empty() {
                message = format!("{message}, expected {}", construct.expected);
            }
        }
        self.error(token.position, message)
    }

    /// Reads something inside a construct that names itself in messages.
    pub(super) fn within<T>(
        &mut self,
        name: &'static str,
        expected: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.constructs.push(Construct { name, expected });
        let outcome = read(self);
        self.constructs.pop();
        outcome
    }

    /// Reads something one level deeper.
    pub(super) fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(self.too_deep(&format!("{NESTING_MAX} levels of nesting")));
        }
        let outcome = read(self);
        self.depth -= 1;
        outcome
    }

    /// The expression just read stands on parts of at most `below` levels.
    pub(super) fn stack_on(&mut self, below: usize) -> Result<(), Error> {
        self.height = below + 1;
        if self.height > LEVELS_MAX {
            return Err(self.too_deep(&format!(
                "{LEVELS_MAX} levels of nesting and chained operators"
            )));
        }
        Ok(())
    }

    /// Chains of operators in durations nest as well; the whole query may have so many.
    pub(super) fn count_duration_operator(&mut self, position: Position) -> Result<(), Error> {
        self.duration_operators += 1;
        if self.duration_operators > DURATION_OPERATORS_MAX {
            let message =
                format!("more than {DURATION_OPERATORS_MAX} operators in duration expressions");
            return Err(self.error(position, message));
        }
        Ok(())
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    fn too_deep(&self, limit: &str) -> Error {
        self.error(self.here(), format!("expression has more than {limit}"))
    }

    pub(super) fn expression(&mut self) -> Result<Expr, Error> {
        self.deeper(|parser| parser.operators(1))
    }

    /// Operands joined by operators that bind at least as tightly as `weakest`.
    fn operators(&mut self, weakest: u8) -> Result<Expr, Error> {
        let mut left = self.operand()?;
        while let TokenKind::Operator(op) = *self.peek() {
            let strength = strength(op);
            if strength < weakest {
                break;
            }
            let below = self.height;
            self.bump();
            self.mirror.operator(op);
            let modifiers = self.binary_modifiers()?;
            // Only the power binds to the right.
            let weakest_right = if op == BinaryOp::Pow {
                strength
            } else {
                strength + 1
            };
            let right = self.deeper(|parser| parser.operators(weakest_right))?;
            self.stack_on(below.max(self.height))?;
            let position = Position {
                start: left.position.start,
                end: right.position.end,
            };
            let fills = modifiers.fill_left.is_some() || modifiers.fill_right.is_some();
            if fills && !self.features.fill_modifiers {
                let message = "binop fill modifiers are experimental and not enabled";
                return Err(self.error(position, message));
            }
            let kind = ExprKind::Binary(Box::new(Binary {
                op,
                left,
                right,
                modifiers,
            }));
            left = Expr { kind, position };
        }
        Ok(left)
    }

    /// An operand with its sign.
    fn operand(&mut self) -> Result<Expr, Error> {
        let TokenKind::Operator(op @ (BinaryOp::Add | BinaryOp::Sub)) = *self.peek() else {
            let primary = self.primary()?;
            return self.postfixes(primary);
        };
        let start = self.bump().start;
        let negative = op == BinaryOp::Sub;
        self.mirror.operator(op);
        let operand = self.deeper(|parser| parser.operators(strength(BinaryOp::Pow)))?;
        let position = Position {
            start,
            end: operand.position.end,
        };
        let kind = match operand.kind {
            ExprKind::Number(number) => ExprKind::Number(NumberLiteral {
                value: if negative {
                    -number.value
                } else {
                    number.value
                },
                ..number
            }),
            _ => {
                self.stack_on(self.height)?;
                ExprKind::Unary {
                    negative,
                    operand: Box::new(operand),
                }
            }
        };
        Ok(Expr { kind, position })
    }

    fn primary(&mut self) -> Result<Expr, Error> {
        self.height = 1;
        match *self.peek() {
            TokenKind::Number | TokenKind::Duration => {
                let (number, position) = self.number()?;
                self.mirror.number();
                let kind = ExprKind::Number(number);
                Ok(Expr { kind, position })
            }
            TokenKind::String => {
                let position = self.bump();
                let literal = self.string(position)?;
                self.mirror.string();
                let kind = ExprKind::String(literal);
                Ok(Expr { kind, position })
            }
            TokenKind::LeftParen => self.paren(),
            TokenKind::Identifier if self.second() == &TokenKind::LeftParen => self.call(),
            TokenKind::Keyword(keyword)
                if keyword.names_a_function() && self.second() == &TokenKind::LeftParen =>
            {
                self.call()
            }
            TokenKind::Aggregate(op) if self.aggregation_follows() => self.aggregate(op),
            TokenKind::Identifier
            | TokenKind::MetricIdentifier
            | TokenKind::LeftBrace
            | TokenKind::Aggregate(_)
            | TokenKind::Operator(BinaryOp::And | BinaryOp::Or | BinaryOp::Unless) => {
                self.selector()
            }
            TokenKind::Keyword(keyword) if keyword.names_a_metric() => self.selector(),
            _ => Err(self.unexpected()),
        }
    }

    /// Whether the name of an aggregation that is next begins one; otherwise a metric is called so.
    fn aggregation_follows(&self) -> bool {
        matches!(
            self.second(),
            TokenKind::LeftParen | TokenKind::Keyword(Keyword::By | Keyword::Without)
        )
    }

    pub(super) fn number(&mut self) -> Result<(NumberLiteral, Position), Error> {
        let is_duration = self.peek() == &TokenKind::Duration;
        let position = self.bump();
        let text = self.slice(position);
        let value = if is_duration {
            super::number::parse_duration(text).map(|ms| ms as f64 / 1000.0)
        } else {
            super::number::parse_number(text)
        };
        let value = value.map_err(|message| self.error(position, message))?;
        Ok((NumberLiteral { value, is_duration }, position))
    }

    pub(super) fn string(&self, position: Position) -> Result<StringLiteral, Error> {
        let literal = self.slice(position);
        let bytes = super::quote::unquote(literal).ok_or_else(|| {
            let shown = super::quote(literal);
            self.error(
                position,
                format!("error unquoting string {shown}: invalid syntax"),
            )
        })?;
        Ok(StringLiteral::new(bytes))
    }

    fn paren(&mut self) -> Result<Expr, Error> {
        let start = self.bump().start;
        self.mirror.push("(");
        let inner = self.expression()?;
        if !self.take(&TokenKind::RightParen) {
            return Err(self.unexpected());
        }
        self.mirror.push(")");
        self.stack_on(self.height)?;
        let position = Position {
            start,
            end: self.last_end(),
        };
        let kind = ExprKind::Paren(Box::new(inner));
        Ok(Expr { kind, position })
    }

    fn call(&mut self) -> Result<Expr, Error> {
        let name_position = self.bump();
        let name = self.slice(name_position);
        self.mirror.function(name);
        let arguments = self.arguments()?;
        let Some(function) = Function::from_name(name) else {
            let shown = super::quote(name);
            return Err(self.error(name_position, format!("unknown function with name {shown}")));
        };
        if function.is_experimental() && !self.features.experimental_functions {
            let shown = super::quote(name);
            return Err(self.error(name_position, format!("function {shown} is not enabled")));
        }
        self.stack_on(self.height)?;
        let position = Position {
            start: name_position.start,
            end: self.last_end(),
        };
        Ok(Expr {
            kind: ExprKind::Call {
                function,
                arguments,
            },
            position,
        })
    }

    /// Arguments in parentheses; afterwards the height is that of the highest one.
    pub(super) fn arguments(&mut self) -> Result<Vec<Expr>, Error> {
        if !self.take(&TokenKind::LeftParen) {
            return Err(self.unexpected());
        }
        self.mirror.push("(");
        let mut arguments = Vec::new();
        let mut height = 0;
        if !self.take(&TokenKind::RightParen) {
            loop {
                arguments.push(self.expression()?);
                height = self.height.max(height);
                let comma = self.here();
                if !self.take(&TokenKind::Comma) {
                    break;
                }
                if self.peek() == &TokenKind::RightParen {
                    return Err(
                        self.error(comma, "trailing commas not allowed in function call args")
                    );
                }
                self.mirror.push(",");
            }
            if !self.take(&TokenKind::RightParen) {
                return Err(self.unexpected());
            }
        }
        self.mirror.push(")");
        self.height = height;
        Ok(arguments)
    }
}

/// How tightly an operator binds.
const fn strength(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And | BinaryOp::Unless => 2,
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Less
        | BinaryOp::LessOrEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterOrEqual
        | BinaryOp::TrimUpper
        | BinaryOp::TrimLower => 3,
        BinaryOp::Add | BinaryOp::Sub => 4,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod | BinaryOp::Atan2 => 5,
        BinaryOp::Pow => 6,
    }
}
