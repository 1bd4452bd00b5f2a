//! The tree of a query as it is written: parentheses, duration expressions and `@ start()` are still there.

use chronoxide_model::{METRIC_NAME, Matcher, MatcherOp};

use crate::Function;
use crate::plan::{
    AggregateOp, BinaryOp, Cardinality, Grouping, Position, RangeExtension, ValueType,
};

/// An expression and where it stands in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What is written.
    pub kind: ExprKind,
    /// Where.
    pub position: Position,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A number, its sign included.
    Number(NumberLiteral),
    /// A string.
    String(StringLiteral),
    /// An instant vector selector.
    Vector(Box<Selector>),
    /// A range vector selector.
    Range {
        /// Which series.
        selector: Box<Selector>,
        /// The window between the brackets.
        window: Box<Duration>,
    },
    /// A subquery.
    Subquery(Box<Subquery>),
    /// An expression in parentheses.
    Paren(Box<Expr>),
    /// A sign before something that is no number.
    Unary {
        /// Whether the sign is a minus.
        negative: bool,
        /// What follows.
        operand: Box<Expr>,
    },
    /// Two operands and an operator.
    Binary(Box<Binary>),
    /// An aggregation.
    Aggregate(Box<Aggregate>),
    /// A function call.
    Call {
        /// Which function.
        function: Function,
        /// The arguments.
        arguments: Vec<Expr>,
    },
}

/// A number, or a duration where a number is expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NumberLiteral {
    /// The value; seconds for a duration.
    pub value: f64,
    /// Whether it was written as a duration.
    pub is_duration: bool,
}

/// A string; escapes may make it something else than UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringLiteral {
    bytes: Vec<u8>,
}

impl StringLiteral {
    pub(crate) const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// The bytes between the quotes, escapes resolved.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}

/// A selector as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// The metric name before the braces.
    pub name: Option<String>,
    /// The matchers in the braces.
    pub matchers: Vec<Matcher>,
    /// `@` and `offset`.
    pub time: TimeModifiers,
    /// `anchored` or `smoothed`.
    pub extension: Option<RangeExtension>,
}

impl Selector {
    /// All matchers; that of the name before the braces comes first.
    #[must_use]
    pub fn all_matchers(&self) -> Vec<Matcher> {
        let name = self
            .name
            .as_ref()
            .map(|name| Matcher::equal(METRIC_NAME, name.as_str()));
        name.into_iter()
            .chain(self.matchers.iter().cloned())
            .collect()
    }

    /// The only metric name that the selector can select, if there is but one, however it is written.
    pub(crate) fn only_metric_name(&self) -> Option<&str> {
        if let Some(name) = &self.name {
            return Some(name);
        }
        let of_name = |matcher: &&Matcher| matcher.name() == METRIC_NAME;
        match self.matchers.iter().find(of_name)?.literals() {
            Some([name]) if !name.is_empty() => Some(name),
            _ => None,
        }
    }

    /// The metric name, before or inside the braces.
    #[must_use]
    pub fn metric_name(&self) -> Option<&str> {
        let inside = self
            .matchers
            .iter()
            .find(|matcher| matcher.op() == MatcherOp::Equal && matcher.name() == METRIC_NAME);
        self.name.as_deref().or_else(|| inside.map(Matcher::value))
    }
}

/// `@` and `offset` of a selector or subquery.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeModifiers {
    /// `@`
    pub at: Option<At>,
    /// `offset`; negative ones look ahead.
    pub offset: Option<Duration>,
}

/// What stands behind `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// A time in Unix milliseconds.
    Time(i64),
    /// `start()`
    Start,
    /// `end()`
    End,
}

/// A subquery.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// What is evaluated.
    pub inner: Expr,
    /// The window.
    pub window: Duration,
    /// The step behind the colon.
    pub step: Option<Duration>,
    /// `@` and `offset`.
    pub time: TimeModifiers,
}

/// A duration, or an expression of durations, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Duration {
    /// What is written.
    pub kind: DurationKind,
    /// Where.
    pub position: Position,
}

/// What a duration is.
#[derive(Clone, Debug, PartialEq)]
pub enum DurationKind {
    /// A literal, its sign included.
    Literal(NumberLiteral),
    /// `step()`: the step of the query.
    Step,
    /// `range()`: the end of the query less its start.
    Range,
    /// A sign.
    Unary {
        /// Whether the sign is a minus.
        negative: bool,
        /// What follows.
        operand: Box<Duration>,
    },
    /// Arithmetic: `+`, `-`, `*`, `/`, `%` or `^`.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Left and right operand.
        operands: Box<(Duration, Duration)>,
    },
    /// `max_of(a, b)`: the longer one.
    MaxOf(Box<(Duration, Duration)>),
    /// `min_of(a, b)`: the shorter one.
    MinOf(Box<(Duration, Duration)>),
    /// In parentheses.
    Paren(Box<Duration>),
}

