//! Columns of float values.

use super::decimal::{self, Decimal, Factor, Form};
use super::exceptions::{self, Run};
use super::integers::Smallest;
use super::summary;
use super::{check_count, integers};
use crate::varint::put_i64;
use crate::{Error, Reader, Result};

const WHAT: &str = "value chunk";

/// The codec is the low half of a chunk's first byte; the scale of a decimal is the high half.
const CODEC_MASK: u8 = 0x0f;
const SCALE_SHIFT: u32 = 4;

const CONSTANT_BITS: u8 = 0;
const CONSTANT_DECIMAL: u8 = 1;
const QUOTIENTS: u8 = 2;
const PRODUCTS: u8 = 3;
const CORRECTED: u8 = 4;
const ORDERED_BITS: u8 = 5;
const WITH_EXCEPTIONS: u8 = 6;
pub(super) const SUMMARIZED: u8 = 7;

/// What the first byte of a chunk says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Constant,
    Decimals,
    Corrected,
    Bits,
    WithExceptions,
    Summarized,
}

/// The shape of a chunk with this first byte, `None` for one that decoders refuse.
pub(super) const fn shape_of(head: u8) -> Option<Shape> {
    match (head & CODEC_MASK, head >> SCALE_SHIFT) {
        (CONSTANT_BITS, 0) | (CONSTANT_DECIMAL, _) => Some(Shape::Constant),
        (QUOTIENTS | PRODUCTS, _) => Some(Shape::Decimals),
        (CORRECTED, _) => Some(Shape::Corrected),
        (ORDERED_BITS, 0) => Some(Shape::Bits),
        (WITH_EXCEPTIONS, 0) => Some(Shape::WithExceptions),
        (SUMMARIZED, 0) => Some(Shape::Summarized),
        _ => None,
    }
}

/// Appends a chunk of `values`, at most [`SAMPLES_MAX`](super::SAMPLES_MAX). For many chunks, keep a [`ValueEncoder`].
pub fn encode_values(values: &[f64], out: &mut Vec<u8>) {
    ValueEncoder::new().encode(values, out);
}

/// Chunks of fewer values have no summary: it takes four bytes and more.
const SUMMARIZED_MIN: usize = 1024;

