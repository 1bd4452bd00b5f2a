//! promql-parser reads each query too, and both trees must have one shape.
//!
//! The tree with positions comes from our own tokens, for promql-parser's has none, refuses or misreads many texts that
//! Prometheus takes and panics at some. But precedence, associativity and what belongs to which bracket are where a
//! query is silently misread, and a grammar kept by others, generated from Prometheus' own, is a good second opinion:
//! every query that both read in different shapes is refused rather than answered wrongly. The text it reads is the
//! [`Mirror`], which holds none of the constructs it does not know; should it refuse that text nevertheless, it has no
//! opinion and the query stands, so that no gap of it shows to users.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use promql_parser::parser as theirs;
use promql_parser::parser::value::ValueType as TheirType;
use promql_parser::parser::{LabelModifier, VectorMatchCardinality};

use super::mirror::{FUNCTION_PREFIX, Mirror};
use super::tree::{Aggregate, Binary, Expr, ExprKind};
use crate::Function;
use crate::function::Arity;
use crate::plan::{BinaryOp, Cardinality, Grouping, ValueType};

/// Longer mirrors are not read a second time: promql-parser takes more than linear time for long lists.
const MIRROR_BYTES_MAX: usize = 16 << 10;

/// What the second reader says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Both trees have one shape.
    Agrees,
    /// The trees differ.
    Differs,
    /// The text is too long for it, or it refused the text.
    NoOpinion,
}

/// Has promql-parser read the mirror of `expr` and compares.
pub(crate) fn second_reading(expr: &Expr, mirror: &Mirror) -> Verdict {
    if mirror.text().len() > MIRROR_BYTES_MAX || !functions_are_registered() {
        return Verdict::NoOpinion;
    }
    match catch_unwind(AssertUnwindSafe(|| theirs::parse(mirror.text()))) {
        Ok(Ok(other)) if same_shape(expr, &other) => Verdict::Agrees,
        Ok(Ok(_)) => Verdict::Differs,
        Ok(Err(_)) | Err(_) => Verdict::NoOpinion,
    }
}

/// promql-parser checks calls against its own table, which is not ours; so ours is added under names of our own.
fn functions_are_registered() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    *REGISTERED.get_or_init(|| {
        let functions = Function::ALL.iter().map(|function| {
            let name: &'static str = format!("{FUNCTION_PREFIX}{}", function.name()).leak();
            let arguments = function
                .arguments()
                .iter()
                .copied()
                .map(their_type)
                .collect();
            let variadic = match function.arity() {
                Arity::Fixed => 0,
                Arity::Optional(count) => i32::try_from(count).unwrap_or(i32::MAX),
                Arity::Variadic => -1,
            };
            theirs::Function::new(
                name,
                arguments,
                variadic,
                their_type(function.returns()),
                false,
            )
        });
        theirs::register_extra_functions(functions.collect()).is_ok()
    })
}

const fn their_type(ours: ValueType) -> TheirType {
    match ours {
        ValueType::Scalar => TheirType::Scalar,
        ValueType::String => TheirType::String,
        ValueType::InstantVector => TheirType::Vector,
        ValueType::RangeVector => TheirType::Matrix,
    }
}

fn same_shape(ours: &Expr, other: &theirs::Expr) -> bool {
    match (&ours.kind, other) {
        // They drop a unary plus.
        (
            ExprKind::Unary {
                negative: false,
                operand,
            },
            _,
        ) => same_shape(operand, other),
        (
            ExprKind::Unary {
                negative: true,
                operand,
            },
            theirs::Expr::Unary(unary),
        ) => same_shape(operand, &unary.expr),
        (ExprKind::Number(_), theirs::Expr::NumberLiteral(_))
        | (ExprKind::String(_), theirs::Expr::StringLiteral(_))
        | (ExprKind::Vector(_), theirs::Expr::VectorSelector(_))
        | (ExprKind::Range { .. }, theirs::Expr::MatrixSelector(_)) => true,
        (ExprKind::Subquery(subquery), theirs::Expr::Subquery(other)) => {
            same_shape(&subquery.inner, &other.expr)
        }
        (ExprKind::Paren(inner), theirs::Expr::Paren(paren)) => same_shape(inner, &paren.expr),
        (ExprKind::Binary(binary), theirs::Expr::Binary(other)) => same_binary(binary, other),
        (ExprKind::Aggregate(aggregate), theirs::Expr::Aggregate(other)) => {
            same_aggregate(aggregate, other)
        }
        (
            ExprKind::Call {
                function,
                arguments,
            },
            theirs::Expr::Call(call),
        ) => {
            call.func.name.strip_prefix(FUNCTION_PREFIX) == Some(function.name())
                && arguments.len() == call.args.args.len()
                && arguments
                    .iter()
                    .zip(&call.args.args)
                    .all(|(ours, other)| same_shape(ours, other))
        }
        _ => false,
    }
}

fn same_binary(ours: &Binary, other: &theirs::BinaryExpr) -> bool {
    let op = match ours.op {
        BinaryOp::TrimUpper => "<",
        BinaryOp::TrimLower => ">",
        op => op.as_str(),
    };
    other.op.to_string() == op
        && same_modifiers(ours, other.modifier.as_ref())
        && same_shape(&ours.left, &other.lhs)
        && same_shape(&ours.right, &other.rhs)
}

fn same_modifiers(ours: &Binary, other: Option<&theirs::BinModifier>) -> bool {
    let default = theirs::BinModifier::default();
    let other = other.unwrap_or(&default);
    let ours = &ours.modifiers;
    let same_cardinality = match (&other.card, ours.cardinality) {
        (VectorMatchCardinality::ManyToOne(include), Cardinality::ManyToOne)
        | (VectorMatchCardinality::OneToMany(include), Cardinality::OneToMany) => {
            include.labels.len() == ours.include.len()
        }
        (
            VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany,
            Cardinality::OneToOne,
        ) => true,
        _ => false,
    };
    same_cardinality
        && same_grouping(ours.labels.as_ref(), other.matching.as_ref())
        && ours.returns_bool == other.return_bool
        && ours.fill_left.is_some() == other.fill_values.lhs.is_some()
        && ours.fill_right.is_some() == other.fill_values.rhs.is_some()
}

fn same_aggregate(ours: &Aggregate, other: &theirs::AggregateExpr) -> bool {
    let same_parameter = match (&ours.parameter, &other.param) {
        (Some(ours), Some(other)) => same_shape(ours, other),
        (None, None) => true,
        _ => false,
    };
    other.op.to_string() == ours.op.as_str()
        && same_parameter
        && same_grouping(ours.grouping.as_ref(), other.modifier.as_ref())
        && same_shape(&ours.inner, &other.expr)
}

fn same_grouping(ours: Option<&Grouping>, other: Option<&LabelModifier>) -> bool {
    match (ours, other) {
        (Some(Grouping::By(labels)), Some(LabelModifier::Include(other)))
        | (Some(Grouping::Without(labels)), Some(LabelModifier::Exclude(other))) => {
            labels.len() == other.labels.len()
        }
        (None, None) => true,
        _ => false,
    }
}