/// Two operands and an operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// Left operand.
    pub left: Expr,
    /// Right operand.
    pub right: Expr,
    /// What stands between the operator and the right operand.
    pub modifiers: BinaryModifiers,
}

/// How a binary operator pairs series.
#[derive(Clone, Debug, PartialEq)]
pub struct BinaryModifiers {
    /// `bool`
    pub returns_bool: bool,
    /// `on (...)` or `ignoring (...)`
    pub labels: Option<Grouping>,
    /// `group_left` or `group_right`; otherwise one to one, also for set operators.
    pub cardinality: Cardinality,
    /// The labels of `group_left (...)` or `group_right (...)`.
    pub include: Vec<String>,
    /// `fill_left`, or `fill`.
    pub fill_left: Option<f64>,
    /// `fill_right`, or `fill`.
    pub fill_right: Option<f64>,
}

impl Default for BinaryModifiers {
    fn default() -> Self {
        Self {
            returns_bool: false,
            labels: None,
            cardinality: Cardinality::OneToOne,
            include: Vec::new(),
            fill_left: None,
            fill_right: None,
        }
    }
}

/// An aggregation.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The operator.
    pub op: AggregateOp,
    /// The parameter of `topk` and the like.
    pub parameter: Option<Expr>,
    /// What is aggregated.
    pub inner: Expr,
    /// `by (...)` or `without (...)`
    pub grouping: Option<Grouping>,
}

impl Expr {
    /// The type of the value.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match &self.kind {
            ExprKind::Number(_) => ValueType::Scalar,
            ExprKind::String(_) => ValueType::String,
            ExprKind::Vector(_) | ExprKind::Aggregate(_) => ValueType::InstantVector,
            ExprKind::Range { .. } | ExprKind::Subquery(_) => ValueType::RangeVector,
            ExprKind::Paren(inner) | ExprKind::Unary { operand: inner, .. } => inner.value_type(),
            ExprKind::Binary(binary) => binary.value_type(),
            ExprKind::Call { function, .. } => function.returns(),
        }
    }

    /// The expressions directly below, in the order of the text.
    #[must_use]
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Number(_)
            | ExprKind::String(_)
            | ExprKind::Vector(_)
            | ExprKind::Range { .. } => Vec::new(),
            ExprKind::Subquery(subquery) => vec![&subquery.inner],
            ExprKind::Paren(inner) | ExprKind::Unary { operand: inner, .. } => vec![inner],
            ExprKind::Binary(binary) => vec![&binary.left, &binary.right],
            ExprKind::Aggregate(aggregate) => aggregate
                .parameter
                .iter()
                .chain([&aggregate.inner])
                .collect(),
            ExprKind::Call { arguments, .. } => arguments.iter().collect(),
        }
    }

    /// The selectors of the whole expression, in the order of the text.
    #[must_use]
    pub fn selectors(&self) -> Vec<&Selector> {
        let mut selectors = Vec::new();
        let mut rest = vec![self];
        while let Some(next) = rest.pop() {
            if let ExprKind::Vector(selector) | ExprKind::Range { selector, .. } = &next.kind {
                selectors.push(selector.as_ref());
            }
            rest.extend(next.children().into_iter().rev());
        }
        selectors
    }

    /// The expressions directly below, in the order of the text.
    pub fn children_mut(&mut self) -> Vec<&mut Self> {
        match &mut self.kind {
            ExprKind::Number(_)
            | ExprKind::String(_)
            | ExprKind::Vector(_)
            | ExprKind::Range { .. } => Vec::new(),
            ExprKind::Subquery(subquery) => vec![&mut subquery.inner],
            ExprKind::Paren(inner) | ExprKind::Unary { operand: inner, .. } => vec![inner],
            ExprKind::Binary(binary) => vec![&mut binary.left, &mut binary.right],
            ExprKind::Aggregate(aggregate) => aggregate
                .parameter
                .iter_mut()
                .chain([&mut aggregate.inner])
                .collect(),
            ExprKind::Call { arguments, .. } => arguments.iter_mut().collect(),
        }
    }
}

impl Binary {
    /// Scalar when both operands are.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        if self.left.value_type() == ValueType::Scalar
            && self.right.value_type() == ValueType::Scalar
        {
            ValueType::Scalar
        } else {
            ValueType::InstantVector
        }
    }
}
