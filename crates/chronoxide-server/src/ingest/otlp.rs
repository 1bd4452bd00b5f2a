//! OTLP metrics over HTTP, in protobuf and in JSON; `grpc` has them over gRPC.

mod allowance;
mod answer;
mod cors;
mod eviction;
mod format;
mod grpc;
mod receiver;
mod status;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use chronoxide_otlp::PartialSuccess;

use super::commit;
use super::encoding::Encoding;
use super::error::{IngestError, plain};
use super::intake::Intake;
use crate::error::{shortened, with_sources};
use crate::state::ServerState;
use answer::Answer;
pub(crate) use cors::preflight;
pub(crate) use eviction::evict_idle_streams;
use format::Format;
pub(crate) use grpc::{Health, routes as grpc_routes, unknown_service};
pub(crate) use receiver::Receiver;

/// The way of requests, whichever format.
const INTAKE: Intake = Intake {
    protocol: "otlp",
    encodings: &[
        Encoding::Identity,
        Encoding::Gzip,
        Encoding::Deflate,
        Encoding::Zstd,
        Encoding::Snappy,
        Encoding::SnappyFramed,
    ],
    bytes_max: |state| state.config.otlp_bytes_max,
};

/// What senders of other signals are told.
const METRICS_ONLY: &str = "chronoxide stores metrics only; send this signal to a store of its own";

/// Stores the data points of one request.
pub(crate) async fn write(State(state): State<Arc<ServerState>>, request: Request) -> Response {
    let (format, encoding) = match check_headers(request.headers()) {
        Ok(content) => content,
        Err(error) => {
            let (metrics, status) = (&state.metrics, error.status());
            metrics.count_request(INTAKE.protocol, "unknown", status);
            commit::log_failure(&state, &error);
            return plain(status, &error.to_string());
        }
    };
    let allowed = &state.config.otlp_origins;
    let origin = request.headers().get(header::ORIGIN).cloned();
    let taken = match cors::check(allowed, request.headers()) {
        Ok(()) => {
            let body = request.into_body();
            let store = INTAKE.take_in(&state, encoding, body, move |mut work| {
                work.state.otlp.store(&mut work, format)
            });
            store.await
        }
        Err(error) => Err(error),
    };
    count(&state, format.name(), &taken);
    let answer = match taken {
        Ok(partial) => Answer::Done(partial),
        Err(error) => {
            commit::log_failure(&state, &error);
            Answer::Failed {
                status: error.status(),
                message: with_sources(&error),
            }
        }
    };
    let mut response = answer.into_response(format);
    cors::let_read(allowed, origin.as_ref(), &mut response);
    response
}

/// Counts a request; one of which a part was refused is refused, though its answer says success.
fn count(state: &ServerState, format: &str, taken: &Result<PartialSuccess, IngestError>) {
    let status = match taken {
        Ok(partial) if partial.rejected_data_points > 0 => StatusCode::BAD_REQUEST,
        Ok(_) => StatusCode::OK,
        Err(error) => error.status(),
    };
    let metrics = &state.metrics;
    metrics.count_request(INTAKE.protocol, format, status);
}

/// Answers 404, which OTLP exporters take as final, with the reason as text.
pub(crate) async fn refuse_signal() -> Response {
    plain(StatusCode::NOT_FOUND, METRICS_ONLY)
}

/// How the body is written and compressed; looked at before the body is.
fn check_headers(headers: &HeaderMap) -> Result<(Format, Encoding), IngestError> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .map_or("", |value| value.to_str().unwrap_or("?"));
    let format = Format::of(content_type).ok_or_else(|| {
        IngestError::Unsupported(format!(
            "content type {:?} is not supported; send application/x-protobuf or application/json",
            shortened(content_type)
        ))
    })?;
    Ok((format, INTAKE.encoding(headers)?))
}
