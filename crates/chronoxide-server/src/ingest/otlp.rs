//! OTLP metrics over HTTP, in protobuf and in JSON.

mod answer;
mod content;
mod receiver;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use chronoxide_otlp::PartialSuccess;
use tokio::runtime::Handle;

use super::body::{self, BodyError, HeldMemory};
use super::commit;
use crate::error::with_sources;
use crate::state::ServerState;
use answer::Answer;
use content::{Encoding, Format, InflateError};
pub(crate) use receiver::Receiver;

/// The name of the protocol in own metrics.
const PROTOCOL: &str = "otlp";

/// Why a request was not stored as a whole.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("requests from web pages are not accepted here")]
    FromBrowser,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the body cannot be decompressed: {reason}")]
    Compression { reason: String },
    #[error(transparent)]
    Decode(#[from] chronoxide_otlp::Error),
    #[error("{0}")]
    Unready(&'static str),
    #[error("too many writes are under way; try again")]
    Busy,
    #[error("the samples could not be stored")]
    Storage(#[from] chronoxide_storage::Error),
    #[error("the server is shutting down")]
    Stopped,
    #[error("the server met a bug in itself; its log says where")]
    Panicked,
}

/// Stores the data points of one request.
pub(crate) async fn write(State(state): State<Arc<ServerState>>, request: Request) -> Response {
    let (format, encoding) = match check_headers(request.headers()) {
        Ok(content) => content,
        Err(reason) => return answer::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, &reason),
    };
    // Exporters never have an origin; a page that a person happens to visit does.
    let taken = if request.headers().contains_key(header::ORIGIN) {
        Err(ExportError::FromBrowser)
    } else {
        take_in(&state, format, encoding, request).await
    };
    let answer = match taken {
        Ok(partial) => Answer::Done(partial),
        Err(error) => {
            let storage = matches!(error, ExportError::Storage(_));
            commit::log_failure(&state, &error, storage);
            Answer::Failed {
                status: error.status(),
                message: with_sources(&error),
            }
        }
    };
    answer.into_response(format)
}

/// Answers 404, which OTLP exporters take as final, with the reason as text.
pub(crate) async fn refuse_signal() -> Response {
    let reason = "chronoxide stores metrics only; send this signal to a store of its own";
    answer::plain(StatusCode::NOT_FOUND, reason)
}

/// How the body is written and compressed; looked at before the body is.
fn check_headers(headers: &HeaderMap) -> Result<(Format, Encoding), String> {
    let text = |name| {
        headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap_or("?"))
    };
    let content_type = text(header::CONTENT_TYPE);
    let format = Format::of(content_type).ok_or_else(|| {
        format!(
            "content type {content_type:?} is not supported; send application/x-protobuf or application/json"
        )
    })?;
    let content_encoding = text(header::CONTENT_ENCODING);
    let encoding = Encoding::of(content_encoding).ok_or_else(|| {
        format!(
            "content encoding {content_encoding:?} is not supported; send gzip, deflate or none"
        )
    })?;
    Ok((format, encoding))
}

async fn take_in(
    state: &Arc<ServerState>,
    format: Format,
    encoding: Encoding,
    request: Request,
) -> Result<PartialSuccess, ExportError> {
    let database = state
        .database()
        .cloned()
        .ok_or_else(|| ExportError::Unready(state.unready_reason()))?;
    let limit = state.config.otlp_bytes_max;
    let mut held = HeldMemory::default();
    let body = body::read(request.into_body(), limit, &state.request_memory, &mut held).await?;
    state
        .metrics
        .ingest_bytes
        .with([PROTOCOL])
        .add(body.len() as u64);
    let _turn = state
        .writes
        .acquire()
        .await
        .map_err(|_| ExportError::Busy)?;
    let shared = Arc::clone(state);
    let runtime = Handle::current();
    let stored = commit::run(move || {
        let memory = &shared.request_memory;
        let message = content::inflate(&body, encoding, limit, |bytes| {
            runtime.block_on(memory.hold(&mut held, bytes))
        })?;
        shared.otlp.store(&shared, &database, format, &message)
    });
    stored.await.unwrap_or(Err(ExportError::Stopped))
}

impl From<InflateError> for ExportError {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::Body(error) => Self::Body(error),
            InflateError::Malformed(error) => Self::Compression {
                reason: with_sources(&error),
            },
        }
    }
}

impl ExportError {
    /// Exporters try again after 503, and after no other of these.
    fn status(&self) -> StatusCode {
        use chronoxide_storage::Error as Storage;
        match self {
            Self::FromBrowser => StatusCode::FORBIDDEN,
            Self::Body(BodyError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyError::Broken { .. })
            | Self::Compression { .. }
            | Self::Decode(_)
            | Self::Storage(Storage::InvalidArgument { .. } | Storage::LimitExceeded { .. }) => {
                StatusCode::BAD_REQUEST
            }
            Self::Body(BodyError::NoMemory | BodyError::TooSlow)
            | Self::Unready(_)
            | Self::Busy
            | Self::Stopped
            | Self::Storage(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
