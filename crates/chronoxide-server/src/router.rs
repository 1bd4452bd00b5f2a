//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use tokio::sync::watch;

use crate::edge::text;
use crate::self_metrics::Exposition;
use crate::state::ServerState;
use crate::{api, edge, ingest, page};

/// Everything the main port answers; streams end once `stopped` says so.
pub(crate) fn router(state: Arc<ServerState>, stopped: &watch::Receiver<bool>) -> Router {
    let only_when_ready = middleware::from_fn_with_state(Arc::clone(&state), edge::only_when_ready);
    let mut endpoints = Router::new()
        .nest("/api/v1", api::routes(&state))
        .route("/federate", get(api::federate).layer(only_when_ready))
        .route("/version", get(api::version))
        .route("/-/reload", post(no_lifecycle).put(no_lifecycle))
        .route("/-/quit", post(no_lifecycle).put(no_lifecycle))
        .route("/api/v1/import", post(ingest::import_json))
        .route("/api/v1/import/prometheus", post(ingest::import_text))
        .route(
            "/api/v1/import/prometheus/metrics/{*labels}",
            post(ingest::import_text_labelled),
        )
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/metrics", get(metrics));
    for path in REMOTE_WRITE_PATHS {
        endpoints = endpoints.route(path, post(ingest::write));
    }
    let router = endpoints
        .clone()
        .nest("/prometheus", endpoints)
        .merge(page::routes(""))
        .merge(page::routes("/prometheus"))
        .merge(otlp_routes());
    let calls = ingest::grpc_routes(&state, stopped).with_state(Arc::clone(&state));
    let router = finish(router, Arc::clone(&state));
    if state.config.route_prefix.is_empty() {
        return router.merge(calls);
    }
    let router = Router::new()
        .fallback_service(router)
        .layer(middleware::from_fn_with_state(state, edge::below));
    // Clients of gRPC can put nothing before the names of services.
    Router::new().fallback_service(router).merge(calls)
}

/// What the ports of OTLP answer: HTTP and gRPC both, as whoever mixes them up would like it.
pub(crate) fn otlp_router(state: Arc<ServerState>, stopped: &watch::Receiver<bool>) -> Router {
    let calls = ingest::grpc_routes(&state, stopped).with_state(Arc::clone(&state));
    finish(otlp_routes(), state).merge(calls)
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
                .route(&format!("{prefix}{path}"), metrics_route())
                .route(&format!("{prefix}{path}/"), metrics_route());
        }
    }
    for path in ["/v1/traces", "/v1/logs", "/v1development/profiles"] {
        router = router
            .route(path, post(ingest::refuse_otlp_signal))
            .route(&format!("{path}/"), post(ingest::refuse_otlp_signal));
    }
    router
}

fn metrics_route() -> MethodRouter<Arc<ServerState>> {
    post(ingest::write_otlp).options(ingest::otlp_preflight)
}

/// Where remote write goes, in the habits of several products.
const REMOTE_WRITE_PATHS: [&str; 5] = [
    // Prometheus.
    "/api/v1/write",
    // Mimir and VictoriaMetrics.
    "/api/v1/push",
    // Cortex, Grafana Cloud.
    "/api/prom/push",
    // Thanos.
    "/api/v1/receive",
    // M3.
    "/api/v1/prom/remote/write",
];

/// Where OTLP senders post metrics, in the habits of several products.
const OTLP_PATHS: [&str; 6] = [
    "/v1/metrics",
    "/api/v1/otlp",
    "/api/v1/otlp/v1/metrics",
    "/opentelemetry/v1/metrics",
    "/opentelemetry/api/v1/push",
    "/otlp/v1/metrics",
];

async fn not_found(request: Request) -> Response {
    ingest::unknown_service(&request).unwrap_or_else(edge::not_found)
}

async fn no_lifecycle() -> Response {
    text(
        StatusCode::FORBIDDEN,
        "chronoxide is stopped by signals and reads its configuration at start; there is no lifecycle API\n",
    )
}

async fn healthy() -> Response {
    text(StatusCode::OK, "chronoxide is Healthy.\n")
}

async fn ready(State(state): State<Arc<ServerState>>) -> Response {
    if state.database().is_some() {
        return text(StatusCode::OK, "chronoxide is Ready.\n");
    }
    edge::not_ready(&state)
}

async fn metrics(State(state): State<Arc<ServerState>>, headers: HeaderMap) -> Response {
    let exposition = Exposition::accepted(&headers);
    // Asking the disk for its free space may wait.
    let collected = tokio::task::spawn_blocking(move || {
        let stats = state.database().map(|database| database.stats());
        exposition.write(&state.collect_metrics(stats.as_ref()))
    });
    let Ok(body) = collected.await else {
        return text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "metrics could not be collected\n",
        );
    };
    let content_type = HeaderValue::from_static(exposition.content_type());
    let vary = HeaderValue::from_static("Accept");
    let headers = [(header::CONTENT_TYPE, content_type), (header::VARY, vary)];
    (headers, body).into_response()
}
