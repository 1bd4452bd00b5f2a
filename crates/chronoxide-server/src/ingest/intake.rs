//! The way of every request with samples: headers, body, memory, turn, bytes beneath, storage.
//!
//! Turn and memory go with the work and not with the client, which may leave before the work ends: else clients that
//! leave early and come again could pile up any amount of it.

use std::cell::RefCell;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use chronoxide_storage::Database;
use tokio::runtime::Handle;

use super::body::{self, BodyError};
use super::commit;
use super::encoding::Encoding;
use super::error::IngestError;
use super::request_memory::HeldMemory;
use crate::state::ServerState;

/// A protocol that brings samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Intake {
    /// Its name in own metrics.
    pub(super) protocol: &'static str,
    /// Content encodings it has; the first is meant where a request names none.
    pub(super) encodings: &'static [Encoding],
    /// Bytes of a body, before and after decompression.
    pub(super) bytes_max: fn(&ServerState) -> usize,
}

/// A body as it came in, and the memory that is held for it.
#[derive(Debug)]
pub(super) struct HeldBody {
    pub(super) bytes: Bytes,
    pub(super) encoding: Encoding,
    pub(super) held: HeldMemory,
}

/// What a protocol's part of the work is given.
pub(super) struct Work<'w> {
    pub(super) state: &'w ServerState,
    pub(super) database: &'w Database,
    /// The request, decompressed.
    pub(super) message: &'w [u8],
    /// Asks for so many bytes of memory more, which are held until the work ends.
    pub(super) hold: &'w mut dyn FnMut(u64) -> Result<(), BodyError>,
    /// The same without waiting for them: for work that others wait for.
    pub(super) hold_at_once: &'w mut dyn FnMut(u64) -> Result<(), BodyError>,
}

impl Intake {
    /// The encoding of a request; looked at before its body is.
    pub(super) fn encoding(&self, headers: &HeaderMap) -> Result<Encoding, IngestError> {
        Encoding::of(headers, self.encodings)
    }

    /// Reads a body and does `store` with the bytes beneath.
    pub(super) async fn take_in<T: Send + 'static>(
        &self,
        state: &Arc<ServerState>,
        encoding: Encoding,
        body: Body,
        store: impl FnOnce(Work<'_>) -> Result<T, IngestError> + Send + 'static,
    ) -> Result<T, IngestError> {
        // Before the body, which nobody would have a use for.
        ready(state)?;
        let limit = (self.bytes_max)(state);
        let mut held = HeldMemory::default();
        let bytes = body::read(body, limit, &state.request_memory, &mut held).await?;
        let body = HeldBody {
            bytes,
            encoding,
            held,
        };
        self.store(state, body, store).await
    }

    /// Does `store` with the bytes beneath a body that has been read.
    pub(super) async fn store<T: Send + 'static>(
        &self,
        state: &Arc<ServerState>,
        body: HeldBody,
        store: impl FnOnce(Work<'_>) -> Result<T, IngestError> + Send + 'static,
    ) -> Result<T, IngestError> {
        let database = ready(state)?;
        let limit = (self.bytes_max)(state);
        let HeldBody {
            bytes,
            encoding,
            mut held,
        } = body;
        let received = bytes.len() as u64;
        state
            .metrics
            .ingest_bytes
            .with([self.protocol])
            .add(received);
        // The turn comes first: those who have one wait for memory that others with a turn hold, and for nobody else.
        let turn = state.writes.take().await?;
        if let Some(declared) = encoding.declared_bytes(&bytes)
            && declared <= limit as u64
        {
            state.request_memory.hold(&mut held, declared).await?;
        }
        let shared = Arc::clone(state);
        let runtime = Handle::current();
        let stored = commit::run(move || {
            let _turn = turn;
            let memory = &shared.request_memory;
            let held = RefCell::new(held);
            let mut hold = |bytes| runtime.block_on(memory.hold(&mut held.borrow_mut(), bytes));
            let mut hold_at_once = |bytes| memory.hold_at_once(&mut held.borrow_mut(), bytes);
            let spare = &shared.spare_buffers;
            let message = encoding.decompress(&bytes, limit, spare, &mut hold)?;
            drop(bytes);
            let stored = store(Work {
                state: &shared,
                database: &database,
                message: &message,
                hold: &mut hold,
                hold_at_once: &mut hold_at_once,
            });
            message.put_back(spare);
            stored
        });
        stored.await.unwrap_or(Err(IngestError::Stopped))
    }
}

