//! JSON lines: `{"metric":{"__name__":"up"},"values":[1,2.5],"timestamps":[1700000000000,1700000015000]}`.
//!
//! The members above are VictoriaMetrics'. It writes `null` for every NaN and knows no native histograms, so that more
//! members, which it passes over, carry the rest: `nan_bits` the exact bits of each NaN that is not the usual one (stale
//! markers are such), `histograms` with `histogram_timestamps`, and `start_timestamps` where any are known.

use std::fmt;

use chronoxide_model::{Histogram, Labels, Sample, SampleColumns, WriteBatch};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::json_histogram::JsonHistogram;
use crate::number::{NORMAL_NAN, parse_float, write_finite};
use crate::{Error, Result};

/// Most samples of one line, so that a line takes little more memory than it is long: a number may be two bytes of text
/// and then takes many times as much.
const SAMPLES_MAX: usize = 1 << 20;

/// Most histograms of one line, and most odd NaN.
const LARGE_ITEMS_MAX: usize = 1 << 16;

/// Most labels of one line; storage has a lower limit for those that are to be kept.
const LABELS_MAX: usize = 1 << 10;

/// One line, read.
#[derive(Debug, Deserialize)]
struct JsonLine {
    metric: Pairs,
    #[serde(default)]
    values: List<Value, SAMPLES_MAX>,
    #[serde(default)]
    timestamps: List<i64, SAMPLES_MAX>,
    #[serde(default)]
    nan_bits: List<(usize, String), LARGE_ITEMS_MAX>,
    #[serde(default)]
    start_timestamps: List<i64, SAMPLES_MAX>,
    #[serde(default)]
    histograms: List<JsonHistogram, LARGE_ITEMS_MAX>,
    #[serde(default)]
    histogram_timestamps: List<i64, LARGE_ITEMS_MAX>,
    #[serde(default)]
    histogram_start_timestamps: List<i64, LARGE_ITEMS_MAX>,
}

/// A list of at most `MAX` items, which is known before they have taken any memory.
#[derive(Debug)]
struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> std::ops::Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Items<T, const MAX: usize>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Items<T, MAX> {
            type Value = List<T, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MAX} items")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut items: A,
            ) -> std::result::Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    if list.len() == MAX {
                        return Err(serde::de::Error::custom(format_args!(
                            "more than {MAX} items in a list of one line; write several lines"
                        )));
                    }
                    list.push(item);
                }
                Ok(List(list))
            }
        }

        deserializer.deserialize_seq(Items::<T, MAX>(std::marker::PhantomData))
    }
}

/// Puts what `line` says into `batch`, with labels `extra` in place of those of the same name.
///
/// # Errors
/// What is wrong with the line. `batch` is as before then.
pub fn read_json_line(
    line: &[u8],
    extra: &[(String, String)],
    batch: &mut WriteBatch<'_>,
) -> Result<()> {
    let line: JsonLine = serde_json::from_slice(line).map_err(|error| Error::Json {
        reason: error.to_string(),
    })?;
    let labels = line.labels(extra)?;
    let values = line.values()?;
    let histograms = line.histograms()?;
    if values.is_empty() && histograms.is_empty() {
        return Err(Error::Json {
            reason: "neither values nor histograms".to_owned(),
        });
    }
    check_lengths(
        line.start_timestamps.len(),
        values.len(),
        line.start_timestamps.is_empty(),
    )?;
    check_lengths(
        line.histogram_start_timestamps.len(),
        histograms.len(),
        line.histogram_start_timestamps.is_empty(),
    )?;
    batch.start_series(&labels);
    let start = |starts: &[i64], index: usize| starts.get(index).copied().unwrap_or(0);
    for (index, (value, timestamp_ms)) in values.into_iter().zip(&*line.timestamps).enumerate() {
        let sample = Sample::new(*timestamp_ms, value);
        match start(&line.start_timestamps, index) {
            0 => batch.push_sample(sample),
            start_ms => batch.push_sample_started(sample, start_ms),
        }
    }
    let histograms = histograms.into_iter().zip(&*line.histogram_timestamps);
    for (index, (histogram, timestamp_ms)) in histograms.enumerate() {
        let start_ms = start(&line.histogram_start_timestamps, index);
        batch.push_histogram(*timestamp_ms, start_ms, histogram);
    }
    Ok(())
}

fn check_lengths(values: usize, timestamps: usize, is_absent: bool) -> Result<()> {
    if is_absent || values == timestamps {
        Ok(())
    } else {
        Err(Error::Lengths { values, timestamps })
    }
}

impl JsonLine {
    fn labels(&self, extra: &[(String, String)]) -> Result<Labels> {
        let own = self.metric.0.iter();
        let kept = own.filter(|(name, _)| !extra.iter().any(|(other, _)| other == name));
        Ok(Labels::from_pairs(
            kept.chain(extra).map(|(name, value)| (name, value)),
        )?)
    }

    fn values(&self) -> Result<Vec<f64>> {
        check_lengths(self.values.len(), self.timestamps.len(), false)?;
        let mut values: Vec<f64> = self.values.iter().map(|value| value.0).collect();
        let count = values.len();
        for (index, bits) in &*self.nan_bits {
            let value = values.get_mut(*index).ok_or(Error::Index {
                member: "nan_bits",
                index: *index,
                values: count,
            })?;
            let exact = u64::from_str_radix(bits, 16).map(f64::from_bits);
            match exact {
                Ok(exact) if exact.is_nan() && value.is_nan() => *value = exact,
                _ => {
                    return Err(Error::Json {
                        reason: format!("nan_bits of value {index} are not those of a NaN"),
                    });
                }
            }
        }
        Ok(values)
    }

