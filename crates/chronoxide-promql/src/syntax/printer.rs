//! The tree back to text, in the form that Prometheus gives a formatted query.

use std::fmt;

use chronoxide_model::Matcher;

use super::number::{format_duration, format_number};
use super::postfixes::extension_word;
use super::quote::{quote, quote_bytes};
use super::tree::{
    Aggregate, At, Binary, Duration, DurationKind, Expr, ExprKind, NumberLiteral, Selector,
    Subquery, TimeModifiers,
};
use crate::plan::{Cardinality, Grouping};

/// Longer expressions are spread over lines.
const LINE_BYTES_MAX: usize = 100;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number(number) => number.fmt(f),
            ExprKind::String(literal) => f.write_str(&quote_bytes(literal.bytes())),
            ExprKind::Vector(selector) => {
                write!(f, "{}", Names(selector))?;
                write!(f, "{}", AtSuffix(&selector.time))?;
                write!(
                    f,
                    "{}{}",
                    ExtensionSuffix(selector),
                    OffsetSuffix(&selector.time)
                )
            }
            ExprKind::Range { selector, window } => {
                write!(
                    f,
                    "{}[{window}]{}",
                    Names(selector),
                    ExtensionSuffix(selector)
                )?;
                write!(
                    f,
                    "{}{}",
                    AtSuffix(&selector.time),
                    OffsetSuffix(&selector.time)
                )
            }
            ExprKind::Subquery(subquery) => {
                write!(f, "{}{}", subquery.inner, SubquerySuffix(subquery))
            }
            ExprKind::Paren(inner) => write!(f, "({inner})"),
            ExprKind::Unary { negative, operand } => write!(f, "{}{operand}", sign(*negative)),
            ExprKind::Binary(binary) => {
                write!(f, "{} {} {}", binary.left, BinaryHead(binary), binary.right)
            }
            ExprKind::Aggregate(aggregate) => {
                write!(f, "{}(", AggregateHead(aggregate))?;
                if let Some(parameter) = &aggregate.parameter {
                    write!(f, "{parameter}, ")?;
                }
                write!(f, "{})", aggregate.inner)
            }
            ExprKind::Call {
                function,
                arguments,
            } => {
                write!(f, "{}(", function.name())?;
                for (index, argument) in arguments.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{argument}")?;
                }
                f.write_str(")")
            }
        }
    }
}

impl Expr {
    /// The query over several lines where it is long, as Prometheus' `format_query` gives it.
    #[must_use]
    pub fn pretty(&self) -> String {
        self.pretty_at(0)
    }

    fn pretty_at(&self, level: usize) -> String {
        let indent = "  ".repeat(level);
        let line = self.to_string();
        if let ExprKind::Unary { negative, operand } = &self.kind {
            return format!(
                "{indent}{}{}",
                sign(*negative),
                operand.pretty_at(level).trim()
            );
        }
        if line.len() <= LINE_BYTES_MAX {
            // Prometheus leaves the indent of short subqueries away.
            return if matches!(self.kind, ExprKind::Subquery(_)) {
                line
            } else {
                format!("{indent}{line}")
            };
        }
        match &self.kind {
            ExprKind::Subquery(subquery) => {
                format!(
                    "{}{}",
                    subquery.inner.pretty_at(level),
                    SubquerySuffix(subquery)
                )
            }
            ExprKind::Paren(inner) => {
                format!("{indent}(\n{}\n{indent})", inner.pretty_at(level + 1))
            }
            ExprKind::Binary(binary) => {
                let (left, right) = (
                    binary.left.pretty_at(level + 1),
                    binary.right.pretty_at(level + 1),
                );
                format!("{left}\n{indent}{}\n{right}", BinaryHead(binary))
            }
            ExprKind::Aggregate(aggregate) => {
                let parameter = match &aggregate.parameter {
                    Some(parameter) => format!("{},\n", parameter.pretty_at(level + 1)),
                    None => String::new(),
                };
                let inner = aggregate.inner.pretty_at(level + 1);
                format!(
                    "{indent}{}(\n{parameter}{inner}\n{indent})",
                    AggregateHead(aggregate)
                )
            }
            ExprKind::Call {
                function,
                arguments,
            } => {
                let arguments: Vec<String> = arguments
                    .iter()
                    .map(|argument| argument.pretty_at(level + 1))
                    .collect();
                let arguments = arguments.join(",\n");
                format!("{indent}{}(\n{arguments}\n{indent})", function.name())
            }
            _ => format!("{indent}{line}"),
        }
    }
}

impl fmt::Display for NumberLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_duration {
            f.write_str(&format_duration(seconds_to_ms(self.value)))
        } else {
            f.write_str(&format_number(self.value))
        }
    }
}

/// Milliseconds of a literal; the parser has bounded its seconds.
fn seconds_to_ms(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

const fn sign(negative: bool) -> &'static str {
    if negative { "-" } else { "+" }
}

/// A literal alone is written as a duration even when it was a number; inside an expression it stays what it was.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            DurationKind::Literal(number) => {
                let ms = (number.value * 1000.0).round();
                // What no duration can say, such as half a millisecond, stays a number.
                if ms / 1000.0 == number.value {
                    f.write_str(&format_duration(ms as i64))
                } else {
                    f.write_str(&format_number(number.value))
                }
            }
            _ => write!(f, "{}", InnerDuration(self)),
        }
    }
}

struct InnerDuration<'a>(&'a Duration);

