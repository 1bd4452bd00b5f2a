//! Queries: instant and over a range.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::Response;
use chronoxide_promql::syntax::{self, Expr, Features, reading_bytes};
use chronoxide_promql::{Answer, QueryOptions, QueryProgress, Value};
use chronoxide_storage::Database;

use super::answer::{Timing, write_value_of};
use super::form::Form;
use super::json::{Notes, write_string};
use super::otlp_names::hints;
use super::request::{LookUp, blocking};
use crate::active_queries::QueryTimes;
use crate::answer_bytes::{AnswerBytes, Watch};
use crate::client::Client;
use crate::edge::AcceptedEncoding;
use crate::error::ApiError;
use crate::slow_query::EndedQuery;
use crate::state::{CancelOnDrop, Deadline, ServerState};

/// A query of either kind, ready to run.
#[derive(Debug)]
struct Query {
    text: String,
    times: QueryTimes,
    limit: Option<usize>,
    lookback: Option<Duration>,
    timeout: Duration,
    with_stats: bool,
    notes: Notes,
}

/// `/query`: the value at one time.
pub(crate) async fn instant(
    State(state): State<Arc<ServerState>>,
    client: Client,
    encoding: AcceptedEncoding,
    form: Form,
) -> Result<Response, ApiError> {
    let limit = form.limit()?;
    let times = QueryTimes::At(form.evaluation_time(state.now_ms())?);
    let query = Query::new(&state, &form, times, limit)?;
    query.run(&state, client, encoding).await
}

/// `/query_range`: the values at steps between two times.
pub(crate) async fn range(
    State(state): State<Arc<ServerState>>,
    client: Client,
    encoding: AcceptedEncoding,
    form: Form,
) -> Result<Response, ApiError> {
    let limit = form.limit()?;
    let times = QueryTimes::Range(form.steps()?);
    let query = Query::new(&state, &form, times, limit)?;
    query.run(&state, client, encoding).await
}

/// `/format_query`: the query, written the usual way.
pub(crate) async fn format(
    State(state): State<Arc<ServerState>>,
    encoding: AcceptedEncoding,
    form: Form,
) -> Result<Response, ApiError> {
    let look_up = LookUp::new(format!("form of {}", form.query()), encoding);
    let features = state.engine.options().features;
    let work = move |_: &Database, out: &mut AnswerBytes| {
        let tree = tree(&form, features)?;
        out.begin_success();
        write_string(out.pending(), &tree.pretty());
        out.end_success(&Notes::default());
        Ok(())
    };
    look_up.run(&state, work).await
}

/// The query as it is written.
pub(super) fn tree(form: &Form, features: Features) -> Result<Expr, ApiError> {
    syntax::parse(form.query(), features).map_err(|error| ApiError::from_query(&error))
}

impl Query {
    fn new(
        state: &ServerState,
        form: &Form,
        times: QueryTimes,
        limit: Option<usize>,
    ) -> Result<Self, ApiError> {
        let timeout = form.timeout(state.config.query_timeout)?;
        let lookback = form.lookback()?;
        let mut notes = Notes::default();
        let stats = form.get("stats");
        if let Some(value) = stats.filter(|value| !["true", "all"].contains(value)) {
            notes.warnings.push(format!(
                "value {value:?} for parameter \"stats\" is deprecated and will be rejected in the next major release, use \"true\" or \"all\""
            ));
        }
        let with_stats = stats.is_some();
        Ok(Self {
            text: form.query().to_owned(),
            times,
            limit,
            lookback,
            timeout,
            with_stats,
            notes,
        })
    }

    async fn run(
        self,
        state: &Arc<ServerState>,
        client: Client,
        encoding: AcceptedEncoding,
    ) -> Result<Response, ApiError> {
        let database = state.ready_database()?;
        let deadline = Deadline::new(self.timeout);
        let cancel = CancelOnDrop::default();
        let turn = state.query_turn(deadline.left()).await?;
        let queue = self.timeout.saturating_sub(deadline.left());
        let options = QueryOptions {
            lookback: self.lookback,
            timeout: Some(deadline.left()),
            cancellation: cancel.0.clone(),
            progress: QueryProgress::new(),
        };
        let watch = Watch {
            cancellation: cancel.0.clone(),
            deadline,
        };
        let out = AnswerBytes::new(state, encoding.0, watch);
        let shared = Arc::clone(state);
        blocking(state, move || {
            let _turn = turn;
            let _running = shared.metrics.queries_running.raise();
            let (kind, times) = (self.times.kind(), self.times.range());
            let _listed = shared
                .active_queries
                .enter(&self.text, kind, times, shared.now_ms());
            self.answer(&shared, &database, &options, (queue, client), out)
        })
        .await
    }

    /// The answer, of which nothing is left to do but to send it; notes how long that took.
    fn answer(
        mut self,
        state: &ServerState,
        database: &Database,
        options: &QueryOptions,
        (queue, client): (Duration, Client),
        out: AnswerBytes,
    ) -> Result<Response, ApiError> {
        let started = Instant::now();
        let answered = self.evaluate(state, database, options, queue, out);
        let stats = options.progress.stats();
        state.metrics.query_samples.add(stats.samples);
        let ended = EndedQuery {
            text: &self.text,
            client,
            times: self.times,
            queue,
            duration: started.elapsed(),
            stats,
            failure: answered.as_ref().err().map(ApiError::message),
        };
        ended.log_if_slow(state.config.slow_query);
        state.slowest_queries.add(&ended, state.now_ms());
        answered
    }

    fn evaluate(
        &mut self,
        state: &ServerState,
        database: &Database,
        options: &QueryOptions,
        queue: Duration,
        mut out: AnswerBytes,
    ) -> Result<Response, ApiError> {
        let started = Instant::now();
        out.hold(reading_bytes(&self.text))?;
        let answer = match self.times {
            QueryTimes::At(at_ms) => state.engine.instant(database, &self.text, at_ms, options),
            QueryTimes::Range(times) => state.engine.range(database, &self.text, times, options),
        };
        let timing = Timing {
            queue,
            evaluation: started.elapsed(),
            parts: options.progress.timings(),
        };
        let mut answer = answer.map_err(|error| ApiError::from_query(&error))?;
        let mut notes = Notes {
            warnings: std::mem::take(&mut answer.warnings),
            infos: std::mem::take(&mut answer.infos),
        };
        if truncate(&mut answer, self.limit) {
            notes.warn_of_truncation();
        }
        out.take_over(options.progress.hand_over(), answer.value.memory_bytes())?;
        notes.warnings.append(&mut self.notes.warnings);
        notes.infos.append(&mut hints(database, &answer));
        out.begin_success();
        let stats = self.with_stats.then_some((answer.stats, timing));
        write_value_of(&mut out, answer.value, stats)?;
        out.end_success(&notes);
        out.into_response("application/json")
    }
}

/// Cuts the series to `limit`; whether there were more.
fn truncate(answer: &mut Answer, limit: Option<usize>) -> bool {
    let Some(limit) = limit else { return false };
    match &mut answer.value {
        Value::Vector(samples) if samples.len() > limit => samples.truncate(limit),
        Value::Matrix(series) if series.len() > limit => series.truncate(limit),
        _ => return false,
    }
    true
}
