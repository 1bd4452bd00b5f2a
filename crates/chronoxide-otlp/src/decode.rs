//! Requests from bytes: protobuf, and OTLP's JSON through the same messages.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;

use crate::messages::show;
use crate::translator::Translator;
use crate::{DeltaStreams, Error, Options, Result, Translation, json};

/// Translates a request in protobuf.
///
/// `now_ms` is the time of arrival; only the age of delta streams depends on it.
///
/// # Errors
/// [`Error::Protobuf`] when `body` is no `ExportMetricsServiceRequest`. Nothing of such a request is kept.
pub fn translate_protobuf(
    body: &[u8],
    options: &Options,
    streams: &DeltaStreams,
    now_ms: i64,
) -> Result<Translation> {
    let request = ExportMetricsServiceRequest::decode(body).map_err(|error| Error::Protobuf {
        reason: error.to_string(),
    })?;
    Ok(translate_message(&request, options, streams, now_ms))
}

/// Translates a request in OTLP's JSON.
///
/// `now_ms` is the time of arrival; only the age of delta streams depends on it.
///
/// # Errors
/// [`Error::Json`] when `body` is no `ExportMetricsServiceRequest`. Nothing of such a request is kept.
pub fn translate_json(
    body: &[u8],
    options: &Options,
    streams: &DeltaStreams,
    now_ms: i64,
) -> Result<Translation> {
    let request = json::decode(body)?;
    Ok(translate_message(&request, options, streams, now_ms))
}

/// Translates a request that has been decoded, as gRPC hands it over.
///
/// `now_ms` is the time of arrival; only the age of delta streams depends on it.
#[must_use]
pub fn translate_message(
    request: &ExportMetricsServiceRequest,
    options: &Options,
    streams: &DeltaStreams,
    now_ms: i64,
) -> Translation {
    let mut translator = Translator::new(options, streams, now_ms);
    show(request, &mut translator);
    translator.finish()
}
