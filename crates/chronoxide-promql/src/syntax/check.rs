//! Types: what may stand where, in Prometheus' words.

use std::collections::HashSet;

use chronoxide_model::METRIC_NAME;

use super::grouping::takes_parameter;
use super::tree::{Aggregate, Binary, BinaryModifiers, Expr, ExprKind, Selector};
use crate::function::Arity;
use crate::plan::{AggregateOp, Cardinality, Grouping, Position, ValueType};
use crate::{Error, Function};

/// Checks a tree read from `text`.
pub(crate) fn check(text: &str, expr: &Expr) -> Result<(), Error> {
    Checker { text }.expr(expr)
}

struct Checker<'a> {
    text: &'a str,
}

impl Checker<'_> {
    fn error(&self, position: Position, message: impl Into<String>) -> Error {
        Error::parse(self.text, position, message)
    }

    fn expr(&self, expr: &Expr) -> Result<(), Error> {
        match &expr.kind {
            ExprKind::Number(_) | ExprKind::String(_) => Ok(()),
            ExprKind::Vector(selector) | ExprKind::Range { selector, .. } => {
                self.selector(selector, expr.position, false)
            }
            ExprKind::Subquery(subquery) => {
                self.expr(&subquery.inner)?;
                match subquery.inner.value_type() {
                    ValueType::InstantVector => Ok(()),
                    got => {
                        let got = internal_name(got);
                        let message = format!(
                            "subquery is only allowed on instant vector, got {got} instead"
                        );
                        Err(self.error(expr.position, message))
                    }
                }
            }
            ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::Unary { operand, .. } => {
                self.expr(operand)?;
                match operand.value_type() {
                    ValueType::Scalar | ValueType::InstantVector => Ok(()),
                    got => {
                        let only = "unary expression only allowed on expressions of type scalar or instant vector";
                        Err(self.error(expr.position, format!("{only}, got \"{}\"", got.as_str())))
                    }
                }
            }
            ExprKind::Binary(binary) => self.binary(binary, expr.position),
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate),
            ExprKind::Call {
                function,
                arguments,
            } => self.call(*function, arguments, expr.position),
        }
    }

    fn expect(&self, expr: &Expr, wanted: ValueType, place: &str) -> Result<(), Error> {
        self.expr(expr)?;
        let got = expr.value_type();
        if got == wanted {
            return Ok(());
        }
        let (wanted, got) = (wanted.as_str(), got.as_str());
        Err(self.error(
            expr.position,
            format!("expected type {wanted} in {place}, got {got}"),
        ))
    }

    fn selector(
        &self,
        selector: &Selector,
        position: Position,
        may_match_all: bool,
    ) -> Result<(), Error> {
        if let Some(name) = &selector.name {
            let twice = selector
                .matchers
                .iter()
                .find(|matcher| matcher.name() == METRIC_NAME);
            return match twice {
                Some(other) => {
                    let (name, other) = (super::quote(name), super::quote(other.value()));
                    let message = format!("metric name must not be set twice: {name} or {other}");
                    Err(self.error(position, message))
                }
                None => Ok(()),
            };
        }
        if !may_match_all
            && selector
                .matchers
                .iter()
                .all(|matcher| matcher.matches_empty())
        {
            let message = "vector selector must contain at least one non-empty matcher";
            return Err(self.error(position, message));
        }
        Ok(())
    }

    fn aggregate(&self, aggregate: &Aggregate) -> Result<(), Error> {
        self.expect(
            &aggregate.inner,
            ValueType::InstantVector,
            "aggregation expression",
        )?;
        let Some(parameter) = aggregate
            .parameter
            .as_ref()
            .filter(|_| takes_parameter(aggregate.op))
        else {
            return Ok(());
        };
        let wanted = match aggregate.op {
            AggregateOp::CountValues => ValueType::String,
            _ => ValueType::Scalar,
        };
        self.expect(parameter, wanted, "aggregation parameter")
    }

    fn binary(&self, binary: &Binary, position: Position) -> Result<(), Error> {
        self.expr(&binary.left)?;
        self.expr(&binary.right)?;
        let (left, right) = (binary.left.value_type(), binary.right.value_type());
        let modifiers = &binary.modifiers;
        if modifiers.returns_bool && !binary.op.is_comparison() {
            let message = "bool modifier can only be used on comparison operators";
            return Err(self.error(self.operator_position(binary), message));
        }
        let both_scalar = left == ValueType::Scalar && right == ValueType::Scalar;
        if binary.op.is_comparison() && !modifiers.returns_bool && both_scalar {
            let message = "comparisons between scalars must use BOOL modifier";
            return Err(self.error(self.operator_position(binary), message));
        }
        if let Some(label) = label_in_both(modifiers) {
            let label = super::quote(label);
            let message = format!("label {label} must not occur in ON and GROUP clause at once");
            return Err(self.error(self.operator_position(binary), message));
        }
        for (operand, operand_type) in [(&binary.left, left), (&binary.right, right)] {
            if !matches!(operand_type, ValueType::Scalar | ValueType::InstantVector) {
                let message = "binary expression must contain only scalar and instant vector types";
                return Err(self.error(operand.position, message));
            }
        }
        let fills = modifiers.fill_left.is_some() || modifiers.fill_right.is_some();
        let problem = if left != ValueType::InstantVector || right != ValueType::InstantVector {
            if modifiers
                .labels
                .as_ref()
                .is_some_and(|labels| !labels_of(labels).is_empty())
            {
                "vector matching only allowed between instant vectors".to_owned()
            } else if fills {
                "filling in missing series only allowed between instant vectors".to_owned()
            } else if binary.op.is_set() {
                let op = binary.op.as_str();
                format!("set operator \"{op}\" not allowed in binary scalar expression")
            } else {
                return Ok(());
            }
        } else if !binary.op.is_set() {
            return Ok(());
        } else if modifiers.cardinality != Cardinality::OneToOne {
            format!(
                "no grouping allowed for \"{}\" operation",
                binary.op.as_str()
            )
        } else if fills {
            "filling in missing series not allowed for set operators".to_owned()
        } else {
            return Ok(());
        };
        Err(self.error(position, problem))
    }

    /// From the operator to the right operand, without the blanks around.
    fn operator_position(&self, binary: &Binary) -> Position {
        let (from, to) = (binary.left.position.end, binary.right.position.start);
        let between = self.text.get(from..to).unwrap_or("");
        let start = from + (between.len() - between.trim_start().len());
        let end = from + between.trim_end().len();
        Position {
            start,
            end: end.max(start),
        }
    }

    fn call(
        &self,
        function: Function,
        arguments: &[Expr],
        position: Position,
    ) -> Result<(), Error> {
        self.argument_count(function, arguments.len(), position)?;
        if function == Function::Info
            && let Some(labels) = arguments.get(1)
        {
            self.info_labels(labels, position)?;
        }
        let types = function.arguments();
        let place = format!("call to function \"{}\"", function.name());
        for (index, argument) in arguments.iter().enumerate() {
            if function == Function::Info && index == 1 {
                continue;
            }
            if let Some(wanted) = types.get(index).or(types.last()) {
                self.expect(argument, *wanted, &place)?;
            }
        }
        Ok(())
    }

    fn argument_count(
        &self,
        function: Function,
        got: usize,
        position: Position,
    ) -> Result<(), Error> {
        let listed = function.arguments().len();
        let (least, most) = match function.arity() {
            Arity::Fixed => (listed, Some(listed)),
            Arity::Optional(count) => (listed.saturating_sub(count), Some(listed)),
            // Prometheus takes at most ten quantiles.
            Arity::Variadic if function == Function::HistogramQuantiles => {
                (listed - 1, Some(listed + 8))
            }
            Arity::Variadic => (listed.saturating_sub(1), None),
        };
        let wanted = if got < least {
            let at_least = if Some(least) == most { "" } else { "at least " };
            format!("{at_least}{least}")
        } else if let Some(most) = most.filter(|most| got > *most) {
            let at_most = if least == most { "" } else { "at most " };
            format!("{at_most}{most}")
        } else {
            return Ok(());
        };
        let name = function.name();
        let message = format!("expected {wanted} argument(s) in call to \"{name}\", got {got}");
        Err(self.error(position, message))
    }

    /// The second argument of `info` is written as a selector without a name and means matchers only.
    fn info_labels(&self, labels: &Expr, call: Position) -> Result<(), Error> {
        let got = labels.value_type();
        if got != ValueType::InstantVector {
            let (wanted, got) = (ValueType::InstantVector.as_str(), got.as_str());
            let message = format!("expected type {wanted} in call to function \"info\", got {got}");
            return Err(self.error(call, message));
        }
        match &labels.kind {
            ExprKind::Vector(selector) if selector.name.is_none() => {
                self.selector(selector, labels.position, true)
            }
            ExprKind::Vector(_) => {
                let message = "expected label selectors only, got vector selector instead";
                Err(self.error(labels.position, message))
            }
            _ => Err(self.error(labels.position, "expected label selectors only")),
        }
    }
}

/// A label that stands in `on` and in `group_left` or `group_right`.
fn label_in_both(modifiers: &BinaryModifiers) -> Option<&String> {
    let Some(Grouping::By(labels)) = &modifiers.labels else {
        return None;
    };
    let included: HashSet<&String> = modifiers.include.iter().collect();
    labels.iter().find(|label| included.contains(label))
}

/// The listed labels.
pub(crate) fn labels_of(grouping: &Grouping) -> &[String] {
    match grouping {
        Grouping::By(labels) | Grouping::Without(labels) => labels,
    }
}

/// One message of Prometheus has the types' internal names.
const fn internal_name(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::RangeVector => "matrix",
        ValueType::InstantVector => "vector",
        other => other.as_str(),
    }
}
