//! `/parse_query`: a query's tree, in the shape that the Prometheus UI draws.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chronoxide_model::{METRIC_NAME, Matcher};
use chronoxide_promql::plan::{Cardinality, Grouping, RangeExtension, ValueType};
use chronoxide_promql::syntax::{
    Aggregate, At, Binary, Duration, DurationKind, Expr, ExprKind, NumberLiteral, Selector,
    Subquery, TimeModifiers,
};
use chronoxide_promql::{Arity, Function};
use chronoxide_storage::Database;
use serde_json::{Value, json};

use super::form::Form;
use super::json::Notes;
use super::number::write_scalar_value;
use super::query::tree;
use super::request::LookUp;
use crate::answer_bytes::AnswerBytes;
use crate::edge::AcceptedEncoding;
use crate::error::ApiError;
use crate::state::ServerState;

/// `/parse_query`
pub(crate) async fn parse(
    State(state): State<Arc<ServerState>>,
    encoding: AcceptedEncoding,
    form: Form,
) -> Result<Response, ApiError> {
    let look_up = LookUp::new(format!("tree of {}", form.query()), encoding);
    let features = state.engine.options().features;
    let work = move |_: &Database, out: &mut AnswerBytes| {
        let tree = tree(&form, features)?;
        out.hold(json_bytes(form.query(), &tree))?;
        out.begin_success();
        let drawn = expression(&tree).to_string();
        out.pending().extend_from_slice(drawn.as_bytes());
        out.end_success(&Notes::default());
        Ok(())
    };
    look_up.run(&state, work).await
}

/// Bytes of memory that the tree of `text` takes as JSON, about.
fn json_bytes(text: &str, tree: &Expr) -> u64 {
    /// For names, values and whatever there are lists of.
    const TEXT_BYTE: u64 = 256;
    const NODE_BYTES: u64 = 2560;
    let mut nodes = 0;
    let mut rest = vec![tree];
    while let Some(next) = rest.pop() {
        nodes += 1;
        rest.extend(next.children());
    }
    nodes * NODE_BYTES + text.len() as u64 * TEXT_BYTE
}

fn expression(expr: &Expr) -> Value {
    match &expr.kind {
        ExprKind::Number(number) => json!({"type": "numberLiteral", "val": number_text(number)}),
        ExprKind::String(literal) => json!({
            "type": "stringLiteral",
            "val": String::from_utf8_lossy(literal.bytes()),
        }),
        ExprKind::Vector(selected) => selector("vectorSelector", selected),
        ExprKind::Range {
            selector: selected,
            window,
        } => {
            let mut value = selector("matrixSelector", selected);
            value["range"] = json!(literal_ms(Some(window)));
            value["rangeExpr"] = computed(Some(window));
            value
        }
        ExprKind::Subquery(inner) => subquery(inner),
        ExprKind::Paren(inner) => json!({"type": "parenExpr", "expr": expression(inner)}),
        ExprKind::Unary { negative, operand } => json!({
            "type": "unaryExpr",
            "op": if *negative { "-" } else { "+" },
            "expr": expression(operand),
        }),
        ExprKind::Binary(binary) => binary_expression(binary),
        ExprKind::Aggregate(inner) => aggregation(inner),
        ExprKind::Call {
            function,
            arguments,
        } => json!({
            "type": "call",
            "func": signature(*function),
            "args": arguments.iter().map(expression).collect::<Vec<_>>(),
        }),
    }
}

fn aggregation(aggregate: &Aggregate) -> Value {
    let (without, labels) = match &aggregate.grouping {
        Some(Grouping::Without(labels)) => (true, labels.as_slice()),
        Some(Grouping::By(labels)) => (false, labels.as_slice()),
        None => (false, [].as_slice()),
    };
    json!({
        "type": "aggregation",
        "op": aggregate.op.as_str(),
        "expr": expression(&aggregate.inner),
        "param": aggregate.parameter.as_ref().map(expression),
        "grouping": labels,
        "without": without,
    })
}

