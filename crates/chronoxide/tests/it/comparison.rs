//! Answers side by side, bit by bit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chronoxide::promql::FloatHistogram;
use chronoxide::{Answer, Labels, Point, QueryError, RangeSeries, Value};

/// A value that equals another bit by bit; any NaN equals any other.
#[derive(Clone, PartialEq)]
pub(crate) enum Bits {
    Float(u64),
    Histogram(String),
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float(bits) => write!(f, "{:e}", f64::from_bits(*bits)),
            Self::Histogram(text) => f.write_str(text),
        }
    }
}

/// Values by series and time.
pub(crate) type Values = BTreeMap<Labels, BTreeMap<i64, Bits>>;

/// What a query gave: values and notes, or an error.
pub(crate) type Given = Result<(Values, BTreeSet<String>), String>;

/// The answer without its shape.
pub(crate) fn given(answer: Result<Answer, QueryError>) -> Given {
    let answer = answer.map_err(|error| error.to_string())?;
    let mut values = Values::new();
    let mut set = |labels: Labels, at_ms: i64, bits: Bits| {
        values.entry(labels).or_default().insert(at_ms, bits);
    };
    match answer.value {
        Value::Scalar(at_ms, value) => set(Labels::empty(), at_ms, float(value)),
        Value::String(..) => {}
        Value::Vector(samples) => {
            for sample in samples {
                let bits = match &sample.point {
                    Point::Float(value) => float(*value),
                    Point::Histogram(one) => histogram(one),
                };
                set(sample.labels, sample.timestamp_ms, bits);
            }
        }
        Value::Matrix(series) => {
            for RangeSeries {
                labels,
                floats,
                histograms,
            } in series
            {
                for (at_ms, value) in floats {
                    set(labels.clone(), at_ms, float(value));
                }
                for (at_ms, one) in histograms {
                    set(labels.clone(), at_ms, histogram(&one));
                }
            }
        }
    }
    Ok((
        values,
        answer.warnings.into_iter().chain(answer.infos).collect(),
    ))
}

fn float(value: f64) -> Bits {
    Bits::Float(if value.is_nan() { f64::NAN } else { value }.to_bits())
}

fn histogram(histogram: &FloatHistogram) -> Bits {
    Bits::Histogram(format!("{histogram:?}"))
}

/// The first value that differs, for people.
pub(crate) fn difference(left: &Values, right: &Values) -> Option<String> {
    let labels: BTreeSet<&Labels> = left.keys().chain(right.keys()).collect();
    let none = BTreeMap::new();
    for labels in labels {
        let (left, right) = (
            left.get(labels).unwrap_or(&none),
            right.get(labels).unwrap_or(&none),
        );
        let times: BTreeSet<&i64> = left.keys().chain(right.keys()).collect();
        for at_ms in times {
            if left.get(at_ms) != right.get(at_ms) {
                return Some(format!(
                    "{labels:?} at {at_ms}: {:?} and {:?}",
                    left.get(at_ms),
                    right.get(at_ms)
                ));
            }
        }
    }
    None
}
