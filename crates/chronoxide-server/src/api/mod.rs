//! The Prometheus HTTP API.

mod activity;
mod admin;
mod answer;
#[cfg(test)]
mod blocking_tests;
mod exemplars;
mod export;
mod federate;
mod form;
pub(crate) mod json;
mod labels;
mod member;
mod metadata;
pub(crate) mod number;
mod otlp_names;
mod params;
mod parse;
mod query;
mod remote_read;
mod request;
mod rfc3339;
mod rules;
mod series;
mod status;
mod union;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};

use crate::edge;
use crate::state::ServerState;

pub(crate) use federate::federate;
pub(crate) use form::Form;
pub(crate) use status::version;

/// The endpoints below `/api/v1`.
pub(crate) fn routes(state: &Arc<ServerState>) -> Router<Arc<ServerState>> {
    let only_when_ready = middleware::from_fn_with_state(Arc::clone(state), edge::only_when_ready);
    data_routes()
        .layer(only_when_ready)
        .route("/status/walreplay", get(status::wal_replay))
        .route("/notifications", get(status::notifications))
        .route("/notifications/live", get(status::no_live_notifications))
}

/// The endpoints that answer only while the data directory is open.
fn data_routes() -> Router<Arc<ServerState>> {
    Router::new()
        .route("/query", get(query::instant).post(query::instant))
        .route("/query_range", get(query::range).post(query::range))
        .route(
            "/query_exemplars",
            get(exemplars::exemplars).post(exemplars::exemplars),
        )
        .route("/format_query", get(query::format).post(query::format))
        .route("/parse_query", get(parse::parse).post(parse::parse))
        .route("/labels", get(labels::names).post(labels::names))
        .route("/label/{name}/values", get(labels::values))
        .route("/label//values", get(labels::values))
        .route("/series", get(series::series).post(series::series))
        .route("/metadata", get(metadata::metadata))
        .route("/otlp/preview", get(otlp_names::preview))
        .route(
            "/admin/tsdb/delete_series",
            post(admin::delete_series).put(admin::delete_series),
        )
        .route(
            "/admin/tsdb/clean_tombstones",
            post(admin::clean_tombstones).put(admin::clean_tombstones),
        )
        .route(
            "/admin/tsdb/snapshot",
            post(admin::snapshot).put(admin::snapshot),
        )
        .route("/read", post(remote_read::read))
        .route("/export", get(export::export).post(export::export))
        .route("/rules", get(rules::rules))
        .route("/alerts", get(rules::alerts))
        .route("/alertmanagers", get(rules::alertmanagers))
        .route("/targets", get(rules::targets))
        .route("/status/buildinfo", get(status::build_info))
        .route("/status/runtimeinfo", get(status::runtime_info))
        .route("/status/flags", get(status::flags))
        .route("/status/config", get(status::config))
        .route("/status/tsdb", get(status::tsdb))
        .route("/status/active_queries", get(status::active_queries))
        .route("/targets/metadata", get(rules::target_metadata))
        .route("/scrape_pools", get(rules::scrape_pools))
        .route("/status/partitions", get(activity::partitions))
        .route("/status/rejections", get(activity::rejections))
        .route("/status/slow_queries", get(activity::slow_queries))
}
