//! Text to a tree that shows the query as it is written, with positions.
//!
//! The work is shared as follows. Our own lexer and parser turn the text into the tree: every expression knows where it
//! stands, which errors and annotations print; all of Prometheus 3's language is read, with its messages; length,
//! nesting and regular expressions are bounded before anything can take seconds or exhaust the stack. promql-parser
//! reads the same query a second time, in a form reduced to what it knows, and must arrive at a tree of the same shape.
//! [`lower`](crate::lower()) then makes the plan of the tree.

mod check;
mod durations;
mod grouping;
mod lexer;
mod matchers;
mod mirror;
mod number;
mod parser;
mod postfixes;
mod printer;
mod quote;
#[cfg(test)]
mod random_tests;
mod reading;
mod regexes;
#[cfg(test)]
mod reread;
#[cfg(test)]
mod script_tests;
mod second_reading;
#[cfg(test)]
mod tests;
mod token;
mod tree;

pub use number::parse_duration;
pub use reading::reading_bytes;
pub use regexes::Regexes;
pub use tree::{
    Aggregate, At, Binary, BinaryModifiers, Duration, DurationKind, Expr, ExprKind, NumberLiteral,
    Selector, StringLiteral, Subquery, TimeModifiers,
};

pub(crate) use quote::{quote, quote_bytes};

use crate::Error;
use crate::plan::Position;
use parser::Parser;
use second_reading::{Verdict, second_reading};

/// Longer texts are refused unread.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// Parts of PromQL that Prometheus keeps behind flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Functions and aggregations marked experimental, such as `info` and `limitk`.
    pub experimental_functions: bool,
    /// Arithmetic in durations, such as `[5m * 2]` and `offset step()`.
    pub duration_expressions: bool,
    /// `anchored` and `smoothed`.
    pub extended_range_selectors: bool,
    /// `fill`, `fill_left` and `fill_right`.
    pub fill_modifiers: bool,
    /// Names of metrics go at the end of the query, and not as soon as a value is another quantity: until then they group,
    /// and `label_replace` can save them.
    pub delayed_name_removal: bool,
    /// `rate`, `increase`, `irate` and `resets` look at when counters started, where that is known, and `start_timestamp`
    /// tells.
    pub start_timestamps: bool,
}

impl Features {
    /// Everything.
    pub const ALL: Self = Self {
        experimental_functions: true,
        duration_expressions: true,
        extended_range_selectors: true,
        fill_modifiers: true,
        delayed_name_removal: true,
        start_timestamps: true,
    };

    /// What Prometheus understands without any flag.
    pub const STABLE: Self = Self {
        experimental_functions: false,
        duration_expressions: false,
        extended_range_selectors: false,
        fill_modifiers: false,
        delayed_name_removal: false,
        start_timestamps: false,
    };
}

impl Default for Features {
    /// Everything but late removal of names, which alone makes queries that Prometheus understands without any flag answer
    /// otherwise.
    fn default() -> Self {
        Self {
            delayed_name_removal: false,
            ..Self::ALL
        }
    }
}

/// Reads and checks a query.
///
/// # Errors
/// [`Error::Parse`] when the text is too long, does not parse or has types that do not fit.
pub fn parse(text: &str, features: Features) -> Result<Expr, Error> {
    let mut parser = parser(text, features)?;
    let expr = parser.whole()?;
    check::check(text, &expr)?;
    match second_reading(&expr, &parser.into_mirror()) {
        Verdict::Agrees | Verdict::NoOpinion => Ok(expr),
        Verdict::Differs => {
            let message =
                "the query can be read in two ways; add parentheses to say which one is meant";
            Err(Error::parse(text, expr.position, message))
        }
    }
}

/// Reads a single selector without brackets or modifiers, as in `match[]`.
pub(crate) fn parse_selector(text: &str, regexes: &mut Regexes) -> Result<Selector, Error> {
    let mut parser = parser(text, Features::ALL)?;
    std::mem::swap(&mut parser.regexes, regexes);
    let selector = parser.lone_selector();
    std::mem::swap(&mut parser.regexes, regexes);
    selector
}

fn parser(text: &str, features: Features) -> Result<Parser<'_>, Error> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!(
            "query has {} bytes, more than the {TEXT_BYTES_MAX} allowed",
            text.len()
        );
        return Err(Error::parse(text, Position::default(), message));
    }
    Ok(Parser::new(text, lexer::tokens(text), features))
}
