//! Remote read: other servers read samples through this one.

use std::sync::Arc;

use super::request::{blocking, storage_failed};
use crate::answer_bytes::held_bytes;
use crate::edge::Finished;
use crate::error::{ApiError, with_sources};
use crate::ingest::{BodyError, HeldMemory, declared_by_snappy, read as read_body};
use crate::query_memory::Grant;
use crate::state::{CancelOnDrop, Deadline, ServerState};
use crate::stream::{Pieces, STRETCH_SAMPLES, StreamError, streamed};
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chronoxide_model::SeriesSet;
use chronoxide_remote_read::{Query, ResponseForm, SamplesAnswer, write_frames};
use chronoxide_storage::Database;

/// Bytes of a request, before and after decompression.
const REQUEST_BYTES_MAX: usize = 32 << 20;

/// Bytes of an answer that is made as a whole, before compression.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Memory of such an answer is held in steps of this many bytes.
const STEP_BYTES: usize = 1 << 20;

/// `/read`
pub(crate) async fn read(
    State(state): State<Arc<ServerState>>,
    request: Request,
) -> Result<Response, ApiError> {
    let database = state.ready_database()?;
    let mut held = HeldMemory::default();
    let body = read_body(
        request.into_body(),
        REQUEST_BYTES_MAX,
        &state.request_memory,
        &mut held,
    )
    .await
    .map_err(|error| match error {
        BodyError::NoMemory => ApiError::unavailable(error.to_string()),
        _ => ApiError::bad_data(error.to_string()),
    })?;
    let turn = state.stream_turn().await?;
    // The body says first how long it is when it is decompressed, and what is decoded of it is as large at most. Other
    // memory than that of requests: whoever reads must not keep others from writing.
    let mut grant = Grant::new(&state.query_memory);
    let declared = declared_by_snappy(&body).unwrap_or(0);
    grant.grow(2 * declared.min(REQUEST_BYTES_MAX as u64))?;
    let request = blocking(&state, move || {
        let _held = held;
        let message = chronoxide_remote_write::decompress(&body, REQUEST_BYTES_MAX)
            .map_err(|error| ApiError::bad_data(with_sources(&error)))?;
        chronoxide_remote_read::decode(&message)
            .map_err(|error| ApiError::bad_data(with_sources(&error)))
    })
    .await?;
    match request.form {
        ResponseForm::Samples => {
            let _turn = turn;
            samples(&state, database, request.queries, grant).await
        }
        ResponseForm::StreamedChunks => {
            let shared = Arc::clone(&state);
            let produce = move |pieces: &mut Pieces| {
                let _grant = grant;
                let mut samples = 0;
                let written = write_chunks(&database, &request.queries, pieces, &mut samples);
                shared.metrics.query_samples.add(samples);
                written
            };
            streamed(
                &state,
                turn,
                "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse",
                false,
                produce,
            )
            .await
        }
    }
}

fn write_chunks(
    database: &Database,
    queries: &[Query],
    pieces: &mut Pieces,
    samples: &mut u64,
) -> Result<(), StreamError> {
    for (query_index, query) in queries.iter().enumerate() {
        let selection = database
            .select(&query.matchers, query.range)
            .map_err(StreamError::from)?;
        for index in 0..selection.len() {
            let labels = SeriesSet::labels(&selection, index);
            selection.read_stretches(index, STRETCH_SAMPLES, |columns| {
                *samples += columns.len() as u64;
                write_frames(pieces.pending(), query_index, &labels, columns);
                pieces.send_full()
            })?;
        }
    }
    Ok(())
}

async fn samples(
    state: &Arc<ServerState>,
    database: Arc<Database>,
    queries: Vec<Query>,
    grant: Grant,
) -> Result<Response, ApiError> {
    let cancel = CancelOnDrop::default();
    let mut collector = Collector {
        state: Arc::clone(state),
        grant,
        held_bytes: 0,
        deadline: Deadline::new(state.config.query_timeout),
        cancellation: cancel.0.clone(),
        samples: 0,
        answer: SamplesAnswer::new(),
    };
    let block = blocking(state, move || {
        for query in &queries {
            collector.collect(&database, query)?;
        }
        collector.finish()
    })
    .await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-protobuf"),
        (header::CONTENT_ENCODING, "snappy"),
    ]
    .map(|(name, value)| (name, HeaderValue::from_static(value)));
    let mut response = (headers, block).into_response();
    response.extensions_mut().insert(Finished);
    Ok(response)
}

