//! Native histograms.
//!
//! Samples are taken apart into columns: hints, sums, and for each bucket that occurs its counts over time. Histograms
//! whose parts disagree, or that would make far too many columns, are kept row by row instead.

mod columns;
mod layouts;
mod rows;

use chronoxide_model::{CounterResetHint, Histogram};

use super::check_count;
use super::values::ValueEncoder;
use crate::{Error, Reader, Result};

const WHAT: &str = "histogram chunk";

const ROWS: u8 = 0;
const COLUMNS: u8 = 1;

/// Appends a chunk of `histograms`, at most [`SAMPLES_MAX`](super::SAMPLES_MAX). Any content is kept as it is, what
/// [`Histogram::validate`] refuses as well.
pub fn encode_histograms(histograms: &[Histogram], out: &mut Vec<u8>) {
    ValueEncoder::new().encode_histograms(histograms, out);
}

impl ValueEncoder {
    /// Appends a chunk of `histograms`, at most [`SAMPLES_MAX`](super::SAMPLES_MAX).
    pub fn encode_histograms(&mut self, histograms: &[Histogram], out: &mut Vec<u8>) {
        append_chunk(histograms, self, out);
    }
}

fn append_chunk(histograms: &[Histogram], encoder: &mut ValueEncoder, out: &mut Vec<u8>) {
    if histograms.is_empty() {
        return;
    }
    match layouts::Layouts::of(histograms) {
        Some(layouts) => {
            out.push(COLUMNS);
            layouts.encode(out);
            columns::encode(&layouts, histograms, encoder, out);
        }
        None => {
            out.push(ROWS);
            rows::encode(histograms, out);
        }
    }
}

/// Appends the `count` histograms of the chunk that `bytes` are to `out`, which is left as it was on an error.
///
/// # Errors
///
/// When `bytes` are not exactly one chunk of `count` histograms, or `count` is above
/// [`SAMPLES_MAX`](super::SAMPLES_MAX).
pub fn decode_histograms(bytes: &[u8], count: usize, out: &mut Vec<Histogram>) -> Result<()> {
    let before = out.len();
    let decoded = append(bytes, count, out);
    if decoded.is_err() {
        out.truncate(before);
    }
    decoded
}

fn append(bytes: &[u8], count: usize, out: &mut Vec<Histogram>) -> Result<()> {
    check_count(WHAT, count)?;
    let mut reader = Reader::new(WHAT, bytes);
    if count > 0 {
        match reader.u8()? {
            ROWS => rows::decode(&mut reader, count, out)?,
            COLUMNS => {
                let layouts = layouts::Layouts::decode(&mut reader, count)?;
                columns::decode(&mut reader, &layouts, count, out)?;
            }
            id => return Err(Error::UnknownCodec { what: WHAT, id }),
        }
    }
    reader.finish()
}

const fn hint_number(hint: CounterResetHint) -> u8 {
    match hint {
        CounterResetHint::Unknown => 0,
        CounterResetHint::Reset => 1,
        CounterResetHint::NotReset => 2,
        CounterResetHint::Gauge => 3,
    }
}

const fn hint_of(number: u8) -> Option<CounterResetHint> {
    match number {
        0 => Some(CounterResetHint::Unknown),
        1 => Some(CounterResetHint::Reset),
        2 => Some(CounterResetHint::NotReset),
        3 => Some(CounterResetHint::Gauge),
        _ => None,
    }
}
