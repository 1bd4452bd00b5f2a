//! Streams of 64-bit integers: what timestamps, decimal mantissas, float bits and bucket counts all become.
//!
//! A stream is constant, linear, or the differences of order 0, 1 or 2 in units of their greatest common divisor,
//! bit-packed in blocks or coded by what [`super::residuals`] has besides. All arithmetic wraps, so every `i64` is
//! representable and no input overflows.

use super::block::{BLOCK, Plan, SHORT};
use super::residuals::{self, Coder, Packer};
use crate::varint::{len_u64, put_i64};
use crate::{Reader, Result, varint};

const CONSTANT: u8 = 0;
const LINEAR: u8 = 1;
const ORDER_0: u8 = 2;
const ORDER_1: u8 = 3;
const ORDER_2: u8 = 4;
const SHAPE_MASK: u8 = 0x07;
/// The divisor of all differences follows the head.
const DIVIDED: u8 = 0x08;
/// The bits above are the number of the coder of the residuals.
const CODER_SHIFT: u32 = 4;

/// Appends `values`, the residuals in blocks; nothing when there are none.
pub(super) fn encode(values: &[i64], out: &mut Vec<u8>) {
    encode_with(None, values, out);
}

/// Encodes streams with the smallest of all coders, in memory that it keeps.
#[derive(Clone, Debug, Default)]
pub(super) struct Smallest {
    packer: Packer,
    residuals: Vec<i64>,
}

/// Appends `values`, the residuals in blocks unless `smallest` finds something clearly smaller.
pub(super) fn encode_with(smallest: Option<&mut Smallest>, values: &[i64], out: &mut Vec<u8>) {
    let Some((&first, rest)) = values.split_first() else {
        return;
    };
    let slope = rest.first().map_or(0, |second| second.wrapping_sub(first));
    if differences(values).all(|difference| difference == slope) {
        out.push(if slope == 0 { CONSTANT } else { LINEAR });
        put_i64(out, first);
        if slope != 0 {
            put_i64(out, slope);
        }
        return;
    }
    let stream = Stream {
        values,
        divisor: Divisor::of(values),
    };
    let (order, plan) = stream.best_order();
    let start = out.len();
    stream.write_head(order, Coder::Blocks, out);
    let head_end = out.len();
    stream.for_each_block(order, |residuals| {
        let plan = plan.unwrap_or_else(|| Plan::of(residuals));
        plan.write(residuals, out);
    });
    let Some(Smallest { packer, residuals }) = smallest else {
        return;
    };
    residuals.clear();
    stream.for_each_block(order, |block| residuals.extend_from_slice(block));
    if let Some((coder, bytes)) = packer.pack(residuals, out.len() - head_end) {
        out.truncate(start);
        stream.write_head(order, coder, out);
        varint::put_usize(out, bytes.len());
        out.extend_from_slice(bytes);
    }
}

fn differences(values: &[i64]) -> impl Iterator<Item = i64> {
    values
        .iter()
        .zip(values.iter().skip(1))
        .map(|(before, after)| after.wrapping_sub(*before))
}

/// A number that divides every difference, as the shift and the odd factor it is made of.
#[derive(Clone, Copy, Debug)]
struct Divisor {
    shift: u32,
    odd: u64,
    /// `odd * inverse == 1`, modulo 2^64.
    inverse: u64,
}

impl Divisor {
    const ONE: Self = Self {
        shift: 0,
        odd: 1,
        inverse: 1,
    };

    /// The greatest common divisor of the differences of `values`, which are not all zero.
    fn of(values: &[i64]) -> Self {
        let ones = differences(values).fold(0, |ones, difference| ones | difference);
        let shift = ones.trailing_zeros().min(63);
        let mut odd = 0;
        let mut inverse = 1;
        let mut limit = u64::MAX;
        for difference in differences(values) {
            let difference = difference.unsigned_abs() >> shift;
            if difference.wrapping_mul(inverse) > limit || odd == 0 {
                odd = odd_divisor(odd, difference);
                if odd == 1 {
                    break;
                }
                inverse = odd_inverse(odd);
                limit = u64::MAX.checked_div(odd).unwrap_or(u64::MAX);
            }
        }
        let odd = odd.max(1);
        let bits = shift as usize + (odd.ilog2() as usize);
        if (values.len() - 1) * bits / 8 <= len_u64(odd << shift) {
            // So few values save less than storing the divisor costs.
            return Self::ONE;
        }
        Self {
            shift,
            odd,
            inverse: odd_inverse(odd),
        }
    }

