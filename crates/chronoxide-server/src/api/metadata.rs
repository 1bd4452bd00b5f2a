//! What is known of metrics beside their samples.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chronoxide_model::Metadata;

use super::form::Form;
use super::json::{Notes, success, write_object, write_string};
use super::request::look_up;
use crate::error::ApiError;
use crate::state::ServerState;

/// `/metadata`: type, help and unit of metrics, one of each for each metric.
pub(crate) async fn metadata(
    State(state): State<Arc<ServerState>>,
    form: Form,
) -> Result<Response, ApiError> {
    // Negative limits are none, as in Prometheus.
    let limit = form
        .number("limit")?
        .and_then(|limit| usize::try_from(limit).ok());
    form.number("limit_per_metric")?;
    let metric = form.get("metric").map(str::to_owned);
    look_up(&state, move |database| {
        let known = match &metric {
            Some(name) => database
                .metadata_of(name)
                .map(|metadata| (name.clone(), metadata))
                .into_iter()
                .collect(),
            None => database.metadata(),
        };
        let listed = known.into_iter().take(limit.unwrap_or(usize::MAX));
        Ok(success(&Notes::default(), |out| {
            write_object(out, listed, |out, metadata| write_metadata(out, &metadata));
        }))
    })
    .await
}

fn write_metadata(out: &mut Vec<u8>, metadata: &Metadata) {
    out.push(b'[');
    let members = [
        ("type", metadata.metric_type.as_str()),
        ("help", &metadata.help),
        ("unit", &metadata.unit),
    ];
    write_object(out, members, write_string);
    out.push(b']');
}
