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

    pub(crate) fn malformed(&self, reason: &str) -> Error {
        let (message, offset) = (self.message, self.base + self.position);
        Error::Protobuf {
            reason: format!("{message} is malformed at byte {offset}: {reason}"),
        }
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

    /// The next field of a message whose fields have the kinds that `kind` gives; fields of no kind are skipped.
    ///
    /// `None` at the end of the message.
    #[inline]
    pub(crate) fn field(&mut self, kind: impl Fn(u32) -> Option<WireType>) -> Result<Option<u32>> {
        while !self.is_at_end() {
            let tag = self.tag()?;
            match kind(tag.field) {
                Some(wire) if wire == tag.wire => return Ok(Some(tag.field)),
                Some(_) => return Err(self.malformed("a known field has the wrong wire type")),
                None => self.skip(tag.wire)?,
            }
        }
        Ok(None)
    }

    pub(crate) fn fixed64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take_array()?))
    }

    pub(crate) fn double(&mut self) -> Result<f64> {
        Ok(f64::from_bits(self.fixed64()?))
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        match rest.first_chunk::<N>() {
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
    #[inline]
    pub(crate) fn message(&mut self, message: &'static str) -> Result<Self> {
        let bytes = self.bytes()?;
        Ok(Self {
            bytes,
            position: 0,
            base: self.base + self.position - bytes.len(),
            message,
        })
    }

    #[inline]
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

    /// The numbers of a repeated field, packed or not, each read by `read`; unpacked they have the kind `element`.
    pub(crate) fn repeated<T>(
        &mut self,
        tag: Tag,
        element: WireType,
        out: &mut Vec<T>,
        read: impl Fn(&mut Self) -> Result<T>,
    ) -> Result<()> {
        if tag.wire == element {
            out.push(read(self)?);
        } else if tag.wire == WireType::Bytes {
            let mut packed = self.message(self.message)?;
            while !packed.is_at_end() {
                out.push(read(&mut packed)?);
            }
        } else {
            return Err(self.malformed("a known field has the wrong wire type"));
        }
        if out.len() > NUMBERS_MAX {
            return Err(self.malformed("a repeated field has more than a million numbers"));
        }
        Ok(())
    }
}

/// How many numbers a repeated field may have; packed ones take eight times the room of their bytes.
const NUMBERS_MAX: usize = 1 << 20;

/// Undoes the zigzag of sint32, of which the low 32 bits count.
pub(crate) fn zigzag32(value: u64) -> i32 {
    let value = value as u32;
    (value >> 1) as i32 ^ -((value & 1) as i32)
}
