//! Requests from bytes: protobuf in place, OTLP's JSON by way of prost's messages.

use std::cell::RefCell;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;

use crate::memory::Memory;
use crate::messages::show;
use crate::translator::Translator;
use crate::walk::walk;
use crate::{DeltaStreams, Options, Result, Translation, json};

/// Translates a request in protobuf.
///
/// `now_ms` is the time of arrival; the age of delta streams depends on it, and what lies too far from it to be stored.
///
/// # Errors
/// [`Error::Protobuf`](crate::Error::Protobuf) when `body` is no `ExportMetricsServiceRequest`. Nothing of such a request is kept.
pub fn translate_protobuf(
    body: &[u8],
    options: &Options,
    streams: &DeltaStreams,
    now_ms: i64,
) -> Result<Translation> {
    translate_protobuf_within(body, options, streams, now_ms, |_| true)
}

/// As [`translate_protobuf`], for bodies of strangers: `hold` is told, piece by piece, how many bytes of memory the
/// request takes beside its own, and answers whether it may have them.
///
/// # Errors
/// As [`translate_protobuf`], and [`Error::NoMemory`](crate::Error::NoMemory) when it may not.
pub fn translate_protobuf_within(
    body: &[u8],
    options: &Options,
    streams: &DeltaStreams,
    now_ms: i64,
    hold: impl FnMut(u64) -> bool,
) -> Result<Translation> {
    within(hold, |memory| {
        let mut translator = Translator::new(options, streams, memory, now_ms);
        walk(body, memory, &mut translator)?;
        Ok(translator.finish())
    })
}

/// Calls `translate` with a memory that asks `hold`.
fn within<T>(
    hold: impl FnMut(u64) -> bool,
    translate: impl FnOnce(&Memory<'_>) -> Result<T>,
) -> Result<T> {
    let hold = RefCell::new(hold);
    let hold = |bytes| (hold.borrow_mut())(bytes);
    translate(&Memory::new(&hold))
}

/// Translates a request in OTLP's JSON.
///
/// `now_ms` is the time of arrival, as for [`translate_protobuf`].
///
/// # Errors
/// [`Error::Json`](crate::Error::Json) when `body` is no `ExportMetricsServiceRequest`. Nothing of such a request is kept.
pub fn translate_json(
    body: &[u8],
    options: &Options,
    streams: &DeltaStreams,
    now_ms: i64,
) -> Result<Translation> {
    translate_json_within(body, options, streams, now_ms, |_| true)
}

/// As [`translate_json`], with `hold` as for [`translate_protobuf_within`].
///
/// # Errors
/// As [`translate_json`], and [`Error::NoMemory`](crate::Error::NoMemory) when `hold` says no.
pub fn translate_json_within(
    body: &[u8],
    options: &Options,
    streams: &DeltaStreams,
    now_ms: i64,
    hold: impl FnMut(u64) -> bool,
) -> Result<Translation> {
    within(hold, |memory| {
        let request = json::decode(body, memory)?;
        let mut translator = Translator::new(options, streams, memory, now_ms);
        show(&request, memory, &mut translator)?;
        Ok(translator.finish())
    })
}

/// Translates a request that has been decoded to prost's messages.
///
/// Bytes are better left to [`translate_protobuf`], which builds no messages and bounds what it keeps.
///
/// `now_ms` is the time of arrival, as for [`translate_protobuf`].
#[must_use]
pub fn translate_message(
    request: &ExportMetricsServiceRequest,
    options: &Options,
    streams: &DeltaStreams,
    now_ms: i64,
) -> Translation {
    let memory = Memory::new(&|_| true);
    let mut translator = Translator::new(options, streams, &memory, now_ms);
    show(request, &memory, &mut translator).expect("all the memory there is may be taken");
    translator.finish()
}
