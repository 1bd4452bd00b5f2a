//! Matchers of one operand carried over to the selectors of the other, through its aggregation.
//!
//! In `sum by (job) (a) / sum by (job) (b{job="x"})` only groups with `job="x"` find a partner, so that `a` need not be
//! read for others. Done only where neither a value nor an error can change:
//!
//! - The matchers are on labels that the operands are matched by, and that every grouping in between keeps.
//! - Where two series of one side are an error, that side is an aggregation whose groups cannot collide.
//! - What is read less can tell of nothing: functions and aggregations that note things about their series stay as they
//!   are.

use chronoxide_model::{METRIC_NAME, Matcher};

use crate::Function;
use crate::plan::{Aggregate, AggregateOp, Binary, BinaryOp, Call, Expr, Grouping, Node};

/// Carries matchers from each operand of `binary` to the other, where that is exact.
pub(super) fn push_down(binary: &mut Binary) {
    let matching = &binary.matching;
    if matching.fill_left.is_some() || matching.fill_right.is_some() {
        return;
    }
    let (to_left, to_right) = match binary.op {
        BinaryOp::Or => (false, false),
        BinaryOp::And => (true, true),
        BinaryOp::Unless => (false, true),
        _ => {
            let is_matched = |name: &str| is_matched(&matching.labels, name);
            let unique = has_unique_groups(&binary.left, is_matched)
                && has_unique_groups(&binary.right, is_matched);
            (unique, unique)
        }
    };
    let matched = |found: Vec<Matcher>| -> Vec<Matcher> {
        let mut found = found;
        found.retain(|matcher| is_matched(&matching.labels, matcher.name()));
        found
    };
    let from_left = matched(certain(&binary.left));
    let from_right = matched(certain(&binary.right));
    if to_left {
        carry(from_right, &mut binary.left);
    }
    if to_right {
        carry(from_left, &mut binary.right);
    }
}

/// Whether operands with these labels of matching must have the same value of label `name`.
fn is_matched(labels: &Grouping, name: &str) -> bool {
    name != METRIC_NAME
        && match labels {
            Grouping::By(names) => names.iter().any(|one| one == name),
            Grouping::Without(names) => !names.iter().any(|one| one == name),
        }
}

/// Whether no two series of `node` can have the same values of the labels that are matched.
fn has_unique_groups(node: &Node, is_matched: impl Fn(&str) -> bool) -> bool {
    match &node.expr {
        Expr::Aggregate(aggregate) => match &aggregate.grouping {
            Grouping::By(names) => {
                makes_groups(aggregate.op) && names.iter().all(|name| is_matched(name))
            }
            Grouping::Without(_) => false,
        },
        _ => false,
    }
}

/// Whether the series of the aggregation are its groups, each from its own series alone.
const fn makes_groups(op: AggregateOp) -> bool {
    matches!(
        op,
        AggregateOp::Sum
            | AggregateOp::Avg
            | AggregateOp::Min
            | AggregateOp::Max
            | AggregateOp::Count
            | AggregateOp::Group
            | AggregateOp::Stddev
            | AggregateOp::Stdvar
            | AggregateOp::Quantile
    )
}

/// Matchers that every series of `node` satisfies.
fn certain(node: &Node) -> Vec<Matcher> {
    match &node.expr {
        Expr::Vector(selector) | Expr::Range { selector, .. } => selector.matchers.clone(),
        Expr::Subquery(subquery) => certain(&subquery.inner),
        Expr::Negate(inner) => certain(inner),
        Expr::Call(call) => vector_argument(call).map_or_else(Vec::new, certain),
        Expr::Aggregate(aggregate) => {
            let mut found = if makes_groups(aggregate.op) {
                certain(&aggregate.inner)
            } else {
                Vec::new()
            };
            found.retain(|matcher| is_kept(aggregate, matcher.name()));
            found
        }
        Expr::Number(_) | Expr::String(_) | Expr::Binary(_) => Vec::new(),
    }
}

/// Whether series of one group have the same value of label `name`.
fn is_kept(aggregate: &Aggregate, name: &str) -> bool {
    match &aggregate.grouping {
        Grouping::By(names) => names.iter().any(|one| one == name),
        Grouping::Without(names) => name != METRIC_NAME && !names.iter().any(|one| one == name),
    }
}

/// The vector that a function keeps the labels of, each series by itself.
fn vector_argument(call: &Call) -> Option<&Node> {
    keeps_labels(call.function).then(|| call.arguments.first())?
}

/// Functions of one vector and nothing else, which keep all labels but the name.
const fn keeps_labels(function: Function) -> bool {
    is_quiet(function)
        || matches!(
            function,
            Function::Rate
                | Function::Increase
                | Function::Delta
                | Function::Irate
                | Function::Idelta
                | Function::AvgOverTime
                | Function::SumOverTime
                | Function::MinOverTime
                | Function::MaxOverTime
        )
}