fn binary_expression(binary: &Binary) -> Value {
    json!({
        "type": "binaryExpr",
        "op": binary.op.as_str(),
        "lhs": expression(&binary.left),
        "rhs": expression(&binary.right),
        "matching": matching(binary),
        "bool": binary.modifiers.returns_bool,
    })
}

/// How two vectors are paired; nothing when an operand is a scalar.
fn matching(binary: &Binary) -> Value {
    let is_vector = |side: &Expr| side.value_type() == ValueType::InstantVector;
    if !is_vector(&binary.left) || !is_vector(&binary.right) {
        return Value::Null;
    }
    let modifiers = &binary.modifiers;
    let (on, labels) = match &modifiers.labels {
        Some(Grouping::By(labels)) => (true, labels.as_slice()),
        Some(Grouping::Without(labels)) => (false, labels.as_slice()),
        None => (false, [].as_slice()),
    };
    let is_set_operator = ["and", "or", "unless"].contains(&binary.op.as_str());
    let cardinality = match modifiers.cardinality {
        Cardinality::OneToOne if is_set_operator => "many-to-many",
        Cardinality::OneToOne => "one-to-one",
        Cardinality::ManyToOne => "many-to-one",
        Cardinality::OneToMany => "one-to-many",
        Cardinality::ManyToMany => "many-to-many",
    };
    json!({
        "card": cardinality,
        "labels": labels,
        "on": on,
        "include": modifiers.include,
        "fillValues": {"lhs": modifiers.fill_left, "rhs": modifiers.fill_right},
    })
}

fn signature(function: Function) -> Value {
    let arguments = function.arguments().iter().copied();
    json!({
        "name": function.name(),
        "argTypes": arguments.map(type_name).collect::<Vec<_>>(),
        "variadic": variadic(function),
        "returnType": type_name(function.returns()),
    })
}

/// How many arguments may be left out; -1 when the last one may also be repeated.
fn variadic(function: Function) -> i64 {
    match function.arity() {
        // The one function whose repetitions Prometheus bounds.
        Arity::Variadic if function == Function::HistogramQuantiles => 9,
        Arity::Variadic => -1,
        Arity::Optional(count) => i64::try_from(count).unwrap_or(i64::MAX),
        Arity::Fixed => 0,
    }
}

const fn type_name(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Scalar => "scalar",
        ValueType::String => "string",
        ValueType::InstantVector => "vector",
        ValueType::RangeVector => "matrix",
    }
}

fn selector(kind: &str, selector: &Selector) -> Value {
    let name = selector
        .name
        .as_ref()
        .map(|name| Matcher::equal(METRIC_NAME, name.as_str()));
    let matchers = selector.matchers.iter().chain(&name);
    let mut value = json!({
        "type": kind,
        "name": selector.name.as_deref().unwrap_or(""),
        "matchers": matchers.map(matcher).collect::<Vec<_>>(),
        "anchored": selector.extension == Some(RangeExtension::Anchored),
        "smoothed": selector.extension == Some(RangeExtension::Smoothed),
    });
    add_times(&mut value, &selector.time);
    value
}

fn matcher(matcher: &Matcher) -> Value {
    json!({
        "name": matcher.name(),
        "value": matcher.value(),
        "type": matcher.op().as_str(),
    })
}

fn subquery(subquery: &Subquery) -> Value {
    let mut value = json!({
        "type": "subquery",
        "expr": expression(&subquery.inner),
        "range": literal_ms(Some(&subquery.window)),
        "rangeExpr": computed(Some(&subquery.window)),
        "step": literal_ms(subquery.step.as_ref()),
        "stepExpr": computed(subquery.step.as_ref()),
    });
    add_times(&mut value, &subquery.time);
    value
}

fn add_times(value: &mut Value, times: &TimeModifiers) {
    value["offset"] = json!(literal_ms(times.offset.as_ref()));
    value["offsetExpr"] = computed(times.offset.as_ref());
    let (timestamp, edge) = match times.at {
        Some(At::Time(at_ms)) => (Some(at_ms), None),
        Some(At::Start) => (None, Some("start")),
        Some(At::End) => (None, Some("end")),
        None => (None, None),
    };
    value["timestamp"] = json!(timestamp);
    value["startOrEnd"] = json!(edge);
}

