//! Attributes and their values.

use chronoxide_protobuf::{Reader, WireType};

use crate::Result;
use crate::view::{Attribute, Value};

/// How deep arrays and maps may stand in one another.
const DEPTH_MAX: u32 = 64;

/// How many values may stand in the arrays and maps of one attribute.
const NESTED_MAX: usize = 1 << 16;

/// Reads a `KeyValue`.
#[inline]
pub(super) fn read_attribute<'a>(message: Reader<'a>) -> Result<Attribute<'a>> {
    read_entry(message, 0, &mut 0)
}

#[inline]
fn read_entry<'a>(
    mut message: Reader<'a>,
    depth: u32,
    nested: &mut usize,
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

fn read_value<'a>(mut message: Reader<'a>, depth: u32, nested: &mut usize) -> Result<Value<'a>> {
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
    nested: &mut usize,
    mut read: impl FnMut(Reader<'a>, u32, &mut usize) -> Result<()>,
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
        *nested += 1;
        if *nested > NESTED_MAX {
            return Err(message
                .malformed("an attribute has more than 65536 values in it")
                .into());
        }
        read(message.message("value")?, depth + 1, nested)?;
    }
    Ok(())
}
