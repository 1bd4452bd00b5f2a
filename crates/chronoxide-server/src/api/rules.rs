//! Rules, alerts and targets: chronoxide evaluates no rules and scrapes nobody, and says so in the shape that clients
//! expect.

use axum::response::Response;

use super::request::success_response;

/// `/rules`
pub(crate) async fn rules() -> Response {
    success_response(|out| out.extend_from_slice(br#"{"groups":[]}"#))
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
