//! Histogram literals: `{{schema:0 sum:5 count:4 buckets:[1 2 1]}}`.

use chronoxide_model::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint};
use chronoxide_promql::FloatHistogram;

use crate::notation::split_number;

/// A literal as it was written.
#[derive(Debug)]
pub(crate) struct Literal {
    pub(crate) histogram: FloatHistogram,
    pub(crate) hint_stated: bool,
}

/// Reads a literal and gives what follows it.
pub(crate) fn parse_histogram(text: &str) -> Result<(Literal, &str), String> {
    let inner = text.strip_prefix("{{").ok_or("expected {{")?;
    let (inner, rest) = inner.split_once("}}").ok_or("unclosed {{")?;
    let mut literal = Literal {
        histogram: empty(),
        hint_stated: false,
    };
    let (mut offset, mut negative_offset) = (0_i32, 0_i32);
    let (mut buckets, mut negative_buckets) = (Vec::new(), Vec::new());
    let mut seen = Vec::new();
    let mut left = inner.trim();
    while !left.is_empty() {
        let (key, value) = left
            .split_once(':')
            .ok_or_else(|| format!("no value for {left:?}"))?;
        let (value, tail) = if let Some(list) = value.strip_prefix('[') {
            list.split_once(']').ok_or("unclosed [")?
        } else {
            value.split_at(value.find([' ', '\t']).unwrap_or(value.len()))
        };
        left = tail.trim_start();
        if seen.contains(&key) {
            return Err(format!("duplicate key {key:?} in histogram"));
        }
        seen.push(key);
        let histogram = &mut literal.histogram;
        match key {
            "schema" => histogram.schema = integer(value)?,
            "sum" => histogram.sum = number(value)?,
            "count" => histogram.count = number(value)?,
            "z_bucket" => histogram.zero_count = number(value)?,
            "z_bucket_w" => histogram.zero_threshold = number(value)?,
            "custom_values" => histogram.custom_bounds = numbers(value)?.into(),
            "buckets" => buckets = numbers(value)?,
            "n_buckets" => negative_buckets = numbers(value)?,
            "offset" => offset = integer(value)?,
            "n_offset" => negative_offset = integer(value)?,
            "counter_reset_hint" => {
                literal.hint_stated = true;
                histogram.counter_reset_hint = match value {
                    "unknown" => CounterResetHint::Unknown,
                    "reset" => CounterResetHint::Reset,
                    "not_reset" => CounterResetHint::NotReset,
                    "gauge" => CounterResetHint::Gauge,
                    _ => return Err(format!("unknown counter reset hint {value:?}")),
                };
            }
            _ => return Err(format!("unknown key {key:?} in histogram")),
        }
    }
    literal.histogram.positive = indexed(offset, buckets);
    literal.histogram.negative = indexed(negative_offset, negative_buckets);
    Ok((literal, rest))
}

/// A histogram without observations.
pub(crate) fn empty() -> FloatHistogram {
    FloatHistogram {
        counter_reset_hint: CounterResetHint::Unknown,
        schema: 0,
        zero_threshold: 0.0,
        zero_count: 0.0,
        count: 0.0,
        sum: 0.0,
        positive: Vec::new(),
        negative: Vec::new(),
        custom_bounds: [].into(),
    }
}

fn indexed(offset: i32, counts: Vec<f64>) -> Vec<(i32, f64)> {
    (offset..).zip(counts).collect()
}

fn number(text: &str) -> Result<f64, String> {
    match split_number(text)? {
        (value, "") => Ok(value),
        (_, rest) => Err(format!("unexpected {rest:?} behind a number")),
    }
}

fn numbers(text: &str) -> Result<Vec<f64>, String> {
    text.split_whitespace().map(number).collect()
}

fn integer<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("no integer: {text:?}"))
}

/// The literal of a histogram, for messages.
pub(crate) fn show(histogram: &FloatHistogram) -> String {
    let mut parts = vec![
        format!("schema:{}", histogram.schema),
        format!("count:{}", histogram.count),
        format!("sum:{}", histogram.sum),
        format!("hint:{:?}", histogram.counter_reset_hint),
    ];
    if histogram.zero_count != 0.0 || histogram.zero_threshold != 0.0 {
        parts.push(format!(
            "zero:{}@{}",
            histogram.zero_count, histogram.zero_threshold
        ));
    }
    if histogram.schema == CUSTOM_BUCKETS_SCHEMA {
        parts.push(format!("custom_values:{:?}", histogram.custom_bounds));
    }
    parts.push(format!("buckets:{:?}", histogram.positive));
    if !histogram.negative.is_empty() {
        parts.push(format!("n_buckets:{:?}", histogram.negative));
    }
    format!("{{{{{}}}}}", parts.join(" "))
}
