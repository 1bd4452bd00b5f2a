//! Patched bit packing of up to 128 residuals.
//!
//! A block picks, by size, between zigzag and offsets from its least residual, and a width that all but a few values
//! fit. The high bits of those few are patches, kept apart with their positions.

use super::bits::{pack, packed_len, unpack};
use crate::varint::{len_u64, put_i64, unzigzag, zigzag};
use crate::{Reader, Result};

/// Residuals of a full block.
pub(super) const BLOCK: usize = 128;

const WIDTH_MASK: u8 = 0x3f;
/// The residuals are offsets from a base that follows, not zigzagged.
const BASED: u8 = 0x40;
/// Patches precede the packed values.
const PATCHED: u8 = 0x80;
/// Width 64 takes the place of 63 among the six bits of a width.
const WIDEST: u8 = 63;

/// How a block will be written, and in how many bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    base: Option<i64>,
    width: u32,
    patches: usize,
    patch_width: u32,
    pub(super) bytes: usize,
}

/// How many of at most 128 values have each bit length.
struct Lengths([u8; 65]);

impl Lengths {
    fn of(values: &[u64]) -> Self {
        if values.len() <= SHORT {
            let mut tally = [0; 65];
            for &value in values {
                count(&mut tally, value);
            }
            return Self(tally);
        }
        // Four tallies, because counting the same length twice in a row in one waits for the first to be stored.
        let mut tallies = [[0_u8; 65]; 4];
        let (fours, rest) = values.as_chunks::<4>();
        for four in fours {
            for (tally, &value) in tallies.iter_mut().zip(four) {
                count(tally, value);
            }
        }
        for (tally, &value) in tallies.iter_mut().zip(rest) {
            count(tally, value);
        }
        let [mut sum, rest @ ..] = tallies;
        for tally in rest {
            for (sum, count) in sum.iter_mut().zip(tally) {
                *sum += count;
            }
        }
        Self(sum)
    }

    /// How many values are one bit longer than `width`.
    fn longer(&self, width: u32) -> u8 {
        self.0.get(width as usize + 1).copied().unwrap_or(0)
    }

    /// The best width for `count` values.
    fn plan(&self, count: usize, base: Option<i64>) -> Plan {
        let mut lengths = (0..=64).rev().zip(self.0.iter().rev());
        let longest = lengths
            .find(|(_, count)| **count > 0)
            .map_or(0, |(length, _)| length);
        let head = 1 + base.map_or(0, |base| len_u64(zigzag(base)));
        let widest = if longest == 63 { 64 } else { longest };
        let mut best = Plan {
            base,
            width: widest,
            patches: 0,
            patch_width: 0,
            bytes: head + packed_len(count, widest),
        };
        let mut patches = 0;
        for width in (0..longest).rev() {
            patches += usize::from(self.longer(width));
            let positions = positions_len(patches, count);
            let patch_width = longest - width;
            let bytes =
                head + packed_len(count, width) + 2 + positions + packed_len(patches, patch_width);
            if bytes < best.bytes && width < u32::from(WIDEST) {
                best = Plan {
                    base,
                    width,
                    patches,
                    patch_width,
                    bytes,
                };
            }
            // Patches for all take no less than the widest values do, and narrower ones yet more of them.
            if patches == count && longest == widest {
                break;
            }
        }
        best
    }
}

/// Blocks up to this long are worth memory of their own, since chunks of few samples are many.
pub(super) const SHORT: usize = 16;

/// Calls `use_them` with what `map` makes of at most 128 residuals.
fn with_mapped<T>(
    residuals: &[i64],
    map: impl Fn(i64) -> u64,
    use_them: impl FnOnce(&mut [u64]) -> T,
) -> T {
    let (mut short, mut long);
    let all: &mut [u64] = if residuals.len() <= SHORT {
        short = [0; SHORT];
        &mut short
    } else {
        long = [0; BLOCK];
        &mut long
    };
    let values = all.get_mut(..residuals.len()).unwrap_or_default();
    for (to, &from) in values.iter_mut().zip(residuals) {
        *to = map(from);
    }
    use_them(values)
}

