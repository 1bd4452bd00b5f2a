//! Labels that queries make: how long they may be, and that their memory counts.

use super::*;
use crate::memory_source::MemorySource;
use crate::{Point, Value};

/// Two hundred series with short labels.
fn source() -> MemorySource {
    let mut source = MemorySource::default();
    for number in 0..200 {
        let number = number.to_string();
        source.floats(&[("__name__", "x"), ("n", &number)], 0, 1000, &[1.0]);
    }
    source
}

fn ask(text: &str, options: EngineOptions) -> Result<Answer, Error> {
    Engine::new(options).instant(&source(), text, 1000, &QueryOptions::default())
}

fn count(text: &str) -> Result<f64, Error> {
    match ask(&format!("count({text})"), EngineOptions::default())?.value {
        Value::Vector(samples) => match samples[..] {
            [ref only] => match only.point {
                Point::Float(count) => Ok(count),
                Point::Histogram(_) => panic!("a count is a float"),
            },
            _ => panic!("{samples:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn joined(times: usize) -> String {
    let mut text = "label_replace(vector(1),\"a\",\"xx\",\"\",\"\")".to_owned();
    for _ in 0..times {
        text = format!("label_join({text},\"a\",\"\",\"a\",\"a\")");
    }
    text
}

#[test]
fn a_joined_value_does_not_double_for_ever() {
    assert_eq!(count(&joined(15)).unwrap(), 1.0);
    for times in [16, 40, 80] {
        let error = count(&joined(times)).unwrap_err();
        assert!(matches!(error, Error::Execution { .. }), "{error:?}");
        assert_eq!(
            error.to_string(),
            "label_join(): the value for label \"a\" would be longer than 65536 bytes"
        );
    }
}

#[test]
fn a_replaced_value_does_not_multiply_for_ever() {
    let mut text = "label_replace(vector(1),\"a\",\"xx\",\"\",\"\")".to_owned();
    for _ in 0..3 {
        let groups = "$1".repeat(100);
        text = format!("label_replace({text},\"a\",\"{groups}\",\"a\",\"(.*)\")");
    }
    let error = count(&text).unwrap_err().to_string();
    assert_eq!(
        error,
        "label_replace(): the value for label \"a\" would be longer than 65536 bytes"
    );
    // One that is long as it is written.
    let literal = "y".repeat(70_000);
    let text = format!("label_replace(vector(1),\"a\",\"{literal}\",\"\",\"\")");
    assert!(count(&text).unwrap_err().to_string().contains("65536"));
}

#[test]
fn groups_by_number_and_name_and_dollars_are_replaced() {
    let text = "label_replace(x, \"to\", \"<$1-${first}$$${none}>\", \"n\", \"(?P<first>.)(.*)\")";
    let answer = ask(&format!("topk(1, {text})"), EngineOptions::default());
    let Value::Vector(samples) = answer.unwrap().value else {
        panic!("a vector")
    };
    let labels = &samples[0].labels;
    let first = labels.get("n").unwrap().chars().next().unwrap();
    assert_eq!(labels.get("to").unwrap(), format!("<{first}-{first}$>"));
}

#[test]
fn labels_that_a_query_makes_count_as_memory() {
    let value = "v".repeat(20_000);
    let one = format!("label_replace(vector(1), \"big\", \"{value}\", \"\", \"\")");
    let copies = format!("x * on () group_left (big) ({one})");
    for text in [
        format!("label_replace(x, \"big\", \"{value}\", \"\", \"\")"),
        format!("label_replace(x, \"{value}\", \"short\", \"\", \"\")"),
        format!("label_join(x, \"{value}\", \"-\", \"n\", \"n\")"),
        copies.clone(),
        format!("sum({copies})"),
        format!("sort_by_label({copies}, \"n\")"),
        format!("count_values by (n) (\"{value}\", x)"),
        format!("topk(300, {copies})"),
    ] {
        let options = |memory_max| EngineOptions {
            memory_max,
            ..EngineOptions::default()
        };
        let refused = ask(&text, options(2 << 20));
        assert!(
            matches!(refused, Err(Error::TooMuchMemory { .. })),
            "{:.60}: {refused:?}",
            text.replace(&value, "V")
        );
        let answer = ask(&text, options(64 << 20)).unwrap();
        assert!(answer.stats.peak_bytes > 200 * 20_000, "{:?}", answer.stats);
    }
    // Held one after the other, they are never too much.
    let short = format!("x * on () group_left (big) ({})", one.replace(&value, "v"));
    let many: Vec<&str> = (0..20).map(|_| short.as_str()).collect();
    let text = many.join(" + on (n) ");
    assert_eq!(count(&text).unwrap(), 200.0);
}

#[test]
fn the_expression_of_a_replacement_is_bounded_before_it_is_compiled() {
    let with = |pattern: &str| {
        count(&format!(
            "label_replace(x, \"a\", \"b\", \"n\", \"{pattern}\")"
        ))
    };
    let error = with("\\\\pL{1000}").unwrap_err().to_string();
    assert!(
        error.contains("label_replace(): expression too large"),
        "{error}"
    );
    assert_eq!(with("(.{3})+|\\\\pL{5}").unwrap(), 200.0);
    let error = with("(").unwrap_err().to_string();
    assert_eq!(error, "invalid regular expression in label_replace(): (");
}