    const fn value(self) -> u64 {
        self.odd << self.shift
    }

    /// `difference` in units of the divisor. Exact modulo 2^64 for any sum of differences, overflowed ones too: only the
    /// low zero bits are shifted out, and multiplying by the inverse undoes multiplying by the factor.
    #[inline]
    const fn divide(self, difference: i64) -> i64 {
        (difference >> self.shift).wrapping_mul(self.inverse.cast_signed())
    }
}

/// The odd part of the greatest common divisor of `a` and `b`.
const fn odd_divisor(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    if a == 0 || b == 0 {
        let other = a | b;
        return if other == 0 {
            0
        } else {
            other >> other.trailing_zeros()
        };
    }
    a >>= a.trailing_zeros();
    while b != 0 {
        b >>= b.trailing_zeros();
        if a > b {
            (a, b) = (b, a);
        }
        b -= a;
    }
    a
}

/// The inverse of an odd number modulo 2^64, by Newton's iteration: each step doubles the correct bits.
const fn odd_inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    let mut bits = 3;
    while bits < 64 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        bits *= 2;
    }
    inverse
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Zero,
    One,
    Two,
}

struct Stream<'a> {
    values: &'a [i64],
    divisor: Divisor,
}

impl Stream<'_> {
    /// The order that takes the fewest bytes; also how its block is written, if it has only one.
    fn best_order(&self) -> (Order, Option<Plan>) {
        let orders = [Order::One, Order::Two, Order::Zero];
        let costs = orders.map(|order| {
            let (mut bytes, mut blocks, mut plan) = (0_usize, 0, None);
            self.for_each_block(order, |residuals| {
                let block = Plan::of(residuals);
                bytes += block.bytes;
                blocks += 1;
                plan = Some(block);
            });
            (bytes, order, plan.filter(|_| blocks == 1))
        });
        costs
            .into_iter()
            .min_by_key(|(bytes, ..)| *bytes)
            .map_or((Order::One, None), |(_, order, plan)| (order, plan))
    }

    /// Appends what precedes the residuals.
    fn write_head(&self, order: Order, coder: Coder, out: &mut Vec<u8>) {
        let shape = match order {
            Order::Zero => ORDER_0,
            Order::One => ORDER_1,
            Order::Two => ORDER_2,
        };
        let head = shape | coder.number() << CODER_SHIFT;
        let divisor = self.divisor.value();
        if divisor > 1 {
            out.push(head | DIVIDED);
            varint::put_u64(out, divisor);
        } else {
            out.push(head);
        }
        let mut values = self.values.iter().copied();
        let first = values.next().unwrap_or(0);
        put_i64(out, first);
        if matches!(order, Order::Two) {
            let slope = values.next().unwrap_or(first).wrapping_sub(first);
            put_i64(out, self.divisor.divide(slope));
        }
    }

    /// Calls `f` with the residuals, 128 at a time. The first value, and for order 2 the second, has none.
    fn for_each_block(&self, order: Order, f: impl FnMut(&[i64])) {
        if self.values.len() <= SHORT {
            self.for_each_block_of::<SHORT>(order, f);
        } else {
            self.for_each_block_of::<BLOCK>(order, f);
        }
    }

    fn for_each_block_of<const N: usize>(&self, order: Order, mut f: impl FnMut(&[i64])) {
        let divisor = self.divisor;
        let values = self.values;
        let mut residuals = [0; N];
        match order {
            Order::Zero => {
                let first = values.first().copied().unwrap_or(0);
                for block in values.get(1..).unwrap_or_default().chunks(N) {
                    for (to, value) in residuals.iter_mut().zip(block) {
                        *to = divisor.divide(value.wrapping_sub(first));
                    }
                    f(residuals.get(..block.len()).unwrap_or_default());
                }
            }
            Order::One => {
                let before = values.chunks(N);
                for (before, after) in before.zip(values.get(1..).unwrap_or_default().chunks(N)) {
                    for ((to, a), b) in residuals.iter_mut().zip(before).zip(after) {
                        *to = divisor.divide(b.wrapping_sub(*a));
                    }
                    f(residuals.get(..after.len()).unwrap_or_default());
                }
            }
            Order::Two => {
                let before = values.chunks(N);
                let middle = values.get(1..).unwrap_or_default().chunks(N);
                let after = values.get(2..).unwrap_or_default().chunks(N);
                for ((before, middle), after) in before.zip(middle).zip(after) {
                    for (((to, a), b), c) in residuals.iter_mut().zip(before).zip(middle).zip(after)
                    {
                        let bent = c.wrapping_sub(*b).wrapping_sub(b.wrapping_sub(*a));
                        *to = divisor.divide(bent);
                    }
                    f(residuals.get(..after.len()).unwrap_or_default());
                }
            }
        }
    }
}

