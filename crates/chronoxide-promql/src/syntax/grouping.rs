//! Aggregations, and what stands between an operator and its right operand.

use super::parser::{Construct, Parser};
use super::token::{Keyword, TokenKind};
use super::tree::{Aggregate, BinaryModifiers, Expr, ExprKind};
use crate::Error;
use crate::plan::{AggregateOp, BinaryOp, Cardinality, Grouping, Position};

impl Parser<'_> {
    /// An aggregation, whose operator is next.
    pub(super) fn aggregate(&mut self, op: AggregateOp) -> Result<Expr, Error> {
        let start = self.bump().start;
        self.mirror.word(op.as_str());
        let (grouping, arguments) = self.within("aggregation", "", |parser| {
            let before = parser.aggregate_grouping()?;
            let arguments = parser.arguments()?;
            let grouping = match before {
                Some(_) => before,
                None => parser.aggregate_grouping()?,
            };
            Ok((grouping, arguments))
        })?;
        self.stack_on(self.height())?;
        let position = Position {
            start,
            end: self.last_end(),
        };
        let aggregate = self.aggregate_of(op, grouping, arguments, position)?;
        let kind = ExprKind::Aggregate(Box::new(aggregate));
        Ok(Expr { kind, position })
    }

    fn aggregate_of(
        &self,
        op: AggregateOp,
        grouping: Option<Grouping>,
        arguments: Vec<Expr>,
        position: Position,
    ) -> Result<Aggregate, Error> {
        if arguments.is_empty() {
            return Err(self.error(position, "no arguments for aggregate expression provided"));
        }
        let experimental = matches!(op, AggregateOp::Limitk | AggregateOp::LimitRatio);
        if experimental && !self.features.experimental_functions {
            let name = op.as_str();
            let flag = "--promql.enable=experimental-functions";
            let message = format!("{name}() is experimental and must be enabled with {flag}");
            return Err(self.error(position, message));
        }
        let got = arguments.len();
        let expected = if takes_parameter(op) { 2 } else { 1 };
        let mut arguments = arguments.into_iter();
        let parameter = if takes_parameter(op) {
            arguments.next()
        } else {
            None
        };
        match (arguments.next(), arguments.next()) {
            (Some(inner), None) => Ok(Aggregate {
                op,
                parameter,
                inner,
                grouping,
            }),
            _ => {
                let wrong = "wrong number of arguments for aggregate expression provided";
                Err(self.error(position, format!("{wrong}, expected {expected}, got {got}")))
            }
        }
    }

    fn aggregate_grouping(&mut self) -> Result<Option<Grouping>, Error> {
        if self.take_keyword(Keyword::By) {
            self.mirror.word("by");
            Ok(Some(Grouping::By(self.label_list()?)))
        } else if self.take_keyword(Keyword::Without) {
            self.mirror.word("without");
            Ok(Some(Grouping::Without(self.label_list()?)))
        } else {
            Ok(None)
        }
    }

    /// `bool`, `on`, `group_left`, `fill` and the like.
    pub(super) fn binary_modifiers(&mut self) -> Result<BinaryModifiers, Error> {
        let mut modifiers = BinaryModifiers::default();
        if self.take_keyword(Keyword::Bool) {
            modifiers.returns_bool = true;
            self.mirror.word("bool");
        }
        if self.take_keyword(Keyword::On) {
            self.mirror.word("on");
            modifiers.labels = Some(Grouping::By(self.label_list()?));
        } else if self.take_keyword(Keyword::Ignoring) {
            self.mirror.word("ignoring");
            modifiers.labels = Some(Grouping::Without(self.label_list()?));
        }
        if modifiers.labels.is_some() {
            self.group_modifier(&mut modifiers)?;
        }
        self.fill_modifiers(&mut modifiers)?;
        Ok(modifiers)
    }

    fn group_modifier(&mut self, modifiers: &mut BinaryModifiers) -> Result<(), Error> {
        if self.take_keyword(Keyword::GroupLeft) {
            self.mirror.word("group_left");
            modifiers.cardinality = Cardinality::ManyToOne;
        } else if self.take_keyword(Keyword::GroupRight) {
            self.mirror.word("group_right");
            modifiers.cardinality = Cardinality::OneToMany;
        } else {
            return Ok(());
        }
        if self.peek() == &TokenKind::LeftParen {
            modifiers.include = self.label_list()?;
        } else {
            self.mirror.push("()");
        }
        Ok(())
    }

    fn fill_modifiers(&mut self, modifiers: &mut BinaryModifiers) -> Result<(), Error> {
        if self.take_keyword(Keyword::Fill) {
            let value = self.fill_value("fill")?;
            modifiers.fill_left = Some(value);
            modifiers.fill_right = Some(value);
        } else if self.take_keyword(Keyword::FillLeft) {
            modifiers.fill_left = Some(self.fill_value("fill_left")?);
            if self.take_keyword(Keyword::FillRight) {
                modifiers.fill_right = Some(self.fill_value("fill_right")?);
            }
        } else if self.take_keyword(Keyword::FillRight) {
            modifiers.fill_right = Some(self.fill_value("fill_right")?);
            if self.take_keyword(Keyword::FillLeft) {
                modifiers.fill_left = Some(self.fill_value("fill_left")?);
            }
        }
        Ok(())
    }

    fn fill_value(&mut self, word: &'static str) -> Result<f64, Error> {
        if !self.take(&TokenKind::LeftParen) {
            return Err(self.unexpected());
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
        if !self.take(&TokenKind::RightParen) {
            return Err(self.unexpected());
        }
        self.mirror.word(word);
        self.mirror.push("(1)");
        Ok(if negative {
            -number.value
        } else {
            number.value
        })
    }

    /// Labels in parentheses.
    fn label_list(&mut self) -> Result<Vec<String>, Error> {
        const NAME: &str = "grouping opts";
        let mut labels = Vec::new();
        if !self.take(&TokenKind::LeftParen) {
            return Err(self.unexpected_in(Construct {
                name: NAME,
                expected: "\"(\"",
            }));
        }
        while !self.take(&TokenKind::RightParen) {
            labels.push(self.grouping_label()?);
            if !self.take(&TokenKind::Comma) && self.peek() != &TokenKind::RightParen {
                let expected = "\",\" or \")\"";
                return Err(self.unexpected_in(Construct {
                    name: NAME,
                    expected,
                }));
            }
        }
        self.mirror.labels(labels.len());
        Ok(labels)
    }

    fn grouping_label(&mut self) -> Result<String, Error> {
        let is_label = match *self.peek() {
            TokenKind::Identifier
            | TokenKind::MetricIdentifier
            | TokenKind::String
            | TokenKind::Aggregate(_)
            | TokenKind::Operator(
                BinaryOp::And | BinaryOp::Or | BinaryOp::Unless | BinaryOp::Atan2,
            ) => true,
            TokenKind::Keyword(keyword) => keyword.names_a_label(),
            _ => false,
        };
        if !is_label {
            return Err(self.unexpected_in(Construct {
                name: "grouping opts",
                expected: "label",
            }));
        }
        let quoted = self.peek() == &TokenKind::String;
        let position = self.bump();
        if !quoted {
            return Ok(self.slice(position).to_owned());
        }
        let literal = self.string(position)?;
        match literal.as_str() {
            Some(label) if !label.is_empty() => Ok(label.to_owned()),
            _ => {
                let shown = super::quote::quote_bytes(literal.bytes());
                Err(self.error(
                    position,
                    format!("invalid label name for grouping: {shown}"),
                ))
            }
        }
    }
}

/// Whether the aggregation has a parameter before the vector.
pub(super) const fn takes_parameter(op: AggregateOp) -> bool {
    matches!(
        op,
        AggregateOp::Topk
            | AggregateOp::Bottomk
            | AggregateOp::CountValues
            | AggregateOp::Quantile
            | AggregateOp::Limitk
            | AggregateOp::LimitRatio
    )
}
