//! Exemplars, whose labels alone differ between the versions.

use chronoxide_model::Sample;
use chronoxide_protobuf::{Reader, Tag, WireType};

use crate::Result;

/// Reads time and value of one exemplar message; its labels, field 1, are left to `labels`.
///
/// # Errors
/// When the bytes are no protobuf of the schema, and what `labels` says.
pub(crate) fn read<'a>(
    mut reader: Reader<'a>,
    mut labels: impl FnMut(&mut Reader<'a>, Tag) -> chronoxide_protobuf::Result<()>,
) -> Result<Sample> {
    let mut sample = Sample::new(0, 0.0);
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        match tag.field {
            1 => labels(&mut reader, tag)?,
            2 => {
                reader.expect(tag, WireType::Fixed64)?;
                sample.value = reader.double()?;
            }
            3 => {
                reader.expect(tag, WireType::Varint)?;
                sample.timestamp_ms = reader.varint()? as i64;
            }
            _ => reader.skip(tag.wire)?,
        }
    }
    Ok(sample)
}
