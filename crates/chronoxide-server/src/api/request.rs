//! From requests to parameters, from data to answers.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use chronoxide_storage::Database;

use super::form::Form;
use super::json::{Notes, success};
use crate::error::{ApiError, with_sources};
use crate::ingest::{BodyError, HeldMemory, read};
use crate::state::ServerState;

/// Largest form body, in bytes: that of Go's standard library.
const FORM_BYTES_MAX: usize = 10 << 20;

impl FromRequest<Arc<ServerState>> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<ServerState>) -> Result<Self, ApiError> {
        let mut form = Self::default();
        let (parts, body) = request.into_parts();
        let has_form = [Method::POST, Method::PUT].contains(&parts.method);
        if has_form && is_form(parts.headers.get(header::CONTENT_TYPE)) {
            let mut held = HeldMemory::default();
            let body = read(body, FORM_BYTES_MAX, &state.request_memory, &mut held)
                .await
                .map_err(|error| match error {
                    BodyError::NoMemory => ApiError::unavailable(error.to_string()),
                    _ => ApiError::bad_data(format!("error parsing form values: {error}")),
                })?;
            form.append(&body).map_err(ApiError::bad_data)?;
        }
        form.append(parts.uri.query().unwrap_or("").as_bytes())
            .map_err(ApiError::bad_data)?;
        Ok(form)
    }
}

fn is_form(content_type: Option<&HeaderValue>) -> bool {
    let text = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let media_type = text.split(';').next().unwrap_or("").trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// An answer in JSON.
pub(crate) fn json_response(body: Vec<u8>) -> Response {
    (
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )],
        body,
    )
        .into_response()
}

/// The answer of a request that succeeded at once, without notes.
pub(crate) fn success_response(write: impl FnOnce(&mut Vec<u8>)) -> Response {
    json_response(success(&Notes::default(), write))
}

/// Runs `look_up` on the database, on a thread that may block, and answers what it wrote.
pub(crate) async fn look_up(
    state: &Arc<ServerState>,
    look_up: impl FnOnce(&Database) -> Result<Vec<u8>, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let database = state.ready_database()?;
    let turn = state.query_turn(state.config.query_timeout).await?;
    let work = move || {
        let _turn = turn;
        look_up(&database)
    };
    blocking(state, work).await.map(json_response)
}

/// Runs `work` on a thread that may block; a panic of it becomes an answer.
pub(crate) async fn blocking<T: Send + 'static>(
    state: &ServerState,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => {
            state.metrics.panics.increment();
            tracing::error!(%error, "a request ended in a panic; this is a bug");
            Err(ApiError::internal(
                "the server met a bug in itself; its log says where",
            ))
        }
    }
}

/// The answer when storage cannot be read.
pub(crate) fn storage_failed(error: &chronoxide_storage::Error) -> ApiError {
    ApiError::internal(with_sources(error))
}
