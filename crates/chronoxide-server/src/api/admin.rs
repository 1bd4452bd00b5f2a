//! Deletion and snapshots: off unless the server is told otherwise.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chronoxide_storage::Database;

use super::form::Form;
use super::json::write_string;
use super::request::{blocking, selectors_of, storage_failed, success_response};
use crate::error::ApiError;
use crate::state::ServerState;

/// `/admin/tsdb/delete_series`: deletes samples of the selected series, between two times or all of them.
pub(crate) async fn delete_series(
    State(state): State<Arc<ServerState>>,
    _: Allowed,
    form: Form,
) -> Result<Response, ApiError> {
    if form.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let range = form.range()?;
    let selectors = selectors_of(&state, form).await?;
    let deleted = change(&state, move |database| {
        database.delete_series(&selectors, range)
    })
    .await?;
    tracing::info!(series = deleted.series, "samples were deleted");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `/admin/tsdb/clean_tombstones`: frees the disk space of what was deleted.
pub(crate) async fn clean_tombstones(
    State(state): State<Arc<ServerState>>,
    _: Allowed,
) -> Result<Response, ApiError> {
    change(&state, Database::clean_tombstones).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `/admin/tsdb/snapshot`: what is stored now, under a name below `snapshots/` of the data directory.
pub(crate) async fn snapshot(
    State(state): State<Arc<ServerState>>,
    _: Allowed,
    form: Form,
) -> Result<Response, ApiError> {
    let skip_head = form.flag("skip_head")?;
    let path = change(&state, move |database| database.snapshot(skip_head)).await?;
    let name = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    tracing::info!(name, "a snapshot was made");
    Ok(success_response(|out| {
        out.extend_from_slice(br#"{"name":"#);
        write_string(out, &name);
        out.push(b'}');
    }))
}

/// A request that may change something, which is known before anything else of it is looked at.
pub(crate) struct Allowed;

impl FromRequestParts<Arc<ServerState>> for Allowed {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<ServerState>,
    ) -> Result<Self, ApiError> {
        check_allowed(state, &parts.headers).map(|()| Self)
    }
}

/// Refuses what the operator has not allowed, and pages that a person happens to visit.
fn check_allowed(state: &ServerState, headers: &HeaderMap) -> Result<(), ApiError> {
    if !state.config.admin_api {
        return Err(ApiError::disabled(
            "the admin API is off; start the server with --http.admin-api=on",
        ));
    }
    if headers.contains_key(header::ORIGIN) {
        return Err(ApiError::disabled(
            "requests from web pages are not accepted here",
        ));
    }
    Ok(())
}

/// Runs `change` where waiting for the disk harms nobody, whether or not the client stays.
async fn change<T: Send + 'static>(
    state: &Arc<ServerState>,
    change: impl FnOnce(&Database) -> chronoxide_storage::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let database = state.ready_database()?;
    let turn = state.administration_turn().await?;
    blocking(state, move || {
        let _turn = turn;
        change(&database).map_err(|error| storage_failed(&error))
    })
    .await
}
