//! What every call passes: content types, panics turned into answers, and counting.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tonic::{Code, Status};

use super::call;
use crate::edge::{catch_panic, handler_of};
use crate::state::ServerState;

/// Passes a call on and finishes its answer.
pub(crate) async fn exchange(
    State(state): State<Arc<ServerState>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let handler = handler_of(&request);
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let is_grpc = content_type.is_some_and(|value| value.to_str().is_ok_and(call::is_grpc));
    let response = if !is_grpc {
        let reason =
            "this path is served over gRPC with messages in protobuf; OTLP/HTTP has /v1/metrics\n";
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, reason).into_response()
    } else if request.headers().contains_key(header::ORIGIN) {
        call::failure(Status::permission_denied(
            "calls from web pages are not accepted here",
        ))
    } else {
        catch_panic(&state, &handler, next.run(request))
            .await
            .unwrap_or_else(|| {
                call::failure(Status::internal(
                    "the server met a bug in itself; its log says where",
                ))
            })
    };
    let metrics = &state.metrics;
    metrics.count_answer(&handler, code(&response), started.elapsed());
    response
}

/// The outcome of a call as a word; streams and successes have theirs at the end, and are counted as begun.
fn code(response: &Response) -> &'static str {
    if response.status() != StatusCode::OK {
        return "415";
    }
    let status = response.headers().get("grpc-status");
    match status.map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes())) {
        Code::Ok => "ok",
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}