/// Those among them that note nothing about their series.
const fn is_quiet(function: Function) -> bool {
    matches!(
        function,
        Function::Abs
            | Function::Ceil
            | Function::Floor
            | Function::Exp
            | Function::Ln
            | Function::Log2
            | Function::Log10
            | Function::Sqrt
            | Function::Sgn
            | Function::LastOverTime
            | Function::FirstOverTime
            | Function::CountOverTime
            | Function::PresentOverTime
            | Function::Timestamp
    )
}

fn carry(matchers: Vec<Matcher>, node: &mut Node) {
    for matcher in matchers {
        if accepts(node, matcher.name()) {
            add(node, matcher);
        }
    }
}

/// Whether a matcher on label `name` of the series of `node` can as well stand at its selector.
fn accepts(node: &Node, name: &str) -> bool {
    match &node.expr {
        Expr::Vector(_) | Expr::Range { .. } => true,
        Expr::Negate(inner) => accepts(inner, name),
        Expr::Call(call) => {
            is_quiet(call.function)
                && call
                    .arguments
                    .first()
                    .is_some_and(|node| accepts(node, name))
        }
        Expr::Aggregate(aggregate) => {
            matches!(aggregate.op, AggregateOp::Count | AggregateOp::Group)
                && is_kept(aggregate, name)
                && accepts(&aggregate.inner, name)
        }
        Expr::Subquery(_) | Expr::Number(_) | Expr::String(_) | Expr::Binary(_) => false,
    }
}

fn add(node: &mut Node, matcher: Matcher) {
    match &mut node.expr {
        Expr::Vector(selector) | Expr::Range { selector, .. } => {
            if !selector.matchers.contains(&matcher) {
                selector.matchers.push(matcher);
            }
        }
        Expr::Negate(inner) => add(inner, matcher),
        Expr::Call(call) => {
            if let Some(argument) = call.arguments.first_mut() {
                add(argument, matcher);
            }
        }
        Expr::Aggregate(aggregate) => add(&mut aggregate.inner, matcher),
        Expr::Subquery(_) | Expr::Number(_) | Expr::String(_) | Expr::Binary(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::{LowerOptions, lower};

    /// The matchers of all selectors, but for names.
    fn matchers(text: &str) -> Vec<String> {
        fn visit(node: &Node, found: &mut Vec<String>) {
            match &node.expr {
                Expr::Vector(selector) | Expr::Range { selector, .. } => {
                    let matchers = selector.matchers.iter();
                    let shown: Vec<String> = matchers
                        .filter(|matcher| matcher.name() != METRIC_NAME)
                        .map(ToString::to_string)
                        .collect();
                    found.push(shown.join(","));
                }
                Expr::Binary(binary) => {
                    visit(&binary.left, found);
                    visit(&binary.right, found);
                }
                Expr::Aggregate(aggregate) => visit(&aggregate.inner, found),
                Expr::Call(call) => call.arguments.iter().for_each(|node| visit(node, found)),
                _ => {}
            }
        }
        let plan = lower(text, &LowerOptions::instant(0)).unwrap();
        let mut found = Vec::new();
        visit(&plan, &mut found);
        found
    }

    #[test]
    fn matchers_go_through_groupings_that_keep_their_label() {
        let both = [r#"job="x""#, r#"job="x""#];
        assert_eq!(
            matchers(r#"count by (job) (a) / sum by (job) (b{job="x"})"#),
            both
        );
        assert_eq!(
            matchers(r#"count by (job) (last_over_time(a[5m])) and b{job="x"}"#),
            both
        );
        assert_eq!(matchers(r#"a{job="x"} unless on (job) b"#), both);
        assert_eq!(
            matchers(r#"count by (job) (a) / on (job) sum by (job) (rate(b{job="x",le="1"}[5m]))"#),
            [r#"job="x""#, r#"job="x",le="1""#]
        );
    }

    #[test]
    fn matchers_stay_where_values_errors_or_notes_could_change() {
        for text in [
            r#"a / b{job="x"}"#,
            r#"a or b{job="x"}"#,
            r#"a unless b{job="x"}"#,
            r#"count by (le) (a) / sum by (le) (b{job="x"})"#,
            r#"sum by (job) (a) / sum by (job) (b{job="x"})"#,
            r#"count by (job) (rate(a[5m])) / sum by (job) (b{job="x"})"#,
            r#"count by (job) (a) / on (le) group_left () sum by (job) (b{job="x"})"#,
            r#"count by (job) (a) / fill (0) sum by (job) (b{job="x"})"#,
            r#"count by (job) (label_replace(a, "job", "x", "", "")) / sum by (job) (b{job="x"})"#,
            r#"topk by (job) (1, a) and on (le) b{job="x"}"#,
        ] {
            let found = matchers(text);
            assert_eq!(found[0], "", "{text}: {found:?}");
        }
    }
}
