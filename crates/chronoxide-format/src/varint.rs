//! Variable-length integers: seven bits a byte, lowest first, the top bit saying that more follow (LEB128).
//!
//! Signed integers go through zigzag first, so that small magnitudes of either sign are short. Reading is a method of
//! [`Reader`](crate::Reader), which knows what it reads and where.

/// The most bytes one integer takes.
pub const BYTES_MAX: usize = 10;

/// Appends `value` in 1 to 10 bytes.
pub fn put_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

/// Appends `value` in 1 to 5 bytes.
pub fn put_u32(out: &mut Vec<u8>, value: u32) {
    put_u64(out, u64::from(value));
}

/// Appends a length or count in 1 to 10 bytes.
pub fn put_usize(out: &mut Vec<u8>, value: usize) {
    put_u64(out, value as u64);
}

/// Appends `value`, zigzagged, in 1 to 10 bytes.
pub fn put_i64(out: &mut Vec<u8>, value: i64) {
    put_u64(out, zigzag(value));
}

/// How many bytes [`put_u64`] takes for `value`.
#[must_use]
pub const fn len_u64(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Maps 0, -1, 1, -2, 2, ... to 0, 1, 2, 3, 4, ...
#[inline]
#[must_use]
pub const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// The inverse of [`zigzag`].
#[inline]
#[must_use]
pub const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg()
}

const fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Error, Reader};

    fn written(value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put_u64(&mut out, value);
        out
    }

    #[test]
    fn small_integers_take_one_byte() {
        assert_eq!(written(0), [0]);
        assert_eq!(written(127), [127]);
        assert_eq!(written(128), [0x80, 1]);
        assert_eq!(written(u64::MAX).len(), BYTES_MAX);
    }

    #[test]
    fn zigzag_interleaves_the_signs() {
        assert_eq!([0, -1, 1, -2, 2].map(zigzag), [0, 1, 2, 3, 4]);
        assert_eq!(zigzag(i64::MIN), u64::MAX);
    }

    #[test]
    fn an_eleventh_byte_or_a_65th_bit_is_refused() {
        let mut bytes = vec![0xff; 10];
        let error = Reader::new("test", &bytes).varint_u64();
        assert!(matches!(error, Err(Error::Corrupt { .. })), "{error:?}");
        bytes[9] = 2;
        let error = Reader::new("test", &bytes).varint_u64();
        assert!(matches!(error, Err(Error::Corrupt { .. })), "{error:?}");
    }

    proptest! {
        #[test]
        fn integers_come_back(value: u64, shift in 0_u32..64) {
            let value = value >> shift;
            let bytes = written(value);
            prop_assert_eq!(bytes.len(), len_u64(value));
            let mut reader = Reader::new("test", &bytes);
            prop_assert_eq!(reader.varint_u64(), Ok(value));
            prop_assert_eq!(reader.finish(), Ok(()));
            prop_assert_eq!(unzigzag(value), unzigzag(zigzag(unzigzag(value))));
            prop_assert_eq!(zigzag(unzigzag(value)), value);
        }

        #[test]
        fn every_prefix_is_truncated(value: u64) {
            let bytes = written(value);
            for end in 0..bytes.len() {
                let error = Reader::new("test", &bytes[..end]).varint_u64();
                prop_assert_eq!(error, Err(Error::Truncated { what: "test", offset: end }));
            }
        }
    }
}
