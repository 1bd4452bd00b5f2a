//! Values that have no decimal form, kept apart so that one of them does not spoil a chunk.

use crate::{Reader, Result, varint};

/// Patterns that have a number of their own: the stale marker, the NaN that Prometheus writes, infinity, minus
/// infinity, the NaN of `f64::NAN`, the NaN of 0/0 on x86-64, and minus zero.
const KNOWN: [u64; 7] = [
    chronoxide_model::STALE_MARKER_BITS,
    0x7ff8_0000_0000_0001,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_0000,
    0x8000_0000_0000_0000,
];
/// Any other pattern: its eight bytes follow.
const OTHER: u64 = 7;

const NEGATIVE_ZERO: u64 = 0x8000_0000_0000_0000;

/// A run of equal exceptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// How many ordinary values lie between it and the run before.
    pub(super) gap: usize,
    pub(super) length: usize,
    pub(super) bits: u64,
}

/// Whether `value` is NaN, infinite or minus zero.
#[inline]
pub(super) const fn is_exception(value: f64) -> bool {
    !value.is_finite() || value.to_bits() == NEGATIVE_ZERO
}

/// Parts `values` into exceptions and ordinary values.
pub(super) fn part(values: &[f64], runs: &mut Vec<Run>, ordinary: &mut Vec<f64>) {
    runs.clear();
    ordinary.clear();
    let mut gap = 0;
    for same in
        values.chunk_by(|a, b| a.to_bits() == b.to_bits() || !is_exception(*a) && !is_exception(*b))
    {
        match same.first() {
            Some(&first) if is_exception(first) => {
                runs.push(Run {
                    gap,
                    length: same.len(),
                    bits: first.to_bits(),
                });
                gap = 0;
            }
            _ => {
                ordinary.extend_from_slice(same);
                gap = same.len();
            }
        }
    }
}

pub(super) fn encode(runs: &[Run], out: &mut Vec<u8>) {
    varint::put_usize(out, runs.len());
    for run in runs {
        varint::put_usize(out, run.gap);
        let known = KNOWN.iter().position(|&bits| bits == run.bits);
        let kind = known.map_or(OTHER, |at| at as u64);
        varint::put_u64(out, (run.length as u64 - 1) << 3 | kind);
        if kind == OTHER {
            out.extend_from_slice(&run.bits.to_le_bytes());
        }
    }
}

/// The runs of a chunk of `count` values, and how many ordinary values that leaves.
pub(super) fn decode(reader: &mut Reader<'_>, count: usize) -> Result<(Vec<Run>, usize)> {
    // Each run takes two bytes at least.
    let runs = reader.varint_len(count.min(reader.remaining() / 2))?;
    let mut decoded = Vec::with_capacity(runs);
    let (mut left, mut ordinary) = (count, 0);
    for _ in 0..runs {
        let gap = reader.varint_len(left)?;
        let word = reader.varint_u64()?;
        let kind = word & OTHER;
        let length = usize::try_from(word >> 3)
            .ok()
            .and_then(|length| length.checked_add(1));
        let length = length.filter(|&length| length <= left - gap);
        let Some(length) = length else {
            return Err(reader.corrupt("exceptions reach beyond the chunk"));
        };
        let bits = match KNOWN
            .iter()
            .zip(0..OTHER)
            .find(|(_, number)| *number == kind)
        {
            Some((&bits, _)) => bits,
            None => reader.u64()?,
        };
        left -= gap + length;
        ordinary += gap;
        decoded.push(Run { gap, length, bits });
    }
    Ok((decoded, ordinary + left))
}

/// Puts the exceptions back between the ordinary values, which are those of `out` from `start` on.
pub(super) fn join(runs: &[Run], start: usize, out: &mut Vec<f64>) {
    let mut ordinary_end = out.len();
    let inserted: usize = runs.iter().map(|run| run.length).sum();
    let mut end = ordinary_end + inserted;
    out.resize(end, 0.0);
    let gaps: usize = runs.iter().map(|run| run.gap).sum();
    // From the back, so that nothing is overwritten before it has moved.
    let mut tail = ordinary_end - (start + gaps);
    for run in runs.iter().rev() {
        out.copy_within(ordinary_end - tail..ordinary_end, end - tail);
        ordinary_end -= tail;
        end -= tail;
        if let Some(places) = out.get_mut(end - run.length..end) {
            places.fill(f64::from_bits(run.bits));
        }
        end -= run.length;
        tail = run.gap;
    }
}
