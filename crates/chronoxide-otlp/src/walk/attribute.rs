//! Attributes and their values.

use chronoxide_protobuf::{Reader, WireType};

use crate::Result;
use crate::memory::Memory;
use crate::view::{Attribute, Value};

/// How deep arrays and maps may stand in one another.
const DEPTH_MAX: u32 = 64;

/// How many values may stand in the arrays and maps of one attribute.
const NESTED_MAX: usize = 1 << 16;

/// Reads a `KeyValue`.
#[inline]
pub(super) fn read_attribute<'a>(
    message: Reader<'a>,
    memory: &Memory<'_>,
) -> Result<Attribute<'a>> {
    let mut nested = Nested { count: 0, memory };
    read_entry(message, 0, &mut nested)
}

/// Values in the arrays and maps of one attribute.
struct Nested<'m> {
    count: usize,
    memory: &'m Memory<'m>,
}

impl Nested<'_> {
    /// Counts one more, and takes memory for it and the room its row grows by.
    fn add(&mut self) -> Result<bool> {
        self.count += 1;
        self.memory.take(2 * size_of::<Attribute<'_>>())?;
        Ok(self.count <= NESTED_MAX)
    }
}

/// Reads a `KeyValue` of the shape that nearly all have: a short key, then a short text, a small integer or a bool, and
/// nothing else; `None` for all others, the malformed among them.
#[inline]
pub(super) fn read_plain(message: &[u8]) -> Option<Attribute<'_>> {
    let [0x0a, key_length @ 0..0x80, rest @ ..] = message else {
        return None;
    };
    let (key, rest) = rest.split_at_checked(usize::from(*key_length))?;
    let [0x12, value_length @ 0..0x80, value @ ..] = rest else {
        return None;
    };
    if usize::from(*value_length) != value.len() {
        return None;
    }
    let value = match value {
        [0x0a, length @ 0..0x80, text @ ..] if usize::from(*length) == text.len() => {
            Value::Text(std::str::from_utf8(text).ok()?)
        }
        [0x10, value @ 0..=1] => Value::Bool(*value == 1),
        [0x18, value @ 0..0x80] => Value::Integer(i64::from(*value)),
        [0x18, low @ 0x80..=0xff, high @ 0..0x80] => {
            Value::Integer(i64::from(low & 0x7f) | i64::from(*high) << 7)
        }
        _ => return None,
    };
    let key = std::str::from_utf8(key).ok()?;
    Some(Attribute { key, value })
}

#[inline]
fn read_entry<'a>(
    mut message: Reader<'a>,
    depth: u32,
    nested: &mut Nested<'_>,
) -> Result<Attribute<'a>> {
    let kinds = |field| match field {
        1 | 2 => Some(WireType::Bytes),
        3 => Some(WireType::Varint),
        _ => None,
    };
    let mut attribute = Attribute {
        key: "",
        value: Value::Empty,
    };
    while let Some(field) = message.field(kinds)? {
        match field {
            1 => attribute.key = message.text()?,
            2 => attribute.value = read_value(message.message("AnyValue")?, depth, nested)?,
            // An index into a table that only profiles have.
            _ => message.skip(WireType::Varint)?,
        }
    }
    Ok(attribute)
}

fn read_value<'a>(
    mut message: Reader<'a>,
    depth: u32,
    nested: &mut Nested<'_>,
) -> Result<Value<'a>> {
    let kinds = |field| match field {
        1 | 5..=7 => Some(WireType::Bytes),
        2 | 3 | 8 => Some(WireType::Varint),
        4 => Some(WireType::Fixed64),
        _ => None,
    };
    let mut value = Value::Empty;
    while let Some(field) = message.field(kinds)? {
        value = match field {
            1 => Value::Text(message.text()?),
            2 => Value::Bool(message.varint()? != 0),
            3 => Value::Integer(message.varint()? as i64),
            4 => Value::Double(message.double()?),
            5 => {
                let mut values = Vec::new();
                read_nested(
                    message.message("ArrayValue")?,
                    depth,
                    nested,
                    |element, depth, nested| {
                        values.push(read_value(element, depth, nested)?);
                        Ok(())
                    },
                )?;
                Value::Array(values)
            }
            6 => {
                let mut entries = Vec::new();
                read_nested(
                    message.message("KeyValueList")?,
                    depth,
                    nested,
                    |entry, depth, nested| {
                        entries.push(read_entry(entry, depth, nested)?);
                        Ok(())
                    },
                )?;
                Value::Map(entries)
            }
            7 => Value::Bytes(message.bytes()?),
            _ => {
                message.skip(WireType::Varint)?;
                Value::Empty
            }
        };
    }
    Ok(value)
}

/// Calls `read` with each element of an array or a map.
fn read_nested<'a>(
    mut message: Reader<'a>,
    depth: u32,
    nested: &mut Nested<'_>,
    mut read: impl FnMut(Reader<'a>, u32, &mut Nested<'_>) -> Result<()>,
) -> Result<()> {
    if depth >= DEPTH_MAX {
        return Err(message
            .malformed("values stand more than 64 deep in one another")
            .into());
    }
    while message
        .field(|field| (field == 1).then_some(WireType::Bytes))?
        .is_some()
    {
        if !nested.add()? {
            return Err(message
                .malformed("an attribute has more than 65536 values in it")
                .into());
        }
        read(message.message("value")?, depth + 1, nested)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_reads_what_the_long_way_reads() {
        let memory = Memory::new(&|_| true);
        let mut read = 0;
        for key in ["", "http.route", "\u{e9}"] {
            for value in [
                &b"\x0a\x00"[..],
                b"\x0a\x03abc",
                b"\x0a\x02\xc3\xa9",
                b"\x0a\x01\xff",
                b"\x0a\x02a",
                b"\x10\x00",
                b"\x10\x01",
                b"\x10\x02",
                b"\x18\x7f",
                b"\x18\xbb\x03",
                b"\x18\xff\x7f",
                b"\x18\x80\x80\x01",
                b"\x18\x01\x18\x02",
                b"",
            ] {
                let mut message = vec![0x0a, key.len() as u8];
                message.extend_from_slice(key.as_bytes());
                message.extend_from_slice(&[0x12, value.len() as u8]);
                message.extend_from_slice(value);
                for end in 0..=message.len() {
                    let message = &message[..end];
                    if let Some(plain) = read_plain(message) {
                        let long = read_attribute(Reader::new(message, "KeyValue"), &memory);
                        assert_eq!(long.ok(), Some(plain), "{message:?}");
                        read += 1;
                    }
                }
            }
        }
        assert_eq!(read, 3 * 8, "texts, bools and small integers");
    }
}
