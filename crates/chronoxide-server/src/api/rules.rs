//! Rules, alerts and targets: chronoxide evaluates no rules and scrapes nobody, and says so in the shape that clients
//! expect.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::form::Form;
use super::request::{selectors_of, success_response};
use crate::error::ApiError;
use crate::state::ServerState;

/// `/rules`
pub(crate) async fn rules(
    State(state): State<Arc<ServerState>>,
    form: Form,
) -> Result<Response, ApiError> {
    match form.get("type") {
        None | Some("alert" | "record") => {}
        Some(other) => {
            return Err(ApiError::bad_data(format!(
                "invalid parameter \"type\": not supported value {other:?}"
            )));
        }
    }
    // Nothing is read for whom there is nothing to wait for: Grafana asks without any.
    if form.get("match[]").is_some() {
        selectors_of(&state, form).await?;
    }
    Ok(success_response(|out| {
        out.extend_from_slice(br#"{"groups":[]}"#)
    }))
}

/// `/alerts`
pub(crate) async fn alerts() -> Response {
    success_response(|out| out.extend_from_slice(br#"{"alerts":[]}"#))
}

/// `/alertmanagers`
pub(crate) async fn alertmanagers() -> Response {
    success_response(|out| {
        out.extend_from_slice(br#"{"activeAlertmanagers":[],"droppedAlertmanagers":[]}"#)
    })
}

/// `/targets`
pub(crate) async fn targets() -> Response {
    success_response(|out| {
        out.extend_from_slice(
            br#"{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}}"#,
        );
    })
}

/// `/targets/metadata`: what is known of metrics is at `/metadata`, without the targets it came from.
pub(crate) async fn target_metadata() -> Response {
    success_response(|out| out.extend_from_slice(b"[]"))
}

/// `/scrape_pools`
pub(crate) async fn scrape_pools() -> Response {
    success_response(|out| out.extend_from_slice(br#"{"scrapePools":[]}"#))
}
