//! OTLP's JSON: the proto3 mapping with its own rules.
//!
//! Keys are lowerCamelCase and unknown ones are skipped; 64-bit integers come as text or numbers and never pass through
//! a float; ids are hexadecimal, other bytes base64; enums are numbers; `null` is an absent field; of repeated keys the
//! last one counts. Everything is read in one pass into prost's messages, without a tree in between.

mod messages;
mod object;
mod scalars;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;

use crate::{Error, Result};
use object::Object;

/// Reads a request.
///
/// # Errors
/// [`Error::Json`] when `body` is no such request; nesting past 128 levels is refused too.
pub(crate) fn decode(body: &[u8]) -> Result<ExportMetricsServiceRequest> {
    let Object(request) = serde_json::from_slice(body).map_err(|error| Error::Json {
        reason: error.to_string(),
    })?;
    Ok(request)
}

#[cfg(test)]
mod tests;
