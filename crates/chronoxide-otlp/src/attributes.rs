//! Attribute values as the text of labels.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::view::{Attribute, Value};

impl Value<'_> {
    /// Appends the value as label text.
    ///
    /// Doubles are the shortest decimal that reads back the same; arrays and maps are JSON, maps sorted by key so that
    /// one map is always one text.
    pub(crate) fn write_text(&self, out: &mut String) {
        match self {
            Self::Empty => {}
            Self::Text(text) => out.push_str(text),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Integer(value) => out.push_str(&value.to_string()),
            Self::Double(value) => write_double(*value, out),
            Self::Bytes(bytes) => STANDARD.encode_string(bytes, out),
            Self::Array(_) | Self::Map(_) => self.write_json(out),
        }
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::Empty => out.push_str("null"),
            Self::Text(text) => write_json_text(text, out),
            Self::Bytes(_) => {
                out.push('"');
                self.write_text(out);
                out.push('"');
            }
            Self::Double(value) if !value.is_finite() => {
                out.push('"');
                write_double(*value, out);
                out.push('"');
            }
            Self::Bool(_) | Self::Integer(_) | Self::Double(_) => self.write_text(out),
            Self::Array(values) => {
                out.push('[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    value.write_json(out);
                }
                out.push(']');
            }
            Self::Map(entries) => write_json_map(entries, out),
        }
    }
}

fn write_json_map(entries: &[Attribute<'_>], out: &mut String) {
    let mut sorted: Vec<&Attribute<'_>> = entries.iter().collect();
    sort_last_wins(&mut sorted, |entry| entry.key);
    out.push('{');
    for (index, entry) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_json_text(entry.key, out);
        out.push(':');
        entry.value.write_json(out);
    }
    out.push('}');
}

/// Sorts by key and keeps the last of equal keys.
fn sort_last_wins<'k, T>(entries: &mut Vec<T>, key: impl Fn(&T) -> &'k str) {
    entries.sort_by(|a, b| key(a).cmp(key(b)));
    entries.reverse();
    entries.dedup_by(|later, kept| key(later) == key(kept));
    entries.reverse();
}

fn write_json_text(text: &str, out: &mut String) {
    let quoted = serde_json::to_string(text).expect("a string is always valid JSON");
    out.push_str(&quoted);
}

/// Shortest decimal, with an exponent below 1e-6 and from 1e21 on.
fn write_double(value: f64, out: &mut String) {
    let magnitude = value.abs();
    let text = if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else if magnitude >= 1e21 {
        format!("{value:e}").replace('e', "e+")
    } else if magnitude < 1e-6 && magnitude > 0.0 {
        format!("{value:e}")
    } else {
        value.to_string()
    };
    out.push_str(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: Value<'_>) -> String {
        let mut out = String::new();
        value.write_text(&mut out);
        out
    }

    #[test]
    fn doubles_are_shortest_decimals() {
        for (value, expected) in [
            (0.5, "0.5"),
            (10.0, "10"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e-10, "1.5e-10"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-2.5e300, "-2.5e+300"),
            (0.0, "0"),
            (-0.0, "-0"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text(Value::Double(value)), expected);
        }
    }

    #[test]
    fn arrays_and_maps_are_json() {
        let attribute = |key, value| Attribute { key, value };
        let map = Value::Map(vec![
            attribute("z", Value::Bytes(&[1, 255])),
            attribute("a", Value::Integer(1)),
            attribute("q\"", Value::Double(f64::NAN)),
            attribute(
                "a",
                Value::Array(vec![Value::Empty, Value::Bool(true), Value::Double(1e-7)]),
            ),
        ]);
        assert_eq!(
            text(map),
            r#"{"a":[null,true,1e-7],"q\"":"NaN","z":"Af8="}"#
        );
        assert_eq!(text(Value::Array(Vec::new())), "[]");
        assert_eq!(text(Value::Empty), "");
    }
}
