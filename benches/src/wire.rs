//! Remote-write messages of both versions, as an agent would send them.

use std::collections::HashMap;

use chronoxide_model::Labels;

/// The labels of a series as they stand in a `TimeSeries` message.
#[must_use]
pub fn labels(labels: &Labels) -> Vec<u8> {
    let mut encoded = Vec::new();
    for (name, text) in labels.iter() {
        let mut label = Vec::new();
        push_bytes(1, name.as_bytes(), &mut label);
        push_bytes(2, text.as_bytes(), &mut label);
        push_bytes(1, &label, &mut encoded);
    }
    encoded
}

/// Appends one `TimeSeries` with one sample to a `WriteRequest`; `labels` come from [`labels`].
pub fn push_series(labels: &[u8], time_ms: i64, value: f64, message: &mut Vec<u8>) {
    let mut sample = [0_u8; 24];
    sample[0] = 0x09;
    sample[1..9].copy_from_slice(&value.to_le_bytes());
    sample[9] = 0x10;
    let mut time = Vec::with_capacity(10);
    push_varint(time_ms.cast_unsigned(), &mut time);
    let length = 10 + time.len();
    sample[10..length].copy_from_slice(&time);
    // The sample's own tag and length take two bytes.
    message.push(1 << 3 | 2);
    push_varint((labels.len() + 2 + length) as u64, message);
    message.extend_from_slice(labels);
    push_bytes(2, &sample[..length], message);
}

/// A request of version 2 in the making: the symbols of its labels, each once, and its series.
#[derive(Debug)]
pub struct Version2<'l> {
    symbols: HashMap<&'l str, u64>,
    /// The fields of the symbols.
    table: Vec<u8>,
    /// The fields of the series.
    series: Vec<u8>,
}

impl Default for Version2<'_> {
    fn default() -> Self {
        let mut table = Vec::new();
        push_bytes(4, b"", &mut table);
        Self {
            symbols: HashMap::from([("", 0)]),
            table,
            series: Vec::new(),
        }
    }
}

impl<'l> Version2<'l> {
    /// Adds one series with one sample.
    pub fn push_series(&mut self, labels: &'l Labels, time_ms: i64, value: f64) {
        let mut references = Vec::new();
        for (name, text) in labels.iter() {
            for symbol in [name, text] {
                push_varint(self.reference(symbol), &mut references);
            }
        }
        let mut sample = vec![0x09];
        sample.extend(value.to_le_bytes());
        sample.push(0x10);
        push_varint(time_ms.cast_unsigned(), &mut sample);
        let mut entry = Vec::new();
        push_bytes(1, &references, &mut entry);
        push_bytes(2, &sample, &mut entry);
        push_bytes(5, &entry, &mut self.series);
    }

    fn reference(&mut self, symbol: &'l str) -> u64 {
        let next = self.symbols.len() as u64;
        *self.symbols.entry(symbol).or_insert_with(|| {
            push_bytes(4, symbol.as_bytes(), &mut self.table);
            next
        })
    }

    /// The message.
    #[must_use]
    pub fn into_message(mut self) -> Vec<u8> {
        self.table.append(&mut self.series);
        self.table
    }
}

/// Appends a length-delimited field.
fn push_bytes(field: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(field << 3 | 2);
    push_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn push_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