impl fmt::Display for InnerDuration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            DurationKind::Literal(number) => number.fmt(f),
            DurationKind::Step => f.write_str("step()"),
            DurationKind::Range => f.write_str("range()"),
            DurationKind::Unary { negative, operand } => {
                let sign = if *negative { "-" } else { "" };
                write!(f, "{sign}{}", InnerDuration(operand))
            }
            DurationKind::Binary { op, operands } => {
                let (left, right) = &**operands;
                write!(
                    f,
                    "{} {} {}",
                    InnerDuration(left),
                    op.as_str(),
                    InnerDuration(right)
                )
            }
            DurationKind::MaxOf(operands) => {
                write!(
                    f,
                    "max_of({}, {})",
                    InnerDuration(&operands.0),
                    InnerDuration(&operands.1)
                )
            }
            DurationKind::MinOf(operands) => {
                write!(
                    f,
                    "min_of({}, {})",
                    InnerDuration(&operands.0),
                    InnerDuration(&operands.1)
                )
            }
            DurationKind::Paren(inner) => write!(f, "({})", InnerDuration(inner)),
        }
    }
}

/// The name and the matchers of a selector.
struct Names<'a>(&'a Selector);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let selector = self.0;
        f.write_str(selector.name.as_deref().unwrap_or(""))?;
        let mut matchers: Vec<String> = selector.matchers.iter().map(matcher_text).collect();
        if matchers.is_empty() && selector.name.is_some() {
            return Ok(());
        }
        matchers.sort_unstable();
        write!(f, "{{{}}}", matchers.join(","))
    }
}

fn matcher_text(matcher: &Matcher) -> String {
    format!(
        "{}{}{}",
        label_text(matcher.name()),
        matcher.op().as_str(),
        quote(matcher.value())
    )
}

/// A label's name, quoted when it is none of the old kind.
fn label_text(name: &str) -> String {
    let plain = name.bytes().enumerate().all(|(index, byte)| {
        byte == b'_' || byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit())
    });
    if plain && !name.is_empty() {
        name.to_owned()
    } else {
        quote(name)
    }
}

fn labels_text(labels: &[String]) -> String {
    let labels: Vec<String> = labels.iter().map(|label| label_text(label)).collect();
    labels.join(", ")
}

struct AtSuffix<'a>(&'a TimeModifiers);

impl fmt::Display for AtSuffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.at {
            Some(At::Time(ms)) => {
                let sign = if ms < 0 { "-" } else { "" };
                let ms = ms.unsigned_abs();
                write!(f, " @ {sign}{}.{:03}", ms / 1000, ms % 1000)
            }
            Some(At::Start) => f.write_str(" @ start()"),
            Some(At::End) => f.write_str(" @ end()"),
            None => Ok(()),
        }
    }
}

struct OffsetSuffix<'a>(&'a TimeModifiers);

impl fmt::Display for OffsetSuffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.offset {
            Some(Duration {
                kind: DurationKind::Literal(number),
                ..
            }) if number.value == 0.0 => Ok(()),
            Some(offset) => write!(f, " offset {offset}"),
            None => Ok(()),
        }
    }
}

struct ExtensionSuffix<'a>(&'a Selector);

impl fmt::Display for ExtensionSuffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.extension {
            Some(extension) => write!(f, " {}", extension_word(extension)),
            None => Ok(()),
        }
    }
}

struct SubquerySuffix<'a>(&'a Subquery);

impl fmt::Display for SubquerySuffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subquery = self.0;
        write!(f, "[{}:", subquery.window)?;
        if let Some(step) = &subquery.step {
            write!(f, "{step}")?;
        }
        write!(
            f,
            "]{}{}",
            AtSuffix(&subquery.time),
            OffsetSuffix(&subquery.time)
        )
    }
}

/// The aggregation up to its arguments.
struct AggregateHead<'a>(&'a Aggregate);

impl fmt::Display for AggregateHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.op.as_str())?;
        match &self.0.grouping {
            Some(Grouping::Without(labels)) => write!(f, " without ({}) ", labels_text(labels)),
            Some(Grouping::By(labels)) if !labels.is_empty() => {
                write!(f, " by ({}) ", labels_text(labels))
            }
            _ => Ok(()),
        }
    }
}

/// The operator with its modifiers.
struct BinaryHead<'a>(&'a Binary);

impl fmt::Display for BinaryHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let modifiers = &self.0.modifiers;
        f.write_str(self.0.op.as_str())?;
        if modifiers.returns_bool {
            f.write_str(" bool")?;
        }
        let grouped = modifiers.cardinality != Cardinality::OneToOne;
        match &modifiers.labels {
            Some(Grouping::By(labels)) => write!(f, " on ({})", labels_text(labels))?,
            Some(Grouping::Without(labels)) if grouped || !labels.is_empty() => {
                write!(f, " ignoring ({})", labels_text(labels))?;
            }
            _ => {}
        }
        match modifiers.cardinality {
            Cardinality::ManyToOne => {
                write!(f, " group_left ({})", labels_text(&modifiers.include))?
            }
            Cardinality::OneToMany => {
                write!(f, " group_right ({})", labels_text(&modifiers.include))?
            }
            Cardinality::OneToOne | Cardinality::ManyToMany => {}
        }
        match (modifiers.fill_left, modifiers.fill_right) {
            (Some(left), Some(right)) if left == right => {
                write!(f, " fill ({})", format_number(left))
            }
            (left, right) => {
                if let Some(left) = left {
                    write!(f, " fill_left ({})", format_number(left))?;
                }
                if let Some(right) = right {
                    write!(f, " fill_right ({})", format_number(right))?;
                }
                Ok(())
            }
        }
    }
}
