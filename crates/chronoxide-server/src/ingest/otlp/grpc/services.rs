//! The services, and who answers them.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware;
use axum::response::Response;
use axum::routing::{any, post};
use tokio::sync::watch;
use tonic::Status;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::server::{Builder, Error};

use super::until_stopped::UntilStopped;
use super::{call, edge, export, refuse_signal};
use crate::state::ServerState;

const METRICS: &str = "opentelemetry.proto.collector.metrics.v1.MetricsService";

/// Services of signals that are not stored here.
const REFUSED: [&str; 3] = [
    "opentelemetry.proto.collector.trace.v1.TraceService",
    "opentelemetry.proto.collector.logs.v1.LogsService",
    "opentelemetry.proto.collector.profiles.v1development.ProfilesService",
];

/// Bytes of a call to the services for health and reflection.
const SMALL_MESSAGE_BYTES_MAX: usize = 4096;

/// What `grpc.health.v1.Health` answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health(HealthReporter);

impl Health {
    /// Tells whether metrics are taken, those who watch included.
    pub(crate) async fn set(&self, serving: bool) {
        let status = if serving {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for service in ["", METRICS] {
            self.0.set_service_status(service, status).await;
        }
    }
}

/// The routes of all services. Streams end once `stopped` says so.
pub(crate) fn routes(
    state: &Arc<ServerState>,
    stopped: &watch::Receiver<bool>,
) -> Router<Arc<ServerState>> {
    let mut router = Router::new().route(&format!("/{METRICS}/Export"), post(export));
    for service in REFUSED {
        router = router.route(&format!("/{service}/{{method}}"), any(refuse_signal));
    }
    router
        .merge(streams(state.grpc_health.clone(), stopped.clone()))
        .route(&format!("/{METRICS}/{{method}}"), any(unknown_method))
        .layer(middleware::from_fn_with_state(
            Arc::clone(state),
            edge::exchange,
        ))
}

async fn unknown_method() -> Response {
    call::failure(Status::unimplemented("the service has no such method"))
}

/// Health and reflection, whose answers may be streams without an end.
fn streams(health: Health, stopped: watch::Receiver<bool>) -> Router<Arc<ServerState>> {
    let health = HealthServer::new(HealthService::from_health_reporter(health.0))
        .max_decoding_message_size(SMALL_MESSAGE_BYTES_MAX);
    let router = Router::new().route_service("/grpc.health.v1.Health/{method}", health);
    let router = with_reflection(router).expect("the descriptors come with their libraries");
    router.layer(middleware::map_response(move |response: Response| {
        let stopped = stopped.clone();
        async move { response.map(|body| axum::body::Body::new(UntilStopped::new(body, stopped))) }
    }))
}

fn with_reflection(router: Router<Arc<ServerState>>) -> Result<Router<Arc<ServerState>>, Error> {
    let builder = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(opentelemetry_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name(METRICS)
            .with_service_name("grpc.health.v1.Health")
    };
    let v1 = builder()
        .with_service_name("grpc.reflection.v1.ServerReflection")
        .build_v1()?
        .max_decoding_message_size(SMALL_MESSAGE_BYTES_MAX);
    let v1alpha = builder()
        .with_service_name("grpc.reflection.v1alpha.ServerReflection")
        .build_v1alpha()?
        .max_decoding_message_size(SMALL_MESSAGE_BYTES_MAX);
    Ok(router
        .route_service("/grpc.reflection.v1.ServerReflection/{method}", v1)
        .route_service(
            "/grpc.reflection.v1alpha.ServerReflection/{method}",
            v1alpha,
        ))
}

/// Whether a request that no path is known for is a call, and its answer if it is.
pub(crate) fn unknown_service(request: &Request) -> Option<Response> {
    let content_type = request.headers().get(axum::http::header::CONTENT_TYPE)?;
    call::is_grpc(content_type.to_str().ok()?)
        .then(|| call::failure(Status::unimplemented("there is no such service here")))
}
