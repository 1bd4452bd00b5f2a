//! Requests of remote write 2.0, put together by hand.

use crate::wire::compress;

/// One entry of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    labels: Vec<(String, String)>,
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
enum Field {
    Sample(i64, f64),
    /// Time, value, start time.
    Started(i64, f64, i64),
    /// A histogram message, without its number and length.
    Histogram(Vec<u8>),
    /// Labels, value, time.
    Exemplar(Vec<(String, String)>, f64, i64),
    /// Type, help, unit.
    Metadata(u8, String, String),
    /// The removed field 6.
    Created(i64),
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

impl Entry {
    pub(crate) fn new(labels: &[(&str, &str)]) -> Self {
        Self {
            labels: owned(labels),
            fields: Vec::new(),
        }
    }

    /// An entry of a series with no other label than its name.
    pub(crate) fn named(name: &str) -> Self {
        Self::new(&[("__name__", name)])
    }

    fn with(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    pub(crate) fn sample(self, timestamp_ms: i64, value: f64) -> Self {
        self.with(Field::Sample(timestamp_ms, value))
    }

    /// A sample with a start time.
    pub(crate) fn started(self, timestamp_ms: i64, value: f64, start_ms: i64) -> Self {
        self.with(Field::Started(timestamp_ms, value, start_ms))
    }

    pub(crate) fn histogram(self, histogram: Vec<u8>) -> Self {
        self.with(Field::Histogram(histogram))
    }

    pub(crate) fn exemplar(self, labels: &[(&str, &str)], timestamp_ms: i64, value: f64) -> Self {
        self.with(Field::Exemplar(owned(labels), value, timestamp_ms))
    }

    pub(crate) fn metadata(self, kind: u8, help: &str, unit: &str) -> Self {
        self.with(Field::Metadata(kind, help.to_owned(), unit.to_owned()))
    }

    pub(crate) fn created(self, timestamp_ms: i64) -> Self {
        self.with(Field::Created(timestamp_ms))
    }
}

/// The compressed request that brings `entries`.
pub(crate) fn v2_body(entries: &[Entry]) -> Vec<u8> {
    let mut symbols = Symbols(vec![String::new()]);
    let entries: Vec<Vec<u8>> = entries.iter().map(|entry| symbols.encode(entry)).collect();
    let mut message = Vec::new();
    for symbol in &symbols.0 {
        push_bytes(&mut message, 4, symbol.as_bytes());
    }
    for entry in &entries {
        push_bytes(&mut message, 5, entry);
    }
    compress(&message)
}

struct Symbols(Vec<String>);

impl Symbols {
    fn reference(&mut self, text: &str) -> u64 {
        let known = self.0.iter().position(|symbol| symbol == text);
        known.unwrap_or_else(|| {
            self.0.push(text.to_owned());
            self.0.len() - 1
        }) as u64
    }

    fn references(&mut self, pairs: &[(String, String)]) -> Vec<u8> {
        let mut packed = Vec::new();
        for (name, value) in pairs {
            for text in [name, value] {
                let reference = self.reference(text);
                push_varint(&mut packed, reference);
            }
        }
        packed
    }