/// Collects an answer as a whole, within bounds of memory and of time.
struct Collector {
    state: Arc<ServerState>,
    grant: Grant,
    /// For how many bytes of the answer.
    held_bytes: usize,
    deadline: Deadline,
    cancellation: chronoxide_promql::Cancellation,
    samples: u64,
    answer: SamplesAnswer,
}

impl Collector {
    fn collect(&mut self, database: &Database, query: &Query) -> Result<(), ApiError> {
        let selection = database
            .select(&query.matchers, query.range)
            .map_err(|error| storage_failed(&error))?;
        for index in 0..selection.len() {
            self.answer
                .start_series(&SeriesSet::labels(&selection, index));
            selection.read_stretches(index, STRETCH_SAMPLES, |columns| {
                self.samples += columns.len() as u64;
                // Before the samples become a message, and again for what it takes.
                self.check()?;
                self.answer.push_samples(columns);
                self.check()
            })?;
            self.answer.finish_series();
        }
        self.answer.finish_query();
        Ok(())
    }

    fn check(&mut self) -> Result<(), ApiError> {
        let bytes = self.answer.len();
        let samples_max = self.state.config.query_samples_max;
        if self.samples > samples_max || bytes > ANSWER_BYTES_MAX {
            return Err(ApiError::bad_data(format!(
                "the answer would be larger than {samples_max} samples or {ANSWER_BYTES_MAX} bytes; ask for less, \
                 or accept STREAMED_XOR_CHUNKS"
            )));
        }
        if self.cancellation.is_cancelled() || self.deadline.left().is_zero() {
            return Err(ApiError::timeout("the read timed out"));
        }
        if bytes > self.held_bytes {
            let step = (bytes - self.held_bytes).max(STEP_BYTES);
            // The answer is there twice while it is compressed.
            self.grant.grow(2 * step as u64)?;
            self.held_bytes += step;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Bytes, ApiError> {
        self.state.metrics.query_samples.add(self.samples);
        let mut block = self
            .answer
            .finish()
            .map_err(|error| ApiError::bad_data(error.to_string()))?;
        block.shrink_to_fit();
        self.grant.resize(block.len() as u64)?;
        Ok(held_bytes(block, self.grant))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use chronoxide_storage::{Labels, Options, WriteBatch};
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::config::{Config, Settings};

    /// All of `up` at any time, as a message in a block of one literal.
    const UP: &[u8] = b"\x20\x7c\x0a\x1e\x08\0\x10\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x1a\x10\x08\0\x12\x08__name__\x1a\x02up";

    #[tokio::test]
    async fn an_answer_is_held_as_what_queries_hold_until_it_has_been_sent() {
        let config = Config::new(&Settings::default()).unwrap();
        let state = Arc::new(ServerState::new(config, "here".to_owned()));
        let directory = tempfile::tempdir().unwrap();
        let options = Options {
            retention: Duration::MAX,
            ..Options::default()
        };
        let database = Database::open(directory.path(), options).unwrap();
        let mut batch = WriteBatch::new();
        let up = Labels::from_pairs([("__name__", "up")]).unwrap();
        batch.push(up, 1_700_000_000_000, 1.0);
        database.write(&batch).unwrap();
        state.set_database(Arc::new(database));
        let request = Request::post("/api/v1/read").body(Body::from(UP)).unwrap();
        let response = read(State(Arc::clone(&state)), request).await.unwrap();
        assert_eq!(state.request_memory.held_bytes(), 0);
        let held = state.query_memory.held_bytes();
        let block = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(held, block.len() as u64);
        assert!(block.windows(2).any(|text| text == b"up"));
        drop(block);
        assert_eq!(state.query_memory.held_bytes(), 0);
    }
}