fn ready(state: &ServerState) -> Result<Arc<Database>, IngestError> {
    let database = state.database().cloned();
    database.ok_or_else(|| IngestError::Unready(state.unready_reason()))
}

/// Senders of samples never have an origin; a page that a person happens to visit does.
pub(super) fn refuse_browsers(headers: &HeaderMap) -> Result<(), IngestError> {
    if headers.contains_key(header::ORIGIN) {
        return Err(IngestError::FromBrowser);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::config::{Config, Settings};
    use crate::ingest::{RequestMemory, WriteTurns};

    const INTAKE: Intake = Intake {
        protocol: "test",
        encodings: &[Encoding::Identity, Encoding::Gzip],
        bytes_max: |_| 1 << 20,
    };

    const SNAPPY: Intake = Intake {
        encodings: &[Encoding::Snappy],
        ..INTAKE
    };

    fn state(directory: &std::path::Path) -> Arc<ServerState> {
        let config = Config::new(&Settings::default()).unwrap();
        let state = Arc::new(ServerState::new(config, "here".to_owned()));
        let options = chronoxide_storage::Options::default();
        let database = Database::open(directory, options).unwrap();
        state.set_database(Arc::new(database));
        state
    }

    #[tokio::test]
    async fn who_waits_for_a_turn_does_not_keep_memory_from_those_who_have_one() {
        let directory = tempfile::tempdir().unwrap();
        let mut state = state(directory.path());
        let sole = Arc::get_mut(&mut state).unwrap();
        sole.request_memory = RequestMemory::new(1 << 20, Duration::from_secs(60));
        sole.writes = WriteTurns::new(1, Duration::from_secs(60));
        let turn = state.writes.take().await.unwrap();
        // All but a little, so that the next one goes beyond the limit.
        let mut all = HeldMemory::default();
        let memory = state.request_memory.clone();
        memory.hold_at_once(&mut all, (1 << 20) - 4096).unwrap();
        let shared = Arc::clone(&state);
        let mut plain = vec![0; 1 << 16];
        plain.fill(7);
        let body = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
        let mut waiting = Box::pin(async move {
            let body = Body::from(body);
            let stored = SNAPPY.take_in(&shared, Encoding::Snappy, body, |_| Ok(()));
            stored.await
        });
        let soon = tokio::time::timeout(Duration::from_millis(200), &mut waiting);
        assert!(soon.await.is_err(), "it waits for its turn");
        let mut at_work = HeldMemory::default();
        memory.hold_at_once(&mut at_work, 1 << 19).unwrap();
        drop((at_work, turn));
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn turn_and_memory_stay_with_the_work_when_the_client_leaves() {
        let directory = tempfile::tempdir().unwrap();
        let state = state(directory.path());
        let turns = state.writes.free();
        assert_eq!(state.request_memory.held_bytes(), 0);
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (ended, has_ended) = tokio::sync::oneshot::channel::<()>();
        let body = Body::from(vec![7; 100_000]);
        let shared = Arc::clone(&state);
        let client = tokio::spawn(async move {
            let stored = INTAKE.take_in(&shared, Encoding::Identity, body, move |work| {
                begun.send(work.message.len()).unwrap();
                may_go_on.recv().unwrap();
                // Tells of the end of everything that the work holds.
                Ok(ended)
            });
            stored.await.map(drop)
        });
        let length = tokio::task::spawn_blocking(move || has_begun.recv().unwrap());
        assert_eq!(length.await.unwrap(), 100_000);
        client.abort();
        assert!(client.await.unwrap_err().is_cancelled());
        assert_eq!(state.writes.free(), turns - 1);
        assert!(state.request_memory.held_bytes() >= 100_000);
        go_on.send(()).unwrap();
        assert!(has_ended.await.is_err(), "dropped with the work's result");
        assert_eq!(state.writes.free(), turns);
        assert_eq!(state.request_memory.held_bytes(), 0);
    }

    #[tokio::test]
    async fn nothing_is_read_before_the_database_is_open() {
        let config = Config::new(&Settings::default()).unwrap();
        let state = Arc::new(ServerState::new(config, "here".to_owned()));
        let refused = INTAKE
            .take_in(&state, Encoding::Identity, Body::from("x"), |_| Ok(()))
            .await
            .unwrap_err();
        assert_eq!(refused.status(), 503);
        assert!(matches!(refused, IngestError::Unready(_)));
    }
}
