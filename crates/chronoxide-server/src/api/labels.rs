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
use super::request::{LookUp, storage_failed};
use super::series::write_limited;
use super::union::union;
use crate::answer_bytes::AnswerBytes;
use crate::edge::AcceptedEncoding;
use crate::error::ApiError;
use crate::state::ServerState;

/// `/labels`: names of labels.
pub(crate) async fn names(
    State(state): State<Arc<ServerState>>,
    encoding: AcceptedEncoding,
    form: Form,
) -> Result<Response, ApiError> {
    let look_up = LookUp::new(form.described("labels"), encoding);
    strings(&state, form, look_up, Database::label_names).await
}

/// `/label/{name}/values`: values of one label.
pub(crate) async fn values(
    State(state): State<Arc<ServerState>>,
    uri: Uri,
    encoding: AcceptedEncoding,
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
    let look_up = LookUp::new(form.described(&format!("values of {name:?}")), encoding);
    strings(&state, form, look_up, move |database, matchers, range| {
        database.label_values(&name, matchers, range)
    })
    .await
}

/// The sorted union of what `find` gives for each selector.
async fn strings(
    state: &Arc<ServerState>,
    form: Form,
    look_up: LookUp,
    find: impl Fn(&Database, &[Matcher], TimeRange) -> chronoxide_storage::Result<Vec<String>>
    + Send
    + 'static,
) -> Result<Response, ApiError> {
    let limit = form.limit()?;
    let range = form.lookup_range()?;
    let work = move |database: &Database, out: &mut AnswerBytes| {
        let mut selectors = form.selectors(out.watch())?;
        if selectors.is_empty() {
            selectors.push(Vec::new());
        }
        let Some(range) = range else {
            return write_limited(out, 0..0, None, |_, _| ());
        };
        let mut found = Vec::with_capacity(selectors.len());
        for matchers in &selectors {
            out.check()?;
            let texts = find(database, matchers, range).map_err(|error| storage_failed(&error))?;
            let bytes = texts.iter().map(|text| size_of::<String>() + text.len());
            out.hold(bytes.sum::<usize>() as u64)?;
            found.push(texts.into_iter());
        }
        write_limited(out, union(found), limit, |out, text| {
            write_string(out, &text)
        })
    };
    look_up.within_some(range).run(state, work).await
}
