//! The typed tree of a query: what `lower` makes and `eval` works on.
//!
//! Everything that depends on the query's start, end and step alone is already a number here: duration expressions,
//! `@ start()`, `@ end()`, default subquery steps; and so is every scalar
//! that no step changes. Parentheses are gone.

use chronoxide_model::Matcher;

use crate::Function;

/// Where a piece of the plan stands in the query text, in bytes; end excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Position {
    /// Line and column of the first byte in `text`, both from 1; columns count bytes.
    #[must_use]
    pub fn line_and_column(self, text: &str) -> (usize, usize) {
        let before = &text.as_bytes()[..self.start.min(text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before
            .iter()
            .rev()
            .take_while(|byte| **byte != b'\n')
            .count()
            + 1;
        (line, column)
    }
}

/// An expression and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it computes.
    pub expr: Expr,
    /// Where it stands.
    pub position: Position,
}

/// The type of an expression's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// One number a step.
    Scalar,
    /// One string.
    String,
    /// At most one sample a series and step.
    InstantVector,
    /// A window of samples a series and step.
    RangeVector,
}

impl ValueType {
    /// The words of Prometheus' error messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::InstantVector => "instant vector",
            Self::RangeVector => "range vector",
        }
    }
}

/// What a node computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A number.
    Number(f64),
    /// A string.
    String(String),
    /// An instant vector selector.
    Vector(Selector),
    /// A range vector selector: the samples in `(t - window_ms, t]`.
    Range {
        /// Which series.
        selector: Selector,
        /// Length of the window, above zero.
        window_ms: i64,
    },
    /// An instant expression evaluated at its own steps within `(t - window_ms, t]`.
    Subquery(Subquery),
    /// `-expr`; a unary plus is dropped.
    Negate(Box<Node>),
    /// Two operands and an operator.
    Binary(Box<Binary>),
    /// An aggregation.
    Aggregate(Box<Aggregate>),
    /// A function call.
    Call(Call),
}

impl Expr {
    /// The type of the value.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Number(_) => ValueType::Scalar,
            Self::String(_) => ValueType::String,
            Self::Vector(_) | Self::Aggregate(_) => ValueType::InstantVector,
            Self::Range { .. } | Self::Subquery(_) => ValueType::RangeVector,
            Self::Negate(inner) => inner.expr.value_type(),
            Self::Binary(binary) => {
                let operands = [&binary.left, &binary.right];
                if operands
                    .iter()
                    .all(|node| node.expr.value_type() == ValueType::Scalar)
                {
                    ValueType::Scalar
                } else {
                    ValueType::InstantVector
                }
            }
            Self::Call(call) => call.function.returns(),
        }
    }
}

/// Which series, and from when.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// All must hold; the metric name is a matcher among them.
    pub matchers: Vec<Matcher>,
    /// `offset`: subtracted from the evaluation time.
    pub offset_ms: i64,
    /// `@`: the evaluation time, instead of the step's.
    pub at_ms: Option<i64>,
    /// `anchored` or `smoothed`.
    pub extension: Option<RangeExtension>,
}

/// How a selector reaches beyond its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RangeExtension {
    /// Values at the window's edges are the last ones before them.
    Anchored,
    /// Values at the window's edges are interpolated.
    Smoothed,
}

/// An instant expression over a window of its own steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// What is evaluated.
    pub inner: Box<Node>,
    /// Length of the window, above zero.
    pub window_ms: i64,
    /// Distance of the inner steps, above zero; they lie on multiples of it.
    pub step_ms: i64,
    /// `offset`: subtracted from the evaluation time.
    pub offset_ms: i64,
    /// `@`: the evaluation time, instead of the step's.
    pub at_ms: Option<i64>,
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
    /// `atan2`
    Atan2,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `and`
    And,
    /// `or`
    Or,
    /// `unless`
    Unless,
    /// `</`: cut off the upper buckets of a histogram.
    TrimUpper,
    /// `>/`: cut off the lower buckets of a histogram.
    TrimLower,
}

impl BinaryOp {
    /// Whether it compares.
    #[must_use]
    pub const fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessOrEqual
                | Self::Greater
                | Self::GreaterOrEqual
        )
    }

    /// Whether it joins sets.
    #[must_use]
    pub const fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
        }
    }
}

/// Two operands and an operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// Left operand.
    pub left: Node,
    /// Right operand.
    pub right: Node,
    /// `bool`: comparisons give 0 or 1 instead of filtering.
    pub returns_bool: bool,
    /// How series of two vectors are paired; meaningless when an operand is a scalar.
    pub matching: Matching,
}

/// How series of two vectors are paired.
#[derive(Clone, Debug, PartialEq)]
pub struct Matching {
    /// Which labels must agree.
    pub labels: Grouping,
    /// How many series of each side may pair.
    pub cardinality: Cardinality,
    /// Labels that `group_left(...)` or `group_right(...)` copies from the one side.
    pub include: Vec<String>,
    /// `fill(x)` / `fill_left(x)`: stands in where the left side has no series.
    pub fill_left: Option<f64>,
    /// `fill(x)` / `fill_right(x)`: stands in where the right side has no series.
    pub fill_right: Option<f64>,
}

/// A set of label names, listed or excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// `by (...)` / `on (...)`: these only.
    By(Vec<String>),
    /// `without (...)` / `ignoring (...)`: all but these (and the metric name). The default is all but none.
    Without(Vec<String>),
}

impl Grouping {
    /// Whether all series are one group.
    pub(crate) const fn is_of_all(&self) -> bool {
        matches!(self, Self::By(names) if names.is_empty())
    }
}

/// How many series of each side may pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cardinality {
    /// One with one.
    OneToOne,
    /// `group_left`: many on the left.
    ManyToOne,
    /// `group_right`: many on the right.
    OneToMany,
    /// Set operators.
    ManyToMany,
}

/// An aggregation operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AggregateOp {
    /// `sum`
    Sum,
    /// `avg`
    Avg,
    /// `min`
    Min,
    /// `max`
    Max,
    /// `count`
    Count,
    /// `group`
    Group,
    /// `stddev`
    Stddev,
    /// `stdvar`
    Stdvar,
    /// `topk`
    Topk,
    /// `bottomk`
    Bottomk,
    /// `quantile`
    Quantile,
    /// `count_values`
    CountValues,
    /// `limitk`
    Limitk,
    /// `limit_ratio`
    LimitRatio,
}

impl AggregateOp {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
            Self::Group => "group",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Topk => "topk",
            Self::Bottomk => "bottomk",
            Self::Quantile => "quantile",
            Self::CountValues => "count_values",
            Self::Limitk => "limitk",
            Self::LimitRatio => "limit_ratio",
        }
    }
}

/// An aggregation of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The operator.
    pub op: AggregateOp,
    /// What is aggregated.
    pub inner: Node,
    /// The parameter of `topk`, `quantile`, `count_values` and the like.
    pub parameter: Option<Node>,
    /// Which series fall together. Without a clause: `By` nothing.
    pub grouping: Grouping,
}

/// A function call with arguments of the right number and types.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which function.
    pub function: Function,
    /// The arguments, optional ones left out.
    pub arguments: Vec<Node>,
}
