//! Series by their labels.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chronoxide_model::{Labels, Matcher};

use super::form::Form;
use super::json::{Notes, success, write_labels, write_list};
use super::request::{look_up, storage_failed};
use crate::error::ApiError;
use crate::state::ServerState;

impl Form {
    /// The selectors of `match[]`, each of which excludes something.
    pub(crate) fn selectors(&self) -> Result<Vec<Vec<Matcher>>, ApiError> {
        self.all("match[]")
            .map(|text| {
                let matchers = chronoxide_promql::parse_selector(text).map_err(|error| {
                    ApiError::bad_data(format!("invalid parameter \"match[]\": {error}"))
                })?;
                if matchers.iter().all(Matcher::matches_empty) {
                    return Err(ApiError::bad_data(
                        "invalid parameter \"match[]\": match[] must contain at least one non-empty matcher",
                    ));
                }
                Ok(matchers)
            })
            .collect()
    }
}

/// `/series`: label sets that satisfy any of the selectors.
pub(crate) async fn series(
    State(state): State<Arc<ServerState>>,
    form: Form,
) -> Result<Response, ApiError> {
    if form.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let limit = form.limit()?;
    let range = form.range()?;
    let selectors = form.selectors()?;
    look_up(&state, move |database| {
        let mut found: Vec<Labels> = Vec::new();
        for matchers in &selectors {
            found.extend(
                database
                    .series(matchers, range)
                    .map_err(|error| storage_failed(&error))?,
            );
        }
        if selectors.len() > 1 {
            found.sort_unstable();
            found.dedup();
        }
        Ok(truncated(found, limit, |out, labels| {
            write_labels(out, labels)
        }))
    })
    .await
}

/// The answer with `items`, at most `limit` of them, and a warning if that left some out.
pub(super) fn truncated<T>(
    mut items: Vec<T>,
    limit: Option<usize>,
    mut write: impl FnMut(&mut Vec<u8>, &T),
) -> Vec<u8> {
    let mut notes = Notes::default();
    if let Some(limit) = limit.filter(|limit| items.len() > *limit) {
        items.truncate(limit);
        notes.warn_of_truncation();
    }
    success(&notes, |out| {
        write_list(out, &items, |out, item| write(out, item))
    })
}
