//! A cursor over one message.

use crate::{Error, Result};

/// How many numbers a repeated field may have; packed ones take eight times the room of their bytes.
pub const NUMBERS_MAX: usize = 1 << 20;

/// A cursor over the bytes of one message.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Where `bytes` begins in the outermost message, for errors.
    base: usize,
    message: &'static str,
}

/// A field's number and the kind of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The number, from 1 to 2^29 - 1.
    pub field: u32,
    /// The kind of content.
    pub wire: WireType,
}

/// The kinds of content. Groups, which nobody has sent for many years, are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireType {
    /// An integer or a bool, 1 to 10 bytes.
    Varint,
    /// 8 bytes.
    Fixed64,
    /// A length and so many bytes: text, bytes, a message, packed numbers.
    Bytes,
    /// 4 bytes.
    Fixed32,
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `bytes`, which errors call `message`.
    #[must_use]
    pub const fn new(bytes: &'a [u8], message: &'static str) -> Self {
        Self {
            bytes,
            position: 0,
            base: 0,
            message,
        }
    }

    /// Whether everything has been read.
    #[inline]
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// Where the cursor is in this message.
    #[inline]
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// The bytes from `start`, a former position, to the cursor; none when `start` lies behind it.
    #[inline]
    #[must_use]
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.position).unwrap_or_default()
    }

    /// The bytes from the cursor to the end of this message.
    #[inline]
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// An error that names this message and the cursor's place.
    #[cold]
    #[must_use]
    pub const fn malformed(&self, reason: &'static str) -> Error {
        Error {
            message: self.message,
            offset: self.base + self.position,
            reason,
        }
    }

    /// The next byte, without moving.
    #[inline]
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    /// A varint as it stands: int64, uint64, int32, uint32, bool and enums are cut from it.
    ///
    /// # Errors
    /// When it is cut short or longer than 64 bits.
    #[inline]
    pub fn varint(&mut self) -> Result<u64> {
        match self.rest() {
            [byte, ..] if *byte < 0x80 => {
                self.position += 1;
                Ok(u64::from(*byte))
            }
            [low, high, ..] if *high < 0x80 => {
                self.position += 2;
                Ok(u64::from(low & 0x7f) | u64::from(*high) << 7)
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

    /// The tag of the next field.
    ///
    /// # Errors
    /// When there is none, when its number is out of range, or when its kind of content is unknown.
    #[inline]
    pub fn tag(&mut self) -> Result<Tag> {
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
    ///
    /// # Errors
    /// When a field has another kind than `kind` gives, or what is skipped is no protobuf.
    #[inline]
    pub fn field(&mut self, kind: impl Fn(u32) -> Option<WireType>) -> Result<Option<u32>> {
        while !self.is_at_end() {
            let tag = self.tag()?;
            match kind(tag.field) {
                Some(wire) => {
                    self.expect(tag, wire)?;
                    return Ok(Some(tag.field));
                }
                None => self.skip(tag.wire)?,
            }
        }
        Ok(None)
    }

    /// Refuses a known field whose content is of the wrong kind.
    ///
    /// # Errors
    /// When it is.
    #[inline]
    pub fn expect(&self, tag: Tag, wire: WireType) -> Result<()> {
        if tag.wire == wire {
            Ok(())
        } else {
            Err(self.malformed("a known field has the wrong wire type"))
        }
    }

    /// Eight bytes as a number.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn fixed64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take_array()?))
    }

    /// Eight bytes as a float.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn double(&mut self) -> Result<f64> {
        Ok(f64::from_bits(self.fixed64()?))
    }

    #[inline]
    fn take_array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.rest().first_chunk::<N>() {
            Some(array) => {
                self.position += N;
                Ok(*array)
            }
            None => Err(self.malformed("a fixed number is cut short")),
        }
    }

    /// The bytes behind a length.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
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

    /// A reader of the bytes behind a length as a message of its own, which errors call `message`.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn message(&mut self, message: &'static str) -> Result<Self> {
        let bytes = self.bytes()?;
        Ok(Self {
            bytes,
            position: 0,
            base: self.base + self.position - bytes.len(),
            message,
        })
    }

    /// The text behind a length.
    ///
    /// # Errors
    /// When fewer bytes are left, or they are not UTF-8.
    #[inline]
    pub fn text(&mut self) -> Result<&'a str> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.malformed("a text is not valid UTF-8"))
    }

    /// Passes over content of kind `wire`.
    ///
    /// # Errors
    /// When it is cut short.
    #[inline]
    pub fn skip(&mut self, wire: WireType) -> Result<()> {
        match wire {
            WireType::Varint => self.varint().map(drop),
            WireType::Fixed64 => self.take_array::<8>().map(drop),
            WireType::Bytes => self.bytes().map(drop),
            WireType::Fixed32 => self.take_array::<4>().map(drop),
        }
    }

    /// Passes over fields that have a length and begin with the byte `tag`, as long as they come one after the other.
    ///
    /// # Errors
    /// When one is cut short.
    #[inline]
    pub fn skip_run(&mut self, tag: u8) -> Result<()> {
        while self.peek() == Some(tag) {
            self.position += 1;
            self.bytes()?;
        }
        Ok(())
    }

    /// The numbers of a repeated field, packed or not, each read by `read`; unpacked they have the kind `element`.
    ///
    /// # Errors
    /// When the field has another kind, what `read` says, or when `out` comes to more than [`NUMBERS_MAX`].
    pub fn repeated<T, E: From<Error>>(
        &mut self,
        tag: Tag,
        element: WireType,
        out: &mut Vec<T>,
        read: impl Fn(&mut Self) -> std::result::Result<T, E>,
    ) -> std::result::Result<(), E> {
        if tag.wire == element {
            out.push(read(self)?);
        } else if tag.wire == WireType::Bytes {
            let mut packed = self.message(self.message)?;
            while !packed.is_at_end() && out.len() <= NUMBERS_MAX {
                out.push(read(&mut packed)?);
            }
        } else {
            return Err(self
                .malformed("a known field has the wrong wire type")
                .into());
        }
        if out.len() > NUMBERS_MAX {
            let reason = "a repeated field has more than a million numbers";
            return Err(self.malformed(reason).into());
        }
        Ok(())
    }
}