impl Plan {
    /// The smallest way to write `residuals`, of which there are at most 128.
    pub(super) fn of(residuals: &[i64]) -> Self {
        let zigzagged = with_mapped(residuals, zigzag, |values| {
            Lengths::of(values).plan(values.len(), None)
        });
        let base = residuals.iter().copied().min().unwrap_or(0);
        let based = with_mapped(
            residuals,
            |residual| offset(residual, base),
            |values| Lengths::of(values).plan(values.len(), Some(base)),
        );
        if based.bytes < zigzagged.bytes {
            based
        } else {
            zigzagged
        }
    }

    /// Appends `residuals`, those the plan was made of.
    pub(super) fn write(&self, residuals: &[i64], out: &mut Vec<u8>) {
        out.push(self.head());
        if let Some(base) = self.base {
            put_i64(out, base);
        }
        let map = |residual| match self.base {
            Some(base) => offset(residual, base),
            None => zigzag(residual),
        };
        with_mapped(residuals, map, |values| {
            if self.patches > 0 {
                self.write_patches(values, out);
            }
            pack(values, self.width, out);
        });
    }

    fn head(&self) -> u8 {
        let width = u8::try_from(self.width).unwrap_or(WIDEST).min(WIDEST);
        let based = if self.base.is_some() { BASED } else { 0 };
        let patched = if self.patches > 0 { PATCHED } else { 0 };
        width | based | patched
    }

    /// Moves the bits above the width out of `values`.
    fn write_patches(&self, values: &mut [u64], out: &mut Vec<u8>) {
        let mut highs = [0; BLOCK];
        let mut positions = [0_u8; BLOCK];
        let mut patches = 0;
        let slots = highs.iter_mut().zip(&mut positions);
        let longer = (0_u8..)
            .zip(values.iter_mut())
            .filter(|(_, value)| **value >> self.width > 0);
        for ((high, at), (position, value)) in slots.zip(longer) {
            *high = *value >> self.width;
            *value &= (1 << self.width) - 1;
            *at = position;
            patches += 1;
        }
        let positions = positions.get(..patches).unwrap_or_default();
        let highs = highs.get(..patches).unwrap_or_default();
        debug_assert_eq!(patches, self.patches);
        out.extend_from_slice(&[
            low_byte(patches - 1),
            low_byte(self.patch_width as usize - 1),
        ]);
        if patches < bitmap_len(values.len()) {
            out.extend_from_slice(positions);
        } else {
            let mut bitmap = [0_u8; BLOCK / 8];
            for &position in positions {
                if let Some(byte) = bitmap.get_mut(usize::from(position / 8)) {
                    *byte |= 1 << (position % 8);
                }
            }
            out.extend_from_slice(bitmap.get(..bitmap_len(values.len())).unwrap_or_default());
        }
        pack(highs, self.patch_width, out);
    }
}

/// Reads a block of `count` residuals, at most 128, into the first `count` places of `out`.
pub(super) fn read(reader: &mut Reader<'_>, count: usize, out: &mut [i64; BLOCK]) -> Result<()> {
    let head = reader.u8()?;
    let width = match head & WIDTH_MASK {
        WIDEST => 64,
        width => u32::from(width),
    };
    let base = if head & BASED > 0 {
        Some(reader.varint_i64()?)
    } else {
        None
    };
    let mut values = [0; BLOCK];
    let patches = if head & PATCHED > 0 {
        Some(Patches::read(reader, count, width)?)
    } else {
        None
    };
    unpack(
        reader.bytes(packed_len(count, width))?,
        count,
        width,
        &mut values,
    );
    if let Some(patches) = patches {
        patches.apply(width, &mut values);
    }
    match base {
        Some(base) => {
            for (to, from) in out.iter_mut().zip(values) {
                *to = base.wrapping_add(from.cast_signed());
            }
        }
        None => {
            for (to, from) in out.iter_mut().zip(values) {
                *to = unzigzag(from);
            }
        }
    }
    Ok(())
}

struct Patches {
    positions: [u8; BLOCK],
    highs: [u64; BLOCK],
    count: usize,
}

