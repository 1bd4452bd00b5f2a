//! OTLP paths: this build has no OTLP receiver, and says so in a way that no sender retries.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Answers 404, which OTLP senders take as final, with the reason as text.
pub(crate) async fn refuse() -> Response {
    let reason =
        "this chronoxide has no OTLP receiver; send Prometheus remote write to /api/v1/write\n";
    let text = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    )];
    (StatusCode::NOT_FOUND, text, reason).into_response()
}
