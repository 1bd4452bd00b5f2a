//! Fixed-width bit packing of up to 128 integers: value `i` of width `w` takes bits `i*w .. (i+1)*w`, lowest bit first.

use super::block::BLOCK;

/// Eight values of 64 bits, and eight bytes that a load of the last of them may touch.
const WINDOW: usize = 8 * 8 + 8;
/// A packed block of the greatest width, and what the window of its last group reaches beyond it.
const PADDED: usize = BLOCK * 8 + WINDOW;

/// Bytes that `count` values of `width` bits take.
pub(super) const fn packed_len(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Appends the low `width` bits (at most 64) of every value; higher bits must be zero.
pub(super) fn pack(values: &[u64], width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let end = out.len() + packed_len(values.len(), width);
    let mut word = 0_u64;
    let mut filled = 0;
    for &value in values {
        word |= value << filled;
        filled += width;
        if filled >= 64 {
            out.extend_from_slice(&word.to_le_bytes());
            filled -= 64;
            // The shift is by 64 when the value ended exactly with the word; nothing is left of it then.
            word = value.checked_shr(width - filled).unwrap_or(0);
        }
    }
    out.extend_from_slice(&word.to_le_bytes());
    out.truncate(end);
}

/// Reads `count` (at most 128) values of `width` (at most 64) bits out of `packed`, which has
/// [`packed_len`] bytes; bytes that are missing read as zero. Values of `out` from `count` on are unspecified.
pub(super) fn unpack(packed: &[u8], count: usize, width: u32, out: &mut [u64; BLOCK]) {
    let mut padded = [0; PADDED];
    for (to, &from) in padded.iter_mut().zip(packed) {
        *to = from;
    }
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                0 => out.fill(0),
                $($width => unpack_groups::<$width>(&padded, count, out),)*
                _ => unpack_groups::<64>(&padded, count, out),
            }
        };
    }
    by_width!(
        1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
        33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
    );
}

/// Eight values take exactly `WIDTH` bytes, so within a group every offset and shift is a constant.
fn unpack_groups<const WIDTH: usize>(padded: &[u8; PADDED], count: usize, out: &mut [u64; BLOCK]) {
    let groups = out.chunks_exact_mut(8).take(count.div_ceil(8));
    for (group, to) in groups.enumerate() {
        let window = padded
            .get(group * WIDTH..)
            .and_then(|rest| rest.first_chunk());
        let Some(window) = window else { return };
        for (at, value) in to.iter_mut().enumerate() {
            *value = extract::<WIDTH>(window, at * WIDTH);
        }
    }
}

#[inline(always)]
fn extract<const WIDTH: usize>(window: &[u8; WINDOW], bit: usize) -> u64 {
    let (byte, shift) = (bit / 8, bit % 8);
    let low = load(window, byte) >> shift;
    let value = if WIDTH + 7 > 64 && shift > 0 {
        low | (load(window, byte + 8) << (64 - shift))
    } else {
        low
    };
    value & (u64::MAX >> (64 - WIDTH))
}

/// The eight bytes from `at` on; those beyond the window are zero.
#[inline(always)]
fn load(window: &[u8; WINDOW], at: usize) -> u64 {
    let bytes = window.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_value_is_in_the_lowest_bits() {
        let mut out = Vec::new();
        pack(&[1, 2, 3], 3, &mut out);
        assert_eq!(out, [0b1101_0001, 0]);
    }

    proptest! {
        #[test]
        fn every_width_comes_back(
            values in proptest::collection::vec(any::<u64>(), 1..=BLOCK),
            width in 0_u32..=64,
        ) {
            let mask = u64::MAX.checked_shr(64 - width).unwrap_or(0);
            let values: Vec<u64> = values.into_iter().map(|value| value & mask).collect();
            let mut packed = vec![7];
            pack(&values, width, &mut packed);
            prop_assert_eq!(packed.len(), 1 + packed_len(values.len(), width));
            let mut out = [u64::MAX; BLOCK];
            unpack(&packed[1..], values.len(), width, &mut out);
            prop_assert_eq!(&out[..values.len()], &values[..]);
        }
    }
}