/// The milliseconds of a duration that is a mere literal; otherwise 0.
fn literal_ms(duration: Option<&Duration>) -> i64 {
    let number = duration.and_then(literal);
    number.map_or(0, |number| (number.value * 1000.0).round() as i64)
}

/// The tree of a duration that is more than a literal.
fn computed(duration: Option<&Duration>) -> Value {
    match duration {
        Some(duration) if literal(duration).is_none() => duration_expression(duration),
        _ => Value::Null,
    }
}

/// The number of a duration that is a mere literal, signs and parentheses aside.
fn literal(duration: &Duration) -> Option<NumberLiteral> {
    match &duration.kind {
        DurationKind::Literal(number) => Some(*number),
        DurationKind::Paren(inner) => literal(inner),
        DurationKind::Unary { negative, operand } => literal(operand).map(|number| NumberLiteral {
            value: if *negative {
                -number.value
            } else {
                number.value
            },
            ..number
        }),
        _ => None,
    }
}

fn duration_expression(duration: &Duration) -> Value {
    if let Some(number) = literal(duration) {
        return json!({
            "type": "numberLiteral",
            "val": number_text(&number),
            "duration": number.is_duration,
        });
    }
    let (op, left, right) = match &duration.kind {
        DurationKind::Paren(inner) => {
            let mut value = duration_expression(inner);
            value["wrapped"] = json!(true);
            return value;
        }
        // A literal was told above.
        DurationKind::Literal(_) => return Value::Null,
        DurationKind::Step => ("step", None, None),
        DurationKind::Range => ("range", None, None),
        DurationKind::Unary {
            negative: false,
            operand,
        } => return duration_expression(operand),
        DurationKind::Unary { operand, .. } => ("-", None, Some(&**operand)),
        DurationKind::Binary { op, operands } => {
            (op.as_str(), Some(&operands.0), Some(&operands.1))
        }
        DurationKind::MaxOf(operands) => ("max_of", Some(&operands.0), Some(&operands.1)),
        DurationKind::MinOf(operands) => ("min_of", Some(&operands.0), Some(&operands.1)),
    };
    json!({
        "type": "durationExpr",
        "op": op,
        "lhs": left.map(duration_expression),
        "rhs": right.map(duration_expression),
        "wrapped": false,
    })
}