/// Undoes the zigzag of sint32, of which the low 32 bits count.
#[inline]
#[must_use]
pub const fn zigzag32(value: u64) -> i32 {
    let value = value as u32;
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

/// Undoes the zigzag of sint64.
#[inline]
#[must_use]
pub const fn zigzag64(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
        result.unwrap_err().reason
    }

    #[test]
    fn a_run_of_fields_ends_at_another_one() {
        let mut reader = Reader::new(b"\x0a\x02up\x0a\x00\x12\x00\x0a\x00", "m");
        assert_eq!(reader.skip_run(0x0a), Ok(()));
        assert_eq!(reader.position(), 6);
        assert_eq!(reader.skip_run(0x0a), Ok(()));
        assert_eq!(reader.position(), 6);
        let mut cut = Reader::new(b"\x0a\x02u", "m");
        assert!(reason(cut.skip_run(0x0a)).contains("passes the end"));
        let mut bare = Reader::new(b"\x0a", "m");
        assert!(reason(bare.skip_run(0x0a)).contains("cut short"));
    }

    #[test]
    fn varints_of_every_length_are_read() {
        for (bytes, value) in [
            (&[0][..], 0),
            (&[0x7f], 127),
            (&[0x80, 0x01], 128),
            (
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
                u64::MAX,
            ),
        ] {
            let mut reader = Reader::new(bytes, "m");
            assert_eq!(reader.varint(), Ok(value));
            assert!(reader.is_at_end());
        }
        fn read(bytes: &[u8]) -> Result<u64> {
            Reader::new(bytes, "m").varint()
        }
        assert_eq!(reason(read(&[0x80])), "a varint is cut short");
        assert_eq!(reason(read(&[0xff; 10])), "a varint passes 64 bits");
    }

    #[test]
    fn tags_out_of_range_and_groups_are_refused() {
        fn read(bytes: &[u8]) -> Result<Tag> {
            Reader::new(bytes, "m").tag()
        }
        assert_eq!(
            read(&[0x0d]),
            Ok(Tag {
                field: 1,
                wire: WireType::Fixed32
            })
        );
        assert_eq!(reason(read(&[0x02])), "a field number out of range");
        assert_eq!(
            reason(read(&[0x80, 0x80, 0x80, 0x80, 0x10])),
            "a field number out of range"
        );
        for group in [0x0b, 0x0c, 0x0e] {
            assert_eq!(reason(read(&[group])), "an unknown wire type");
        }
    }

    #[test]
    fn errors_count_from_the_start_of_the_outermost_message() {
        let mut outer = Reader::new(b"\x0a\x03\x12\x05x", "Outer");
        outer.tag().unwrap();
        let mut inner = outer.message("Inner").unwrap();
        inner.tag().unwrap();
        let error = inner.bytes().unwrap_err();
        assert_eq!(
            error.to_string(),
            "Inner is malformed at byte 4: a length passes the end of the message"
        );
    }

    #[test]
    fn numbers_are_read_packed_and_not_and_no_more_than_allowed() {
        let mut numbers = Vec::new();
        let mut reader = Reader::new(&[0x08, 5, 0x0a, 2, 6, 7], "m");
        while !reader.is_at_end() {
            let tag = reader.tag().unwrap();
            reader
                .repeated(tag, WireType::Varint, &mut numbers, Reader::varint)
                .unwrap();
        }
        assert_eq!(numbers, [5, 6, 7]);
        let mut endless = vec![0x0a, 0x81, 0x80, 0x40];
        endless.resize(4 + NUMBERS_MAX + 1, 0);
        let mut reader = Reader::new(&endless, "m");
        let tag = reader.tag().unwrap();
        let mut numbers = Vec::new();
        let refused = reader.repeated(tag, WireType::Varint, &mut numbers, Reader::varint);
        assert!(reason(refused).contains("more than a million"));
        assert_eq!(numbers.len(), NUMBERS_MAX + 1);
    }

    #[test]
    fn zigzag_undoes_its_signs() {
        assert_eq!([0, 1, 2, 3].map(zigzag64), [0, -1, 1, -2]);
        assert_eq!([0, 1, 2, 0xffff_ffff].map(zigzag32), [0, -1, 1, i32::MIN]);
        assert_eq!(zigzag64(u64::MAX), i64::MIN);
    }
}
