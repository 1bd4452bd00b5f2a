//! Printing a query and reading it again, for tests.

use crate::lower::{LowerOptions, lower};
use crate::plan::{Expr, Node, Position, Selector};
use crate::syntax::{Features, parse};

/// Checks that what `text` is printed as, on one line and on several, means the same as `text`: the same plan, but for
/// places in the text and the order of matchers.
///
/// # Panics
/// When it does not, or when `text` is no query.
pub(super) fn check_printed(text: &str) {
    let expr = parse(text, Features::ALL).unwrap_or_else(|error| panic!("{text}: {error}"));
    let printed = expr.to_string();
    for again in [&printed, &expr.pretty()] {
        let read = parse(again, Features::ALL);
        let read = read.unwrap_or_else(|error| panic!("{text} -> {again}: {error}"));
        assert_eq!(read.to_string(), printed, "{text}");
        assert_eq!(plan(again), plan(text), "{text} -> {again}");
    }
}

/// The plan of `text` over steps that make `start()`, `end()`, `range()` and `step()` different, as text because of NaN;
/// none where types are wrong.
fn plan(text: &str) -> Option<String> {
    let options = LowerOptions::range(1_000_000, 8_000_000, 15_000);
    let mut node = lower(text, &options).ok()?;
    forget_places(&mut node);
    Some(format!("{node:?}"))
}

fn forget_places(node: &mut Node) {
    node.position = Position::default();
    match &mut node.expr {
        Expr::Number(_) | Expr::String(_) => {}
        Expr::Vector(selector) | Expr::Range { selector, .. } => sort_matchers(selector),
        Expr::Subquery(subquery) => forget_places(&mut subquery.inner),
        Expr::Negate(inner) => forget_places(inner),
        Expr::Binary(binary) => {
            forget_places(&mut binary.left);
            forget_places(&mut binary.right);
        }
        Expr::Aggregate(aggregate) => {
            forget_places(&mut aggregate.inner);
            aggregate.parameter.iter_mut().for_each(forget_places);
        }
        Expr::Call(call) => call.arguments.iter_mut().for_each(forget_places),
    }
}

fn sort_matchers(selector: &mut Selector) {
    selector.matchers.sort_by_key(ToString::to_string);
}

#[test]
#[should_panic(expected = "left == right")]
fn a_different_meaning_is_noticed() {
    assert_eq!(plan("a - (b - c)"), plan("a - b - c"));
}