fn number_text(number: &NumberLiteral) -> String {
    let mut out = Vec::new();
    write_scalar_value(&mut out, number.value);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use chronoxide_promql::syntax::{Features, parse};

    use super::*;

    fn tree_of(text: &str) -> Value {
        expression(&parse(text, Features::ALL).unwrap_or_else(|error| panic!("{text}: {error}")))
    }

    #[test]
    fn literals_and_signs_have_the_shape_of_prometheus() {
        assert_eq!(
            tree_of("-(1e3) + +Inf"),
            json!({
                "type": "binaryExpr", "op": "+", "bool": false, "matching": null,
                "lhs": {
                    "type": "unaryExpr", "op": "-",
                    "expr": {"type": "parenExpr", "expr": {"type": "numberLiteral", "val": "1000"}},
                },
                "rhs": {"type": "numberLiteral", "val": "+Inf"},
            })
        );
        let text = json!({"type": "stringLiteral", "val": "a\"b\n"});
        assert_eq!(tree_of(r#""a\"b\n""#), text);
    }

    #[test]
    fn selectors_tell_matchers_and_times() {
        assert_eq!(
            tree_of("up{job!~\"a.*\"} @ 1.5 offset -5m"),
            json!({
                "type": "vectorSelector", "name": "up", "anchored": false, "smoothed": false,
                "matchers": [
                    {"name": "job", "value": "a.*", "type": "!~"},
                    {"name": "__name__", "value": "up", "type": "="},
                ],
                "offset": -300_000, "offsetExpr": null, "timestamp": 1_500, "startOrEnd": null,
            })
        );
        let range = tree_of("up[(5m)] smoothed @ end()");
        assert_eq!(range["type"], "matrixSelector");
        assert_eq!(
            (&range["range"], &range["rangeExpr"]),
            (&json!(300_000), &Value::Null)
        );
        assert_eq!(
            (&range["smoothed"], &range["anchored"], &range["startOrEnd"]),
            (&json!(true), &json!(false), &json!("end"))
        );
    }

    #[test]
    fn durations_that_are_computed_come_as_trees() {
        let literal = |val: &str, duration: bool| json!({"type": "numberLiteral", "val": val, "duration": duration});
        let step = json!({"type": "durationExpr", "op": "step", "lhs": null, "rhs": null, "wrapped": false});
        let subquery = tree_of("up[(5m * 2):max_of(step(), 3)] offset -step()");
        assert_eq!(subquery["type"], "subquery");
        assert_eq!(
            (&subquery["range"], &subquery["step"]),
            (&json!(0), &json!(0))
        );
        assert_eq!(
            subquery["rangeExpr"],
            json!({
                "type": "durationExpr", "op": "*", "wrapped": true,
                "lhs": literal("300", true), "rhs": literal("2", false),
            })
        );
        assert_eq!(
            subquery["stepExpr"],
            json!({
                "type": "durationExpr", "op": "max_of", "wrapped": false,
                "lhs": step, "rhs": literal("3", false),
            })
        );
        assert_eq!(
            subquery["offsetExpr"],
            json!({"type": "durationExpr", "op": "-", "lhs": null, "rhs": step, "wrapped": false})
        );
        let signed = tree_of("up offset -(5m)");
        assert_eq!(
            (&signed["offset"], &signed["offsetExpr"]),
            (&json!(-300_000), &Value::Null)
        );
        assert_eq!(tree_of("up offset +step()")["offsetExpr"], step);
        let plain = tree_of("up[1h:]");
        assert_eq!(
            (&plain["step"], &plain["stepExpr"]),
            (&json!(0), &Value::Null)
        );
        assert_eq!(plain["range"], 3_600_000);
    }

    #[test]
    fn vectors_tell_how_they_are_paired() {
        let matching = |text: &str| tree_of(text)["matching"].take();
        assert_eq!(
            matching("a / on (x) group_left (y) fill_right (0) b"),
            json!({
                "card": "many-to-one", "labels": ["x"], "on": true, "include": ["y"],
                "fillValues": {"lhs": null, "rhs": 0.0},
            })
        );
        assert_eq!(
            matching("a unless b"),
            json!({
                "card": "many-to-many", "labels": [], "on": false, "include": [],
                "fillValues": {"lhs": null, "rhs": null},
            })
        );
        assert_eq!(matching("a > bool 1"), Value::Null);
        assert_eq!(tree_of("a > bool 1")["bool"], true);
    }

    #[test]
    fn aggregations_and_calls_tell_their_arguments() {
        let topk = tree_of("topk without (x) (3, a)");
        assert_eq!(
            (&topk["op"], &topk["without"]),
            (&json!("topk"), &json!(true))
        );
        assert_eq!(topk["param"], json!({"type": "numberLiteral", "val": "3"}));
        assert_eq!(topk["grouping"], json!(["x"]));
        let sum = tree_of("sum(a)");
        assert_eq!(
            (&sum["param"], &sum["grouping"]),
            (&Value::Null, &json!([]))
        );
        assert_eq!(
            tree_of("round(a)")["func"],
            json!({
                "name": "round", "argTypes": ["vector", "scalar"], "variadic": 1, "returnType": "vector",
            })
        );
        for (text, variadic) in [("pi()", 0), ("label_join(a, \"b\", \"\")", -1)] {
            assert_eq!(tree_of(text)["func"]["variadic"], variadic, "{text}");
        }
        assert_eq!(tree_of("pi()")["args"], json!([]));
        assert_eq!(tree_of("rate(a[5m])")["args"][0]["type"], "matrixSelector");
    }
}