impl Patches {
    fn read(reader: &mut Reader<'_>, values: usize, width: u32) -> Result<Self> {
        let count = usize::from(reader.u8()?) + 1;
        let patch_width = u32::from(reader.u8()?) + 1;
        if count > values || width + patch_width > 64 {
            return Err(reader.corrupt("a block's patches do not fit it"));
        }
        let mut positions = [0; BLOCK];
        if count < bitmap_len(values) {
            let list = reader.bytes(count)?;
            let in_order = list.windows(2).all(|pair| pair.first() < pair.last());
            if !in_order || list.last().is_none_or(|&last| usize::from(last) >= values) {
                return Err(reader.corrupt("a block's patches are out of order"));
            }
            for (to, &from) in positions.iter_mut().zip(list) {
                *to = from;
            }
        } else {
            let bitmap = reader.bytes(bitmap_len(values))?;
            let set = (0_u8..)
                .zip(0..values)
                .map(|(position, _)| position)
                .filter(|position| {
                    let byte = bitmap.get(usize::from(position / 8)).copied().unwrap_or(0);
                    byte >> (position % 8) & 1 == 1
                });
            let mut found = 0;
            for (to, position) in positions.iter_mut().zip(set) {
                *to = position;
                found += 1;
            }
            let ones: u32 = bitmap.iter().map(|byte| byte.count_ones()).sum();
            if found != count || ones as usize != count {
                return Err(reader.corrupt("a block's patches are miscounted"));
            }
        }
        let mut highs = [0; BLOCK];
        unpack(
            reader.bytes(packed_len(count, patch_width))?,
            count,
            patch_width,
            &mut highs,
        );
        Ok(Self {
            positions,
            highs,
            count,
        })
    }

    fn apply(&self, width: u32, values: &mut [u64; BLOCK]) {
        for (&position, &high) in self.positions.iter().zip(&self.highs).take(self.count) {
            if let Some(value) = values.get_mut(usize::from(position)) {
                *value |= high << width;
            }
        }
    }
}

#[inline(always)]
fn count(tally: &mut [u8; 65], value: u64) {
    if let Some(count) = tally.get_mut(bit_length(value) as usize) {
        *count += 1;
    }
}

const fn bit_length(value: u64) -> u32 {
    64 - value.leading_zeros()
}

const fn offset(value: i64, base: i64) -> u64 {
    value.wrapping_sub(base).cast_unsigned()
}

const fn bitmap_len(values: usize) -> usize {
    values.div_ceil(8)
}

fn positions_len(patches: usize, values: usize) -> usize {
    patches.min(bitmap_len(values))
}

const fn low_byte(value: usize) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The least bytes over all ways to write a block, looked for without any shortcut.
    fn least_bytes(residuals: &[i64]) -> usize {
        let base = residuals.iter().copied().min().unwrap();
        let zigzagged: Vec<u64> = residuals.iter().map(|one| zigzag(*one)).collect();
        let based: Vec<u64> = residuals.iter().map(|one| offset(*one, base)).collect();
        let of = |values: &[u64], head: usize| {
            let longest = values.iter().map(|one| bit_length(*one)).max().unwrap();
            let widest = if longest == 63 { 64 } else { longest };
            let patched = (0..longest.min(63)).map(|width| {
                let is_patch = |one: &&u64| bit_length(**one) > width;
                let patches = values.iter().filter(is_patch).count();
                packed_len(values.len(), width)
                    + 2
                    + positions_len(patches, values.len())
                    + packed_len(patches, longest - width)
            });
            head + patched.fold(packed_len(values.len(), widest), usize::min)
        };
        of(&zigzagged, 1).min(of(&based, 1 + len_u64(zigzag(base))))
    }

    proptest! {
        #[test]
        fn no_way_to_write_a_block_is_shorter_than_its_plan(
            residuals in prop::collection::vec(
                (any::<i64>(), 0..64_u32).prop_map(|(number, shift)| number >> shift),
                1..=BLOCK,
            ),
        ) {
            let plan = Plan::of(&residuals);
            prop_assert_eq!(plan.bytes, least_bytes(&residuals));
            let mut out = Vec::new();
            plan.write(&residuals, &mut out);
            prop_assert_eq!(out.len(), plan.bytes);
        }

        #[test]
        fn short_blocks_of_equally_long_residuals_have_no_patches_to_look_for(
            residuals in prop::collection::vec((0..4_i64).prop_map(|low| (1 << 40) + low), 1..=SHORT),
        ) {
            prop_assert_eq!(Plan::of(&residuals).bytes, least_bytes(&residuals));
        }
    }
}