    fn encode(&mut self, entry: &Entry) -> Vec<u8> {
        let mut out = Vec::new();
        push_bytes(&mut out, 1, &self.references(&entry.labels));
        for field in &entry.fields {
            match field {
                Field::Sample(timestamp_ms, value) => {
                    push_bytes(&mut out, 2, &sample(*timestamp_ms, *value));
                }
                Field::Started(timestamp_ms, value, start_ms) => {
                    let mut sample = sample(*timestamp_ms, *value);
                    push_number(&mut sample, 3, *start_ms as u64);
                    push_bytes(&mut out, 2, &sample);
                }
                Field::Histogram(histogram) => push_bytes(&mut out, 3, histogram),
                Field::Exemplar(labels, value, timestamp_ms) => {
                    let mut exemplar = Vec::new();
                    push_bytes(&mut exemplar, 1, &self.references(labels));
                    push_double(&mut exemplar, 2, *value);
                    push_number(&mut exemplar, 3, *timestamp_ms as u64);
                    push_bytes(&mut out, 4, &exemplar);
                }
                Field::Metadata(kind, help, unit) => {
                    let mut metadata = Vec::new();
                    push_number(&mut metadata, 1, u64::from(*kind));
                    push_number(&mut metadata, 3, self.reference(help));
                    push_number(&mut metadata, 4, self.reference(unit));
                    push_bytes(&mut out, 5, &metadata);
                }
                Field::Created(timestamp_ms) => push_number(&mut out, 6, *timestamp_ms as u64),
            }
        }
        out
    }
}

fn sample(timestamp_ms: i64, value: f64) -> Vec<u8> {
    let mut sample = Vec::new();
    push_double(&mut sample, 1, value);
    push_number(&mut sample, 2, timestamp_ms as u64);
    sample
}

/// A histogram message with a start time.
pub(crate) fn started(mut histogram: Vec<u8>, start_ms: i64) -> Vec<u8> {
    push_number(&mut histogram, 17, start_ms as u64);
    histogram
}

/// A histogram with integer counts; spans are offset and length.
#[derive(Clone, Debug, Default)]
pub(crate) struct IntegerHistogram<'h> {
    pub(crate) schema: i64,
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) zero_count: u64,
    pub(crate) positive: &'h [(i64, u64)],
    pub(crate) positive_deltas: &'h [i64],
    pub(crate) negative: &'h [(i64, u64)],
    pub(crate) negative_deltas: &'h [i64],
    pub(crate) bounds: &'h [f64],
}

impl IntegerHistogram<'_> {
    pub(crate) fn encode(&self, timestamp_ms: i64) -> Vec<u8> {
        let mut out = Vec::new();
        push_number(&mut out, 1, self.count);
        push_double(&mut out, 3, self.sum);
        push_number(&mut out, 4, zigzag(self.schema));
        push_number(&mut out, 6, self.zero_count);
        push_side(&mut out, 8, self.negative, self.negative_deltas);
        push_side(&mut out, 11, self.positive, self.positive_deltas);
        push_number(&mut out, 15, timestamp_ms as u64);
        let bounds: Vec<u8> = self
            .bounds
            .iter()
            .flat_map(|bound| bound.to_bits().to_le_bytes())
            .collect();
        if !bounds.is_empty() {
            push_bytes(&mut out, 16, &bounds);
        }
        out
    }
}

/// A histogram of schema 0 with float counts in positive buckets from index 0 on.
pub(crate) fn float_histogram(timestamp_ms: i64, sum: f64, buckets: &[f64]) -> Vec<u8> {
    let mut out = Vec::new();
    push_double(&mut out, 2, buckets.iter().sum());
    push_double(&mut out, 3, sum);
    push_double(&mut out, 7, 0.0);
    let mut span = Vec::new();
    push_number(&mut span, 2, buckets.len() as u64);
    push_bytes(&mut out, 11, &span);
    let counts: Vec<u8> = buckets
        .iter()
        .flat_map(|count| count.to_bits().to_le_bytes())
        .collect();
    push_bytes(&mut out, 13, &counts);
    push_number(&mut out, 15, timestamp_ms as u64);
    out
}

/// Spans in field `number`, deltas in the one after it.
fn push_side(out: &mut Vec<u8>, number: u64, spans: &[(i64, u64)], deltas: &[i64]) {
    for (offset, length) in spans {
        let mut span = Vec::new();
        push_number(&mut span, 1, zigzag(*offset));
        push_number(&mut span, 2, *length);
        push_bytes(out, number, &span);
    }
    let mut packed = Vec::new();
    for delta in deltas {
        push_varint(&mut packed, zigzag(*delta));
    }
    if !packed.is_empty() {
        push_bytes(out, number + 1, &packed);
    }
}

const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

pub(crate) fn push_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    push_varint(out, field << 3 | 2);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn push_number(out: &mut Vec<u8>, field: u64, number: u64) {
    push_varint(out, field << 3);
    push_varint(out, number);
}

fn push_double(out: &mut Vec<u8>, field: u64, number: f64) {
    push_varint(out, field << 3 | 1);
    out.extend(number.to_bits().to_le_bytes());
}

fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