    fn histograms(&self) -> Result<Vec<Histogram>> {
        check_lengths(
            self.histograms.len(),
            self.histogram_timestamps.len(),
            false,
        )?;
        let read = |(index, json): (usize, &JsonHistogram)| {
            let histogram = Histogram::from(json);
            histogram.validate().map_err(|error| Error::Histogram {
                index,
                reason: error.to_string(),
            })?;
            Ok(histogram)
        };
        self.histograms.iter().enumerate().map(read).collect()
    }
}

/// Appends the samples of one series as lines with at most `rows_max` samples each; a series without samples has none.
pub fn write_json_lines(
    out: &mut Vec<u8>,
    labels: &Labels,
    columns: &SampleColumns,
    rows_max: usize,
) {
    let rows_max = rows_max.max(1);
    let mut from = 0;
    while from < columns.values.len() {
        let to = columns.values.len().min(from + rows_max);
        begin_line(out, labels);
        write_floats(out, columns, from, to);
        out.extend_from_slice(b"}\n");
        from = to;
    }
    let mut from = 0;
    while from < columns.histograms.len() {
        let to = columns.histograms.len().min(from + rows_max);
        begin_line(out, labels);
        // Readers that know no histograms find a line without samples.
        out.extend_from_slice(br#","values":[],"timestamps":[]"#);
        write_histograms(out, columns, from, to);
        out.extend_from_slice(b"}\n");
        from = to;
    }
}

fn begin_line(out: &mut Vec<u8>, labels: &Labels) {
    out.extend_from_slice(br#"{"metric":{"#);
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json(out, name);
        out.push(b':');
        write_json(out, value);
    }
    out.push(b'}');
}

fn write_json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("writing plain data to memory does not fail");
}

fn write_floats(out: &mut Vec<u8>, columns: &SampleColumns, from: usize, to: usize) {
    let values = &columns.values[from..to];
    out.extend_from_slice(br#","values":["#);
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match *value {
            f64::INFINITY => out.extend_from_slice(br#""Infinity""#),
            f64::NEG_INFINITY => out.extend_from_slice(br#""-Infinity""#),
            value if value.is_nan() => out.extend_from_slice(b"null"),
            value => write_finite(out, value),
        }
    }
    out.push(b']');
    write_member(out, "timestamps", &columns.timestamps_ms[from..to]);
    let odd: Vec<(usize, String)> = values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.is_nan() && value.to_bits() != NORMAL_NAN.to_bits())
        .map(|(index, value)| (index, format!("{:016x}", value.to_bits())))
        .collect();
    if !odd.is_empty() {
        write_member(out, "nan_bits", &odd);
    }
    write_starts(
        out,
        "start_timestamps",
        &columns.start_timestamps_ms,
        from,
        to,
    );
}

fn write_histograms(out: &mut Vec<u8>, columns: &SampleColumns, from: usize, to: usize) {
    let histograms: Vec<JsonHistogram> = columns.histograms[from..to]
        .iter()
        .map(JsonHistogram::from)
        .collect();
    write_member(out, "histograms", &histograms);
    write_member(
        out,
        "histogram_timestamps",
        &columns.histogram_timestamps_ms[from..to],
    );
    write_starts(
        out,
        "histogram_start_timestamps",
        &columns.histogram_start_timestamps_ms,
        from,
        to,
    );
}

/// Start times, unless none of them is known.
fn write_starts(out: &mut Vec<u8>, name: &str, starts: &[i64], from: usize, to: usize) {
    if let Some(starts) = starts.get(from..to)
        && starts.iter().any(|start_ms| *start_ms != 0)
    {
        write_member(out, name, starts);
    }
}

fn write_member<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, name: &str, value: &T) {
    out.push(b',');
    write_json(out, name);
    out.push(b':');
    write_json(out, value);
}

/// Members of an object in the order they stand, those with the same name included.
#[derive(Debug)]
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    if pairs.len() == LABELS_MAX {
                        return Err(serde::de::Error::custom(format_args!(
                            "more than {LABELS_MAX} labels"
                        )));
                    }
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

/// A float as VictoriaMetrics writes it: a number, null for NaN, or a word.
#[derive(Clone, Copy, Debug)]
struct Value(f64);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct ValueVisitor;
        impl Visitor<'_> for ValueVisitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, null, or one of \"NaN\", \"Infinity\", \"-Infinity\"")
            }

            fn visit_f64<E>(self, value: f64) -> std::result::Result<Value, E> {
                Ok(Value(value))
            }

            fn visit_u64<E>(self, value: u64) -> std::result::Result<Value, E> {
                Ok(Value(value as f64))
            }

            fn visit_i64<E>(self, value: i64) -> std::result::Result<Value, E> {
                Ok(Value(value as f64))
            }

            fn visit_unit<E>(self) -> std::result::Result<Value, E> {
                Ok(Value(NORMAL_NAN))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Value, E> {
                match parse_float(text) {
                    Some(value) if value.is_nan() => Ok(Value(NORMAL_NAN)),
                    Some(value) => Ok(Value(value)),
                    None => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(ValueVisitor)
    }
}

#[cfg(test)]
mod tests;
