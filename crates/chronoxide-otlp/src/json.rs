//! OTLP's JSON: the proto3 mapping with its own rules.
//!
//! Keys are lowerCamelCase and unknown ones are skipped; 64-bit integers come as text or numbers and never pass through
//! a float; ids are hexadecimal, other bytes base64; enums are numbers; `null` is an absent field; of repeated keys the
//! last one counts. Everything is read in one pass into prost's messages, without a tree in between.

mod messages;
mod object;
mod scalars;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use serde::de::DeserializeSeed as _;

use crate::memory::Memory;
use crate::{Error, Result};
use object::{Course, ObjectSeed};

/// Reads a request; what its messages take is taken from `memory`.
///
/// # Errors
/// [`Error::Json`] when `body` is no such request; nesting past 128 levels is refused too, which is reached before
/// values stand 64 deep in one another. [`Error::NoMemory`] when there is none.
pub(crate) fn decode(body: &[u8], memory: &Memory<'_>) -> Result<ExportMetricsServiceRequest> {
    // All texts and bytes together, which are copied.
    memory.take(body.len())?;
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let course = Course { memory };
    let read = ObjectSeed::new(course)
        .deserialize(&mut deserializer)
        .and_then(|request| deserializer.end().map(|()| request));
    memory.check()?;
    read.map_err(|error| Error::Json {
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
