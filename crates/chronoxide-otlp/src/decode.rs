//! Requests from bytes: protobuf in place, OTLP's JSON by way of prost's messages.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;

use crate::messages::show;
use crate::translator::Translator;
use crate::walk::walk;
use crate::{DeltaStreams, Options, Result, Translation, json};

/// Translates a request in protobuf.
///
/// `now_ms` is the time of arrival; only the age of delta streams depends on it.
///
/// # Errors
/// [`Error::Protobuf`](crate::Error::Protobuf) when `body` is no `ExportMetricsServiceRequest`. Nothing of such a request is kept.
pub fn translate_protobuf(
    body: &[u8],
    options: &Options,
    streams: &DeltaStreams,
    now_ms: i64,
) -> Result<Translation> {
    let mut translator = Translator::new(options, streams, now_ms);
    walk(body, &mut translator)?;
    Ok(translator.finish())
}

/// Translates a request in OTLP's JSON.
///
/// `now_ms` is the time of arrival; only the age of delta streams depends on it.
///
/// # Errors
/// [`Error::Json`](crate::Error::Json) when `body` is no `ExportMetricsServiceRequest`. Nothing of such a request is kept.
pub fn translate_json(
    body: &[u8],
    options: &Options,
    streams: &DeltaStreams,
    now_ms: i64,
) -> Result<Translation> {
    let request = json::decode(body)?;
    Ok(translate_message(&request, options, streams, now_ms))
}

/// Translates a request that has been decoded to prost's messages.
///
/// Bytes are better left to [`translate_protobuf`], which builds no messages and bounds what it keeps.
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
