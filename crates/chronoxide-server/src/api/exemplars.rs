//! Exemplars of the series that a query selects.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chronoxide_model::Exemplar;
use chronoxide_storage::{Database, SeriesExemplars};

use super::form::Form;
use super::json::{Notes, write_labels, write_list};
use super::number::{write_timestamp, write_value};
use super::request::{LookUp, storage_failed};
use crate::answer_bytes::AnswerBytes;
use crate::edge::AcceptedEncoding;
use crate::error::ApiError;
use crate::state::ServerState;

/// `/query_exemplars`: those of all selectors of the expression, which is not evaluated.
pub(crate) async fn exemplars(
    State(state): State<Arc<ServerState>>,
    encoding: AcceptedEncoding,
    form: Form,
) -> Result<Response, ApiError> {
    let Some(range) = form.lookup_range()? else {
        return Err(ApiError::bad_data(
            "end timestamp must not be before start timestamp",
        ));
    };
    let look_up = LookUp::new(format!("exemplars of {}", form.query()), encoding).within(range);
    let work = move |database: &Database, out: &mut AnswerBytes| {
        let selectors = chronoxide_promql::selectors_of(form.query())
            .map_err(|error| ApiError::from_query(&error))?;
        let found = if selectors.is_empty() {
            Vec::new()
        } else {
            database
                .exemplars(&selectors, range)
                .map_err(|error| storage_failed(&error))?
        };
        let exemplars = found.iter().flat_map(|series| &series.exemplars);
        out.hold(exemplars.map(bytes_of).sum())?;
        out.begin_success();
        out.write_list(&found, write_series)?;
        out.end_success(&Notes::default());
        Ok(())
    };
    look_up.run(&state, work).await
}

fn bytes_of(exemplar: &Exemplar) -> u64 {
    let labels = exemplar.labels.iter();
    let texts: usize = labels.map(|(name, value)| name.len() + value.len()).sum();
    (size_of::<Exemplar>() + texts) as u64
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
