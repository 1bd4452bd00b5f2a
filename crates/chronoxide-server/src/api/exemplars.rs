//! Exemplars of the series that a query selects.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chronoxide_model::Exemplar;
use chronoxide_storage::SeriesExemplars;

use super::form::Form;
use super::json::{Notes, success, write_labels, write_list};
use super::number::{write_timestamp, write_value};
use super::request::{look_up, storage_failed};
use crate::error::ApiError;
use crate::state::ServerState;

/// `/query_exemplars`: those of all selectors of the expression, which is not evaluated.
pub(crate) async fn exemplars(
    State(state): State<Arc<ServerState>>,
    form: Form,
) -> Result<Response, ApiError> {
    let range = form.range()?;
    let selectors = chronoxide_promql::selectors_of(form.query())
        .map_err(|error| ApiError::from_query(&error))?;
    look_up(&state, move |database| {
        let found = if selectors.is_empty() {
            Vec::new()
        } else {
            database
                .exemplars(&selectors, range)
                .map_err(|error| storage_failed(&error))?
        };
        Ok(success(&Notes::default(), |out| {
            write_list(out, &found, write_series)
        }))
    })
    .await
}

fn write_series(out: &mut Vec<u8>, series: &SeriesExemplars) {
    out.extend_from_slice(br#"{"seriesLabels":"#);
    write_labels(out, &series.labels);
    out.extend_from_slice(br#","exemplars":"#);
    write_list(out, &series.exemplars, write_exemplar);
    out.push(b'}');
}

fn write_exemplar(out: &mut Vec<u8>, exemplar: &Exemplar) {
    out.extend_from_slice(br#"{"labels":"#);
    write_labels(out, &exemplar.labels);
    out.extend_from_slice(br#","value":""#);
    write_value(out, exemplar.value);
    out.extend_from_slice(br#"","timestamp":"#);
    write_timestamp(out, exemplar.timestamp_ms);
    out.push(b'}');
}
