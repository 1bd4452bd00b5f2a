//! OTLP metrics over gRPC: one call with one message, by the rules of OTLP/HTTP.
//!
//! The message is read like the body of any request, within the same bounds, and never decoded into a tree; the
//! library's own decoding would keep messages in memory that nobody accounts for. Its services for health and reflection
//! get by with few bytes.

mod call;
mod edge;
mod frame;
mod services;
mod until_stopped;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use chronoxide_otlp::PartialSuccess;
use tonic::Status;

pub(crate) use services::{Health, routes, unknown_service};

use super::{Format, INTAKE};
use crate::ingest::body::{self, BodyError};
use crate::ingest::commit;
use crate::ingest::error::IngestError;
use crate::ingest::intake::HeldBody;
use crate::ingest::request_memory::HeldMemory;
use crate::state::ServerState;

/// Answers `MetricsService/Export`.
async fn export(State(state): State<Arc<ServerState>>, request: Request) -> Response {
    let exported = match call::timeout(request.headers()) {
        None => take_in(&state, request).await,
        Some(timeout) => tokio::time::timeout(timeout, take_in(&state, request))
            .await
            .unwrap_or(Err(IngestError::DeadlinePassed)),
    };
    super::count(&state, "grpc", &exported);
    match exported {
        Ok(partial) => frame::response(&partial.to_protobuf()),
        Err(error) => {
            commit::log_failure(&state, &error);
            call::failure(call::status(&error))
        }
    }
}

/// Answers the services of other signals, so that SDKs give up and whoever reads their logs knows why.
async fn refuse_signal() -> Response {
    call::failure(Status::unimplemented(super::METRICS_ONLY))
}

async fn take_in(
    state: &Arc<ServerState>,
    request: Request,
) -> Result<PartialSuccess, IngestError> {
    let encoding = call::encoding(request.headers())?;
    let limit = (INTAKE.bytes_max)(state);
    let mut held = HeldMemory::default();
    if state.database().is_none() {
        // Before the message, which nobody would have a use for.
        return Err(IngestError::Unready(state.unready_reason()));
    }
    let with_frame = limit + frame::HEAD_BYTES;
    let body = body::read(
        request.into_body(),
        with_frame,
        &state.request_memory,
        &mut held,
    );
    let body = body.await.map_err(|error| match error {
        BodyError::TooLarge { .. } => BodyError::TooLarge { limit },
        error => error,
    })?;
    let (bytes, encoding) = frame::message(body, encoding)?;
    let body = HeldBody {
        bytes,
        encoding,
        held,
    };
    let store = INTAKE.store(state, body, |mut work| {
        work.state.otlp.store(&mut work, Format::Protobuf)
    });
    store.await
}
