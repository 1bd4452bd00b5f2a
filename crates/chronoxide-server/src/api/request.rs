//! From requests to parameters, from data to answers.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use chronoxide_model::{Matcher, TimeRange};
use chronoxide_promql::RangeTimes;
use chronoxide_promql::syntax::reading_bytes;
use chronoxide_storage::Database;

use super::form::Form;
use super::json::{Notes, success};
use crate::answer_bytes::{AnswerBytes, Watch};
use crate::edge::{AcceptedEncoding, Encoding};
use crate::error::{ApiError, with_sources};
use crate::ingest::{BodyError, HeldMemory, read};
use crate::query_memory::Grant;
use crate::state::{CancelOnDrop, Deadline, ServerState};

/// Largest form body, in bytes: that of Go's standard library.
const FORM_BYTES_MAX: usize = 10 << 20;

impl FromRequest<Arc<ServerState>> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<ServerState>) -> Result<Self, ApiError> {
        let mut form = Self::default();
        let (parts, body) = request.into_parts();
        let has_form = [Method::POST, Method::PUT].contains(&parts.method);
        if has_form && is_form(parts.headers.get(header::CONTENT_TYPE)) {
            let mut held = HeldMemory::default();
            let body = read(body, FORM_BYTES_MAX, &state.request_memory, &mut held)
                .await
                .map_err(|error| match error {
                    BodyError::NoMemory => ApiError::unavailable(error.to_string()),
                    _ => ApiError::bad_data(format!("error parsing form values: {error}")),
                })?;
            form.append(&body).map_err(ApiError::bad_data)?;
        }
        form.append(parts.uri.query().unwrap_or("").as_bytes())
            .map_err(ApiError::bad_data)?;
        Ok(form)
    }
}

fn is_form(content_type: Option<&HeaderValue>) -> bool {
    let text = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let media_type = text.split(';').next().unwrap_or("").trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// An answer in JSON.
pub(crate) fn json_response(body: Vec<u8>) -> Response {
    (
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )],
        body,
    )
        .into_response()
}

/// The answer of a request that succeeded at once, without notes.
pub(crate) fn success_response(write: impl FnOnce(&mut Vec<u8>)) -> Response {
    json_response(success(&Notes::default(), write))
}

/// A lookup: something that reads series, and no samples or few.
#[derive(Debug)]
pub(crate) struct LookUp {
    /// What it is, for those who ask what the server is busy with.
    text: String,
    range: TimeRange,
    encoding: Option<Encoding>,
    content_type: &'static str,
}

impl LookUp {
    /// A lookup that people know as `text`.
    pub(crate) fn new(text: impl Into<String>, encoding: AcceptedEncoding) -> Self {
        Self {
            text: text.into(),
            range: TimeRange::ALL,
            encoding: encoding.0,
            content_type: "application/json",
        }
    }

    /// The same in this range.
    pub(crate) const fn within(mut self, range: TimeRange) -> Self {
        self.range = range;
        self
    }

    /// The same in this range, if there is one.
    pub(crate) fn within_some(self, range: Option<TimeRange>) -> Self {
        match range {
            Some(range) => self.within(range),
            None => self,
        }
    }

    /// The same, answered as something other than JSON.
    pub(crate) const fn answered_as(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }

    /// Runs `work` on the database, on a thread that may block, and answers what it wrote.
    ///
    /// It is listed while it runs, ends at the time limit of queries and with its client, and what it holds counts
    /// as what queries hold.
    pub(crate) async fn run(
        self,
        state: &Arc<ServerState>,
        work: impl FnOnce(&Database, &mut AnswerBytes) -> Result<(), ApiError> + Send + 'static,
    ) -> Result<Response, ApiError> {
        let database = state.ready_database()?;
        let deadline = Deadline::new(state.config.query_timeout);
        let cancel = CancelOnDrop::default();
        let turn = state.lookup_turn(deadline.left()).await?;
        let watch = Watch {
            cancellation: cancel.0.clone(),
            deadline,
        };
        let shared = Arc::clone(state);
        blocking(state, move || {
            let _turn = turn;
            let _running = shared.metrics.queries_running.raise();
            let times = RangeTimes {
                start_ms: self.range.min_ms(),
                end_ms: self.range.max_ms(),
                step_ms: 0,
            };
            let now_ms = shared.now_ms();
            let _listed = shared
                .active_queries
                .enter(&self.text, "lookup", times, now_ms);
            let mut out = AnswerBytes::new(&shared, self.encoding, watch);
            // All texts that are read stand in it.
            out.hold(reading_bytes(&self.text))?;
            work(&database, &mut out)?;
            out.into_response(self.content_type)
        })
        .await
    }
}

/// The selectors of `form`, read on a thread that may block and in a turn of lookups, for what is no lookup itself.
pub(crate) async fn selectors_of(
    state: &ServerState,
    form: Form,
) -> Result<Vec<Vec<Matcher>>, ApiError> {
    let deadline = Deadline::new(state.config.query_timeout);
    let cancel = CancelOnDrop::default();
    let turn = state.lookup_turn(deadline.left()).await?;
    let watch = Watch {
        cancellation: cancel.0.clone(),
        deadline,
    };
    let mut held = Grant::new(&state.query_memory);
    blocking(state, move || {
        let _turn = turn;
        held.grow(reading_bytes(&form.described("")))?;
        form.selectors(&watch)
    })
    .await
}

/// Runs `work` on a thread that may block; a panic of it becomes an answer.
pub(crate) async fn blocking<T: Send + 'static>(
    state: &ServerState,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => {
            state.metrics.panics.increment();
            tracing::error!(%error, "a request ended in a panic; this is a bug");
            Err(ApiError::internal(
                "the server met a bug in itself; its log says where",
            ))
        }
    }
}

/// The answer when storage cannot be read.
pub(crate) fn storage_failed(error: &chronoxide_storage::Error) -> ApiError {
    ApiError::internal(with_sources(error))
}