/// Appends the `count` values of the chunk that `bytes` are to `out`, which is left as it was on an error.
///
/// # Errors
///
/// When `bytes` are not exactly one chunk of `count` values, or `count` is above [`SAMPLES_MAX`](super::SAMPLES_MAX).
pub fn decode_values(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<()> {
    let before = out.len();
    let mut reader = Reader::new(WHAT, bytes);
    let decoded = decode_stream(&mut reader, count, out).and_then(|()| reader.finish());
    if decoded.is_err() {
        out.truncate(before);
    }
    decoded
}

/// Appends as many values as the chunk of `count` values that `bytes` are has: those that are NaN, infinite or minus zero
/// are the same bit for bit, any other number may stand for the others, which are not decoded. `out` is left as it was on
/// an error.
///
/// # Errors
///
/// When the first bytes are damaged, a codec is unknown, or `count` is above [`SAMPLES_MAX`](super::SAMPLES_MAX). What
/// need not be decoded is not looked at.
pub fn decode_exceptions(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<()> {
    check_count(WHAT, count)?;
    if count == 0 {
        return decode_values(bytes, count, out);
    }
    let start = out.len();
    let mut reader = Reader::new(WHAT, bytes);
    let head = reader.u8()?;
    match shape_of(head) {
        Some(Shape::Constant) => {
            let value = constant(head, &mut reader)?;
            out.resize(start + count, value);
        }
        Some(Shape::Decimals | Shape::Corrected | Shape::Bits | Shape::Summarized) => {
            out.resize(start + count, 0.0);
        }
        Some(Shape::WithExceptions) => {
            let (runs, ordinary) = exceptions::decode(&mut reader, count)?;
            out.resize(start + ordinary, 0.0);
            exceptions::join(&runs, start, out);
        }
        None => {
            return Err(Error::UnknownCodec {
                what: WHAT,
                id: head,
            });
        }
    }
    Ok(())
}

/// Encodes chunks of values, one after the other, in memory that it keeps.
#[derive(Clone, Debug, Default)]
pub struct ValueEncoder {
    runs: Vec<Run>,
    ordinary: Vec<f64>,
    integers: Vec<i64>,
    corrections: Vec<i64>,
    trial: Vec<u8>,
    /// Present in encoders that take the time to make chunks as small as they get.
    smallest: Option<Box<Smallest>>,
}

impl ValueEncoder {
    /// An encoder that is as fast as can be, about 10 ns a sample.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An encoder that chooses the smallest of all codings, several times as slow as [`new`](Self::new). Chunks of
    /// some hundred samples get smaller by it, short ones do not.
    #[must_use]
    pub fn smallest() -> Self {
        Self {
            smallest: Some(Box::default()),
            ..Self::default()
        }
    }

    /// Appends a chunk of `values`, at most [`SAMPLES_MAX`](super::SAMPLES_MAX).
    pub fn encode(&mut self, values: &[f64], out: &mut Vec<u8>) {
        let summarized = self.smallest.is_some() && values.len() >= SUMMARIZED_MIN;
        self.encode_chunk(values, summarized, out);
    }

    /// Appends a chunk of `values` that nobody asks a summary of.
    pub(super) fn encode_column(&mut self, values: &[f64], out: &mut Vec<u8>) {
        self.encode_chunk(values, false, out);
    }

    fn encode_chunk(&mut self, values: &[f64], summarized: bool, out: &mut Vec<u8>) {
        let Some(&first) = values.first() else {
            return;
        };
        if values
            .iter()
            .all(|value| value.to_bits() == first.to_bits())
        {
            self.encode_constant(first, out);
        } else if values.iter().any(|&value| exceptions::is_exception(value)) {
            let mut ordinary = std::mem::take(&mut self.ordinary);
            exceptions::part(values, &mut self.runs, &mut ordinary);
            out.push(WITH_EXCEPTIONS);
            exceptions::encode(&self.runs, out);
            self.encode_column(&ordinary, out);
            self.ordinary = ordinary;
        } else {
            self.encode_varying(values, summarized, out);
        }
    }

    fn encode_constant(&mut self, value: f64, out: &mut Vec<u8>) {
        match decimal::exact(&[value], &mut self.integers) {
            Some(Decimal {
                form: Form::Quotient,
                scale,
            }) => {
                out.push(CONSTANT_DECIMAL | scale << SCALE_SHIFT);
                put_i64(out, self.integers.first().copied().unwrap_or(0));
            }
            _ => {
                out.push(CONSTANT_BITS);
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
    }

    fn encode_varying(&mut self, values: &[f64], summarized: bool, out: &mut Vec<u8>) {
        if let Some(decimal) = decimal::exact(values, &mut self.integers) {
            if summarized {
                summary::encode(&self.integers, out);
            }
            let codec = match decimal.form {
                Form::Quotient => QUOTIENTS,
                Form::Product => PRODUCTS,
            };
            out.push(codec | decimal.scale << SCALE_SHIFT);
            integers::encode_with(self.smallest.as_deref_mut(), &self.integers, out);
            return;
        }
        let start = out.len();
        self.encode_ordered(values, out);
        self.trial.clear();
        if let Some(decimal) = decimal::corrected(values, &mut self.integers, &mut self.corrections)
        {
            self.trial.push(CORRECTED | decimal.scale << SCALE_SHIFT);
            let mut smallest = self.smallest.as_deref_mut();
            integers::encode_with(smallest.as_deref_mut(), &self.integers, &mut self.trial);
            integers::encode_with(smallest, &self.corrections, &mut self.trial);
            if self.trial.len() < out.len() - start {
                out.truncate(start);
                out.extend_from_slice(&self.trial);
            }
        }
    }

    fn encode_ordered(&mut self, values: &[f64], out: &mut Vec<u8>) {
        self.integers.clear();
        self.integers
            .extend(values.iter().map(|&value| decimal::ordered(value)));
        out.push(ORDERED_BITS);
        integers::encode_with(self.smallest.as_deref_mut(), &self.integers, out);
    }

    /// Appends a stream of integers.
    pub(super) fn encode_integers(&mut self, integers: &[i64], out: &mut Vec<u8>) {
        integers::encode_with(self.smallest.as_deref_mut(), integers, out);
    }
}

/// Appends the next `count` values of `reader`, and leaves it behind them.
pub(super) fn decode_stream(
    reader: &mut Reader<'_>,
    count: usize,
    out: &mut Vec<f64>,
) -> Result<()> {
    check_count(WHAT, count)?;
    if count == 0 {
        return Ok(());
    }
    let mut head = reader.u8()?;
    out.reserve(count);
    if head == SUMMARIZED {
        summary::skip(reader)?;
        head = reader.u8()?;
        if !matches!(shape_of(head), Some(Shape::Decimals)) {
            return Err(reader.corrupt("only decimals have a summary"));
        }
    }
    if head != WITH_EXCEPTIONS {
        return decode_ordinary(head, reader, count, out);
    }
    let start = out.len();
    let (runs, ordinary) = exceptions::decode(reader, count)?;
    if ordinary > 0 {
        let head = reader.u8()?;
        decode_ordinary(head, reader, ordinary, out)?;
    }
    exceptions::join(&runs, start, out);
    Ok(())
}

/// The value of a constant chunk that begins with `head`, which has been read.
pub(super) fn constant(head: u8, reader: &mut Reader<'_>) -> Result<f64> {
    if head & CODEC_MASK == CONSTANT_DECIMAL {
        Ok(factor_of(head).apply(reader.varint_i64()?))
    } else {
        reader.f64()
    }
}

/// What makes mantissas doubles in a chunk of decimals that begins with `head`.
pub(super) fn factor_of(head: u8) -> Factor {
    let form = if head & CODEC_MASK == PRODUCTS {
        Form::Product
    } else {
        Form::Quotient
    };
    let scale = head >> SCALE_SHIFT;
    Decimal { form, scale }.factor()
}

fn decode_ordinary(
    head: u8,
    reader: &mut Reader<'_>,
    count: usize,
    out: &mut Vec<f64>,
) -> Result<()> {
    let (codec, scale) = (head & CODEC_MASK, head >> SCALE_SHIFT);
    let factor = factor_of(head);
    match codec {
        CONSTANT_DECIMAL => {
            let value = constant(head, reader)?;
            out.resize(out.len() + count, value);
            Ok(())
        }
        QUOTIENTS | PRODUCTS => {
            integers::decode(reader, count, |mantissas| factor.extend(mantissas, out))
        }
        CORRECTED => {
            let start = out.len();
            integers::decode(reader, count, |mantissas| factor.extend(mantissas, out))?;
            let mut values = out.iter_mut().skip(start);
            integers::decode(reader, count, |corrections| {
                for (&correction, value) in corrections.iter().zip(&mut values) {
                    *value = decimal::correct(*value, correction);
                }
            })
        }
        CONSTANT_BITS if scale == 0 => {
            let value = constant(head, reader)?;
            out.resize(out.len() + count, value);
            Ok(())
        }
        ORDERED_BITS if scale == 0 => integers::decode(reader, count, |bits| {
            out.extend(bits.iter().map(|&bits| decimal::from_ordered(bits)));
        }),
        _ => Err(Error::UnknownCodec {
            what: WHAT,
            id: head,
        }),
    }
}
