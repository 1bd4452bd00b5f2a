//! Samples as JSON lines, sent while they are being read.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chronoxide_exposition::write_json_lines;
use chronoxide_model::{Labels, Matcher, SeriesSet, TimeRange};
use chronoxide_storage::Database;

use super::form::Form;
use super::request::selectors_of;
use crate::edge::accepts_gzip;
use crate::error::ApiError;
use crate::state::ServerState;
use crate::stream::{Pieces, STRETCH_SAMPLES, StreamError, streamed};

/// Samples of one line; with the longest numbers it stays below what importers take.
const ROWS_MAX: usize = 50_000;

/// `/export`: every sample of the selected series, bit for bit.
pub(crate) async fn export(
    State(state): State<Arc<ServerState>>,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, ApiError> {
    if form.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let range = form.range()?;
    let rows_max = form
        .number("max_rows_per_line")?
        .and_then(|rows| usize::try_from(rows).ok())
        .filter(|rows| *rows > 0)
        .map_or(ROWS_MAX, |rows| rows.min(ROWS_MAX));
    let database = state.ready_database()?;
    let selectors = selectors_of(&state, form).await?;
    let turn = state.stream_turn().await?;
    let gzip = accepts_gzip(&headers);
    let shared = Arc::clone(&state);
    let produce = move |pieces: &mut Pieces| {
        let mut export = Export {
            rows_max,
            seen: (selectors.len() > 1).then(HashSet::new),
            samples: 0,
        };
        let exported = selectors
            .iter()
            .try_for_each(|matchers| export.write(&database, matchers, range, pieces));
        shared.metrics.query_samples.add(export.samples);
        exported
    };
    streamed(
        &state,
        turn,
        "application/stream+json; charset=utf-8",
        gzip,
        produce,
    )
    .await
}

#[derive(Debug)]
struct Export {
    rows_max: usize,
    /// Series written for an earlier selector, where there are several.
    seen: Option<HashSet<Labels>>,
    samples: u64,
}

impl Export {
    fn write(
        &mut self,
        database: &Database,
        matchers: &[Matcher],
        range: TimeRange,
        pieces: &mut Pieces,
    ) -> Result<(), StreamError> {
        let selection = database
            .select(matchers, range)
            .map_err(StreamError::from)?;
        for index in 0..selection.len() {
            let labels = SeriesSet::labels(&selection, index);
            if let Some(seen) = &mut self.seen
                && !seen.insert(labels.clone())
            {
                continue;
            }
            selection.read_stretches(index, STRETCH_SAMPLES, |columns| {
                self.samples += columns.len() as u64;
                write_json_lines(pieces.pending(), &labels, columns, self.rows_max);
                pieces.send_full()
            })?;
        }
        Ok(())
    }
}
