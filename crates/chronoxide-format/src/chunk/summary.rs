//! Summaries: what can be known of a chunk of values without decoding it.

use super::integers::{self, Line};
use super::values::{self, SUMMARIZED, Shape};
use crate::varint::{put_i64, put_u64};
use crate::{Reader, Result};

const WHAT: &str = "value chunk";

/// What is known of the values of a chunk, none of which is a NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueSummary {
    /// The first value.
    pub first: f64,
    /// The last value.
    pub last: f64,
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
    /// Whether no value is below the one before.
    pub never_falls: bool,
}

/// Reads the summary of the chunk of `count` values that `bytes` are: of chunks that have one, and of those that are
/// constant or a line. It holds for what decodes; the rest of the bytes is not looked at.
///
/// # Errors
///
/// When the first bytes are damaged, or a codec is unknown.
pub fn summarize_values(bytes: &[u8], count: usize) -> Result<Option<ValueSummary>> {
    let mut reader = Reader::new(WHAT, bytes);
    if count == 0 {
        return Ok(None);
    }
    let head = reader.u8()?;
    match values::shape_of(head) {
        Some(Shape::Constant) => {
            let value = values::constant(head, &mut reader)?;
            Ok((!value.is_nan()).then_some(ValueSummary {
                first: value,
                last: value,
                min: value,
                max: value,
                never_falls: true,
            }))
        }
        Some(Shape::Decimals) => {
            let factor = values::factor_of(head);
            let (_, line) = integers::start(&mut reader)?;
            let ends = line.and_then(|line| of_line(line, count));
            Ok(ends.map(|mantissas| mantissas.apply(|mantissa| factor.apply(mantissa))))
        }
        Some(Shape::Summarized) => {
            let stored = Stored::read(&mut reader)?;
            let factor = values::factor_of(reader.u8()?);
            let (first, _) = integers::start(&mut reader)?;
            Ok(Some(
                stored.after(first).apply(|mantissa| factor.apply(mantissa)),
            ))
        }
        Some(Shape::Corrected | Shape::Bits | Shape::WithExceptions) | None => Ok(None),
    }
}

/// A summary in mantissas; doubles rise with them.
struct Mantissas {
    first: i64,
    last: i64,
    min: i64,
    max: i64,
    never_falls: bool,
}

impl Mantissas {
    fn apply(&self, double: impl Fn(i64) -> f64) -> ValueSummary {
        ValueSummary {
            first: double(self.first),
            last: double(self.last),
            min: double(self.min),
            max: double(self.max),
            never_falls: self.never_falls,
        }
    }
}

/// `None` for a line that leaves the integers and comes back at their other end.
fn of_line(line: Line, count: usize) -> Option<Mantissas> {
    let steps = i64::try_from(count - 1).ok()?;
    let last = line.first.checked_add(line.slope.checked_mul(steps)?)?;
    Some(Mantissas {
        first: line.first,
        last,
        min: line.first.min(last),
        max: line.first.max(last),
        never_falls: line.slope >= 0,
    })
}

/// A summary as it stands in front of a chunk: distances from the first mantissa, wrapping.
struct Stored {
    last: i64,
    extremes: Option<(u64, u64)>,
}

impl Stored {
    /// Reads what follows the codec.
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let extremes = match reader.u8()? {
            NEVER_FALLS => None,
            WITH_EXTREMES => Some(()),
            _ => return Err(reader.corrupt("unknown kind of summary")),
        };
        let last = reader.varint_i64()?;
        let extremes = match extremes {
            None => None,
            Some(()) => Some((reader.varint_u64()?, reader.varint_u64()?)),
        };
        Ok(Self { last, extremes })
    }

    fn after(&self, first: i64) -> Mantissas {
        let last = first.wrapping_add(self.last);
        let (min, max) = match self.extremes {
            None => (first, last),
            Some((below, above)) => (
                first.wrapping_sub(below.cast_signed()),
                first.wrapping_add(above.cast_signed()),
            ),
        };
        Mantissas {
            first,
            last,
            min,
            max,
            never_falls: self.extremes.is_none(),
        }
    }
}

const NEVER_FALLS: u8 = 0;
const WITH_EXTREMES: u8 = 1;

/// Appends codec and summary of the values with these mantissas; the chunk they are in follows. A line needs none.
pub(super) fn encode(mantissas: &[i64], out: &mut Vec<u8>) {
    let (Some(&first), Some(&last)) = (mantissas.first(), mantissas.last()) else {
        return;
    };
    let slope = |pair: &[i64]| match pair {
        [before, after] => after.wrapping_sub(*before),
        _ => 0,
    };
    let mut slopes = mantissas.windows(2).map(slope);
    let first_slope = slopes.next();
    if slopes.all(|slope| Some(slope) == first_slope) {
        return;
    }
    out.push(SUMMARIZED);
    if mantissas.is_sorted() {
        out.push(NEVER_FALLS);
        put_i64(out, last.wrapping_sub(first));
        return;
    }
    let fold = |(min, max): (i64, i64), mantissa: &i64| (min.min(*mantissa), max.max(*mantissa));
    let (min, max) = mantissas.iter().fold((first, first), fold);
    out.push(WITH_EXTREMES);
    put_i64(out, last.wrapping_sub(first));
    put_u64(out, first.wrapping_sub(min).cast_unsigned());
    put_u64(out, max.wrapping_sub(first).cast_unsigned());
}

/// Reads over the summary behind its codec.
pub(super) fn skip(reader: &mut Reader<'_>) -> Result<()> {
    Stored::read(reader).map(|_| ())
}

/// What follows the summary, without its codec, that `bytes` begin with; nothing when they do not.
pub(super) fn behind(bytes: &[u8]) -> &[u8] {
    let mut reader = Reader::new(WHAT, bytes);
    let rest = skip(&mut reader).and_then(|()| reader.bytes(reader.remaining()));
    rest.unwrap_or_default()
}
