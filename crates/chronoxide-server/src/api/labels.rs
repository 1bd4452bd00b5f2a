//! Names and values of labels.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use chronoxide_model::{Matcher, TimeRange};
use chronoxide_storage::Database;

use super::form::{Form, decode_path_segment};
use super::json::write_string;
use super::params::unescape_label_name;
use super::request::{look_up, storage_failed};
use super::series::truncated;
use crate::error::ApiError;
use crate::state::ServerState;

/// `/labels`: names of labels.
pub(crate) async fn names(
    State(state): State<Arc<ServerState>>,
    form: Form,
) -> Result<Response, ApiError> {
    strings(&state, &form, Database::label_names).await
}

/// `/label/{name}/values`: values of one label.
pub(crate) async fn values(
    State(state): State<Arc<ServerState>>,
    uri: Uri,
    form: Form,
) -> Result<Response, ApiError> {
    let path = uri.path();
    let segment = path
        .strip_suffix("/values")
        .unwrap_or(path)
        .rsplit('/')
        .next()
        .unwrap_or("");
    let name = decode_path_segment(segment)
        .map(|segment| unescape_label_name(&segment))
        .filter(|name| !name.is_empty())
        .ok_or_else(|| ApiError::bad_data(format!("invalid label name: {segment:?}")))?;
    strings(&state, &form, move |database, matchers, range| {
        database.label_values(&name, matchers, range)
    })
    .await
}

/// The sorted union of what `find` gives for each selector.
async fn strings(
    state: &Arc<ServerState>,
    form: &Form,
    find: impl Fn(&Database, &[Matcher], TimeRange) -> chronoxide_storage::Result<Vec<String>>
    + Send
    + 'static,
) -> Result<Response, ApiError> {
    let limit = form.limit()?;
    let range = form.range()?;
    let mut selectors = form.selectors()?;
    if selectors.is_empty() {
        selectors.push(Vec::new());
    }
    look_up(state, move |database| {
        let mut found: Vec<String> = Vec::new();
        for matchers in &selectors {
            found.extend(find(database, matchers, range).map_err(|error| storage_failed(&error))?);
        }
        if selectors.len() > 1 {
            found.sort_unstable();
            found.dedup();
        }
        Ok(truncated(found, limit, |out, text| write_string(out, text)))
    })
    .await
}
