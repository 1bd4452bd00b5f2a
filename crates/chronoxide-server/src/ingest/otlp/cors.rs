//! Which web pages may send metrics: none, unless their origins are listed.
//!
//! A page in a browser on this machine reaches ports that listen for this machine only, so that any page a person happens
//! to visit could write here if it were let. Exporters outside browsers never name an origin.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

use crate::config::Origins;
use crate::ingest::error::{IngestError, plain};
use crate::state::ServerState;

/// How long a browser may remember an answer to its question, in seconds.
const REMEMBER: &str = "7200";

/// Refuses requests of pages whose origin is not listed.
pub(super) fn check(allowed: &Origins, headers: &HeaderMap) -> Result<(), IngestError> {
    match headers.get(header::ORIGIN) {
        Some(origin) if !is_allowed(allowed, origin) => Err(IngestError::FromBrowser),
        _ => Ok(()),
    }
}

/// Lets the page that asked read the answer.
pub(super) fn let_read(allowed: &Origins, origin: Option<&HeaderValue>, answer: &mut Response) {
    let Some(origin) = origin.filter(|origin| is_allowed(allowed, origin)) else {
        return;
    };
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    // Beacons always come with credentials; there is nothing here that these would open.
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        HeaderValue::from_static("true"),
    );
}

/// Answers a browser that asks whether a page may send.
pub(crate) async fn preflight(State(state): State<Arc<ServerState>>, request: Request) -> Response {
    let allowed = &state.config.otlp_origins;
    let headers = request.headers();
    if let Err(error) = check(allowed, headers) {
        return plain(
            StatusCode::FORBIDDEN,
            &format!("{error}; --otlp.http.cors-origins lists those that may send"),
        );
    }
    let mut response = (StatusCode::NO_CONTENT, Body::empty()).into_response();
    let_read(allowed, headers.get(header::ORIGIN), &mut response);
    let answer = response.headers_mut();
    answer.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("POST, OPTIONS"),
    );
    // Exporters may be told to add any header.
    if let Some(wanted) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    answer.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static(REMEMBER),
    );
    response
}

fn is_allowed(allowed: &Origins, origin: &HeaderValue) -> bool {
    origin.to_str().is_ok_and(|origin| allowed.include(origin))
}
