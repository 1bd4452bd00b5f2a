//! A position in bytes that knows what it is reading.

use crate::varint::{BYTES_MAX, unzigzag};
use crate::{Error, Result};

/// Reads a structure from front to back; every error says which structure and at which byte.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
    total: usize,
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`, which are (or should be) a `what`.
    #[must_use]
    pub const fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self {
            what,
            rest: bytes,
            total: bytes.len(),
        }
    }

    /// Bytes read so far.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.total - self.rest.len()
    }

    /// Bytes not read yet.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// An error for a rule that the bytes at this position break.
    #[must_use]
    pub const fn corrupt(&self, reason: &'static str) -> Error {
        Error::Corrupt {
            what: self.what,
            offset: self.offset(),
            reason,
        }
    }

    /// Reads `len` bytes as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] when fewer are left.
    #[inline]
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8]> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.truncated());
        };
        self.rest = rest;
        Ok(head)
    }

    /// Reads `N` bytes as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] when fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.truncated());
        };
        self.rest = rest;
        Ok(*head)
    }

    /// Reads one byte.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] at the end.
    #[inline]
    pub fn u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Reads two bytes, little endian.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] when fewer are left.
    #[inline]
    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Reads four bytes, little endian.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] when fewer are left.
    #[inline]
    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Reads eight bytes, little endian.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] when fewer are left.
    #[inline]
    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads eight bytes, little endian, two's complement.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] when fewer are left.
    #[inline]
    pub fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// Reads the eight bytes of a double, little endian; every bit pattern is one.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] when fewer are left.
    #[inline]
    pub fn f64(&mut self) -> Result<f64> {
        self.u64().map(f64::from_bits)
    }

    /// Reads a varint.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] when the bytes end inside it, [`Error::Corrupt`] when it has more than 64 bits.
    #[inline]
    pub fn varint_u64(&mut self) -> Result<u64> {
        if let Some((&byte, rest)) = self.rest.split_first()
            && byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(byte));
        }
        self.varint_slow()
    }

    fn varint_slow(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for (at, &byte) in self.rest.iter().enumerate() {
            if at + 1 == BYTES_MAX && byte > 1 {
                return Err(self.corrupt("a varint has more than 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.bytes(at + 1)?;
                return Ok(value);
            }
        }
        Err(Error::Truncated {
            what: self.what,
            offset: self.total,
        })
    }

    /// Reads a zigzagged varint.
    ///
    /// # Errors
    ///
    /// As [`Self::varint_u64`].
    #[inline]
    pub fn varint_i64(&mut self) -> Result<i64> {
        self.varint_u64().map(unzigzag)
    }

    /// Reads a varint that fits 32 bits.
    ///
    /// # Errors
    ///
    /// As [`Self::varint_u64`], and [`Error::TooLarge`] above `u32::MAX`.
    #[inline]
    pub fn varint_u32(&mut self) -> Result<u32> {
        let value = self.varint_u64()?;
        u32::try_from(value).map_err(|_| self.too_large(value, u64::from(u32::MAX)))
    }

    /// Reads a varint that counts or measures something, at most `limit`.
    ///
    /// # Errors
    ///
    /// As [`Self::varint_u64`], and [`Error::TooLarge`] above `limit`.
    #[inline]
    pub fn varint_len(&mut self, limit: usize) -> Result<usize> {
        let value = self.varint_u64()?;
        match usize::try_from(value) {
            Ok(len) if len <= limit => Ok(len),
            _ => Err(self.too_large(value, limit as u64)),
        }
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when bytes are left over.
    pub const fn finish(&self) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.corrupt("bytes are left over"))
        }
    }

    const fn too_large(&self, value: u64, limit: u64) -> Error {
        Error::TooLarge {
            what: self.what,
            value,
            limit,
        }
    }

    const fn truncated(&self) -> Error {
        Error::Truncated {
            what: self.what,
            offset: self.total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_widths_are_little_endian() {
        let mut reader = Reader::new("test", &[1, 2, 0, 3, 0, 0, 0, 9]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.u32(), Ok(3));
        assert_eq!((reader.offset(), reader.remaining()), (7, 1));
        assert!(matches!(
            reader.finish(),
            Err(Error::Corrupt { offset: 7, .. })
        ));
    }

    #[test]
    fn what_and_where_are_in_the_message() {
        let error = Reader::new("manifest edit", &[1]).u32().unwrap_err();
        assert_eq!(error.to_string(), "manifest edit ends early, at byte 1");
    }

    #[test]
    fn a_length_above_its_limit_is_refused() {
        let mut reader = Reader::new("test", &[5]);
        assert_eq!(
            reader.varint_len(4),
            Err(Error::TooLarge {
                what: "test",
                value: 5,
                limit: 4
            })
        );
    }
}
