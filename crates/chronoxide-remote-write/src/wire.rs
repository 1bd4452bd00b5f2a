//! Protobuf's wire format, read in place (protobuf.dev, "Encoding").

use crate::{Error, Result};

/// A cursor over the bytes of one message.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Where `bytes` begins in the request, for error messages.
    base: usize,
    message: &'static str,
}

/// A field's number and the kind of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) field: u32,
    pub(crate) wire: WireType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireType {
    Varint,
    Fixed64,
    Bytes,
    Fixed32,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], message: &'static str) -> Self {
        Self {
            bytes,
            position: 0,
            base: 0,
            message,
        }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.position >= self.bytes.len()
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// The bytes from `start` to the cursor.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.position]
    }

    pub(crate) fn malformed(&self, reason: &'static str) -> Error {
        Error::Malformed {
            message: self.message,
            offset: self.base + self.position,
            reason,
        }
    }

    /// The next byte, without moving.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64> {
        match self.bytes.get(self.position) {
            Some(byte) if *byte < 0x80 => {
                self.position += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let Some(byte) = self.bytes.get(self.position) else {
                return Err(self.malformed("a varint is cut short"));
            };
            self.position += 1;
            if shift == 63 && *byte > 1 {
                return Err(self.malformed("a varint passes 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.malformed("a varint passes ten bytes"))
    }

    #[inline]
    pub(crate) fn tag(&mut self) -> Result<Tag> {
        let key = self.varint()?;
        let wire = match key & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Bytes,
            5 => WireType::Fixed32,
            _ => return Err(self.malformed("an unknown wire type")),
        };
        match u32::try_from(key >> 3) {
            Ok(field) if field != 0 && field < (1 << 29) => Ok(Tag { field, wire }),
            _ => Err(self.malformed("a field number out of range")),
        }
    }

    pub(crate) fn fixed64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take_array()?))
    }

    pub(crate) fn double(&mut self) -> Result<f64> {
        Ok(f64::from_bits(self.fixed64()?))
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self
            .bytes
            .get(self.position..)
            .and_then(|rest| rest.first_chunk::<N>())
        {
            Some(array) => {
                self.position += N;
                Ok(*array)
            }
            None => Err(self.malformed("a fixed number is cut short")),
        }
    }

    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.varint()?;
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| self.position.checked_add(length));
        match end.and_then(|end| self.bytes.get(self.position..end)) {
            Some(bytes) => {
                self.position += bytes.len();
                Ok(bytes)
            }
            None => Err(self.malformed("a length passes the end of the message")),
        }
    }

    /// A reader of the next field's bytes as a message of its own.
    pub(crate) fn message(&mut self, message: &'static str) -> Result<Self> {
        let bytes = self.bytes()?;
        Ok(Self {
            bytes,
            position: 0,
            base: self.base + self.position - bytes.len(),
            message,
        })
    }

    pub(crate) fn text(&mut self) -> Result<&'a str> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.malformed("a text is not valid UTF-8"))
    }

    pub(crate) fn skip(&mut self, wire: WireType) -> Result<()> {
        match wire {
            WireType::Varint => self.varint().map(drop),
            WireType::Fixed64 => self.take_array::<8>().map(drop),
            WireType::Bytes => self.bytes().map(drop),
            WireType::Fixed32 => self.take_array::<4>().map(drop),
        }
    }

    /// Refuses a known field whose content is of the wrong kind.
    pub(crate) fn expect(&self, tag: Tag, wire: WireType) -> Result<()> {
        if tag.wire == wire {
            Ok(())
        } else {
            Err(self.malformed("a known field has the wrong wire type"))
        }
    }

    /// The numbers of a repeated varint field, packed or not, one call for each occurrence.
    pub(crate) fn repeated_varint(&mut self, tag: Tag, mut push: impl FnMut(u64)) -> Result<()> {
        match tag.wire {
            WireType::Varint => push(self.varint()?),
            WireType::Bytes => {
                let mut packed = self.message(self.message)?;
                while !packed.is_at_end() {
                    push(packed.varint()?);
                }
            }
            _ => return Err(self.malformed("a known field has the wrong wire type")),
        }
        Ok(())
    }

    /// The numbers of a repeated double field, packed or not, one call for each occurrence.
    pub(crate) fn repeated_double(&mut self, tag: Tag, mut push: impl FnMut(f64)) -> Result<()> {
        match tag.wire {
            WireType::Fixed64 => push(self.double()?),
            WireType::Bytes => {
                let mut packed = self.message(self.message)?;
                while !packed.is_at_end() {
                    push(packed.double()?);
                }
            }
            _ => return Err(self.malformed("a known field has the wrong wire type")),
        }
        Ok(())
    }
}

/// Undoes the zigzag of sint32 and sint64.
pub(crate) fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