/// The coder of the residuals of the stream that `bytes` begin with: `Some(None)` for one without residuals, `None` for
/// what is no stream.
pub(super) fn coder_of(bytes: &[u8]) -> Option<Option<Coder>> {
    let head = *bytes.first()?;
    let coder = Coder::of_number(head >> CODER_SHIFT)?;
    match head & SHAPE_MASK {
        CONSTANT | LINEAR => Some(None),
        ORDER_0 | ORDER_1 | ORDER_2 => Some(Some(coder)),
        _ => None,
    }
}

/// A stream without residuals: `first + i * slope`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) first: i64,
    pub(super) slope: i64,
}

/// Reads the first value of a stream, and all of it when it is a line.
pub(super) fn start(reader: &mut Reader<'_>) -> Result<(i64, Option<Line>)> {
    let head = reader.u8()?;
    if head & DIVIDED > 0 {
        reader.varint_u64()?;
    }
    let first = reader.varint_i64()?;
    let slope = match head & SHAPE_MASK {
        CONSTANT => Some(0),
        LINEAR => Some(reader.varint_i64()?),
        _ => None,
    };
    Ok((first, slope.map(|slope| Line { first, slope })))
}

/// Reads `count` values and hands them to `f` in order, at most 128 at a time.
pub(super) fn decode(
    reader: &mut Reader<'_>,
    count: usize,
    mut f: impl FnMut(&[i64]),
) -> Result<()> {
    if count == 0 {
        return Ok(());
    }
    let head = reader.u8()?;
    let coder = match Coder::of_number(head >> CODER_SHIFT) {
        Some(Coder::Blocks) => Coder::Blocks,
        Some(coder) if matches!(head & SHAPE_MASK, ORDER_0 | ORDER_1 | ORDER_2) => coder,
        _ => return Err(reader.corrupt("unknown coder in the head of an integer stream")),
    };
    let divisor = if head & DIVIDED > 0 {
        reader.varint_u64()?.cast_signed()
    } else {
        1
    };
    let first = reader.varint_i64()?;
    match head & SHAPE_MASK {
        CONSTANT => line(first, 0, count, f),
        LINEAR => line(first, reader.varint_i64()?, count, f),
        ORDER_0 => {
            f(&[first]);
            return residuals::decode(coder, reader, count - 1, |residuals| {
                for value in residuals.iter_mut() {
                    *value = first.wrapping_add(value.wrapping_mul(divisor));
                }
                f(residuals);
            });
        }
        ORDER_1 => {
            f(&[first]);
            let mut last = first;
            return residuals::decode(coder, reader, count - 1, |residuals| {
                multiply(residuals, divisor);
                for value in residuals.iter_mut() {
                    last = last.wrapping_add(*value);
                    *value = last;
                }
                f(residuals);
            });
        }
        ORDER_2 => {
            if count < 2 {
                return Err(reader.corrupt("one value has no second difference"));
            }
            let mut slope = reader.varint_i64()?.wrapping_mul(divisor);
            let mut last = first.wrapping_add(slope);
            f(&[first, last]);
            return residuals::decode(coder, reader, count - 2, |residuals| {
                multiply(residuals, divisor);
                for value in residuals.iter_mut() {
                    slope = slope.wrapping_add(*value);
                    last = last.wrapping_add(slope);
                    *value = last;
                }
                f(residuals);
            });
        }
        _ => return Err(reader.corrupt("unknown shape of an integer stream")),
    }
    Ok(())
}

/// Multiplies by a divisor that residuals were divided by, which most were not.
#[inline]
fn multiply(residuals: &mut [i64], divisor: i64) {
    if divisor != 1 {
        for value in residuals {
            *value = value.wrapping_mul(divisor);
        }
    }
}

fn line(first: i64, slope: i64, count: usize, mut f: impl FnMut(&[i64])) {
    let mut block = [0; BLOCK];
    let mut next = first;
    let mut left = count;
    while left > 0 {
        let taken = left.min(BLOCK);
        for value in &mut block {
            *value = next;
            next = next.wrapping_add(slope);
        }
        f(block.get(..taken).unwrap_or_default());
        left -= taken;
    }
}
