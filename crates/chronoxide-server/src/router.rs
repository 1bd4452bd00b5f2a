//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::self_metrics::write_exposition;
use crate::state::ServerState;
use crate::{api, edge, ingest, page};

/// Everything the main port answers.
pub(crate) fn router(state: Arc<ServerState>) -> Router {
    let endpoints = Router::new()
        .nest("/api/v1", api::routes())
        .route("/api/v1/write", post(ingest::write))
        .route("/api/v1/push", post(ingest::write))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/metrics", get(metrics));
    let router = endpoints
        .clone()
        .nest("/prometheus", endpoints)
        .merge(page::routes())
        .merge(otlp_routes());
    finish(router, state)
}

/// What the port of OTLP/HTTP answers.
pub(crate) fn otlp_router(state: Arc<ServerState>) -> Router {
    finish(otlp_routes(), state)
}

fn finish(router: Router<Arc<ServerState>>, state: Arc<ServerState>) -> Router {
    router
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&state),
            edge::exchange,
        ))
        .with_state(state)
}

/// OTLP paths with and without a slash at the end: exporters differ in how they put them together.
fn otlp_routes() -> Router<Arc<ServerState>> {
    let mut router = Router::new();
    for prefix in ["", "/prometheus"] {
        for path in OTLP_PATHS {
            router = router
                .route(&format!("{prefix}{path}"), post(ingest::write_otlp))
                .route(&format!("{prefix}{path}/"), post(ingest::write_otlp));
        }
    }
    for path in ["/v1/traces", "/v1/logs", "/v1development/profiles"] {
        router = router
            .route(path, post(ingest::refuse_otlp_signal))
            .route(&format!("{path}/"), post(ingest::refuse_otlp_signal));
    }
    router
}

/// Where OTLP senders post metrics, in the habits of several products.
const OTLP_PATHS: [&str; 6] = [
    "/v1/metrics",
    "/api/v1/otlp",
    "/api/v1/otlp/v1/metrics",
    "/opentelemetry/v1/metrics",
    "/opentelemetry/api/v1/push",
    "/otlp/v1/metrics",
];

fn text(status: StatusCode, text: &'static str) -> Response {
    (
        status,
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        )],
        text,
    )
        .into_response()
}

async fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

async fn healthy() -> Response {
    text(StatusCode::OK, "chronoxide is Healthy.\n")
}

async fn ready(State(state): State<Arc<ServerState>>) -> Response {
    if state.database().is_some() {
        return text(StatusCode::OK, "chronoxide is Ready.\n");
    }
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable\n");
    let stopping = if state.is_stopping() { "true" } else { "false" };
    response
        .headers_mut()
        .insert("x-prometheus-stopping", HeaderValue::from_static(stopping));
    response
}

async fn metrics(State(state): State<Arc<ServerState>>) -> Response {
    // Asking the disk for its free space may wait.
    let collected = tokio::task::spawn_blocking(move || {
        let stats = state.database().map(|database| database.stats());
        write_exposition(&state.metrics.collect(stats.as_ref()))
    });
    let Ok(body) = collected.await else {
        return text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "metrics could not be collected\n",
        );
    };
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, text)], body).into_response()
}
