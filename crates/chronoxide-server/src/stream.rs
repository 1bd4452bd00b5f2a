//! Answers that are sent while they are being made, so that one of any length takes little memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use http_body_util::channel::{Channel, Sender};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use crate::edge::{Encoder, Encoding, Finished};
use crate::error::{ApiError, with_sources};
use crate::query_memory::Grant;
use crate::state::ServerState;

/// Bytes of one piece, roughly.
const PIECE_BYTES: usize = 64 << 10;

/// Pieces that wait for a slow client.
const PIECES_MAX: usize = 4;

/// Samples of a series that are read at once, roughly.
pub(crate) const STRETCH_SAMPLES: usize = 1 << 16;

/// Memory that one answer is reckoned at: such a stretch, the bytes made of it, and the pieces that wait.
const MEMORY_BYTES: u64 = 8 << 20;

/// Why an answer ends before it is complete.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error("the client went away")]
    Gone,
    #[error("{0}")]
    Failed(String),
}

impl From<chronoxide_storage::Error> for StreamError {
    fn from(error: chronoxide_storage::Error) -> Self {
        Self::Failed(with_sources(&error))
    }
}

/// Where the bytes of an answer are put, on a thread that may block.
pub(crate) struct Pieces {
    sender: Sender<Bytes, StreamError>,
    runtime: Handle,
    pending: Vec<u8>,
    gzip: Option<Encoder>,
}

impl Pieces {
    /// Bytes that are to be sent; more are appended.
    pub(crate) const fn pending(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// Sends what is pending if it is worth sending; waits while the client is slow.
    pub(crate) fn send_full(&mut self) -> Result<(), StreamError> {
        if self.pending.len() < PIECE_BYTES {
            return Ok(());
        }
        let plain = std::mem::take(&mut self.pending);
        match &mut self.gzip {
            None => self.send(plain),
            Some(encoder) => {
                encoder.write(&plain).map_err(compression_failed)?;
                self.pending = plain;
                self.pending.clear();
                if encoder.written().len() < PIECE_BYTES {
                    return Ok(());
                }
                let compressed = std::mem::take(encoder.written());
                self.send(compressed)
            }
        }
    }

    fn finish(&mut self) -> Result<(), StreamError> {
        let plain = std::mem::take(&mut self.pending);
        match self.gzip.take() {
            None => self.send(plain),
            Some(mut encoder) => {
                encoder.write(&plain).map_err(compression_failed)?;
                let rest = encoder.finish().map_err(compression_failed)?;
                self.send(rest)
            }
        }
    }

    fn send(&mut self, piece: Vec<u8>) -> Result<(), StreamError> {
        if piece.is_empty() {
            return Ok(());
        }
        self.runtime
            .block_on(self.sender.send_data(Bytes::from(piece)))
            .map_err(|_| StreamError::Gone)
    }
}

fn compression_failed(error: std::io::Error) -> StreamError {
    StreamError::Failed(error.to_string())
}

/// An answer whose bytes `produce` makes on a thread that may block.
///
/// When it fails, the connection is cut, so that no client takes the beginning for the whole.
pub(crate) async fn streamed(
    state: &Arc<ServerState>,
    turn: OwnedSemaphorePermit,
    content_type: &'static str,
    gzip: bool,
    produce: impl FnOnce(&mut Pieces) -> Result<(), StreamError> + Send + 'static,
) -> Result<Response, ApiError> {
    // Not the memory of requests: a client that takes its time must not keep others from writing.
    let mut held = Grant::new(&state.query_memory);
    held.grow(MEMORY_BYTES)?;
    let (sender, body) = Channel::new(PIECES_MAX);
    let mut pieces = Pieces {
        sender,
        runtime: Handle::current(),
        pending: Vec::new(),
        gzip: gzip.then(|| Encoding::Gzip.encoder()),
    };
    let state = Arc::clone(state);
    tokio::task::spawn_blocking(move || {
        let (_turn, _held) = (turn, held);
        let produced = catch_unwind(AssertUnwindSafe(|| {
            produce(&mut pieces)?;
            pieces.finish()
        }));
        let error = match produced {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => {
                state.metrics.panics.increment();
                tracing::error!("an answer ended in a panic; this is a bug");
                StreamError::Failed("the server met a bug in itself".to_owned())
            }
        };
        if let StreamError::Failed(reason) = &error {
            tracing::warn!(reason, "an answer was cut off");
        }
        pieces.sender.abort(error);
    });
    let mut response = Body::new(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response.extensions_mut().insert(Finished);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Settings};

    #[tokio::test]
    async fn a_client_that_takes_its_time_leaves_writers_their_memory() {
        let config = Config::new(&Settings::default()).unwrap();
        let state = Arc::new(ServerState::new(config, "here".to_owned()));
        let turn = state.stream_turn().await.unwrap();
        let endless = |pieces: &mut Pieces| {
            loop {
                pieces.pending().resize(PIECE_BYTES, b'x');
                pieces.send_full()?;
            }
        };
        let response = streamed(&state, turn, "text/plain", false, endless).await;
        assert_eq!(state.query_memory.held_bytes(), MEMORY_BYTES);
        assert_eq!(state.request_memory.held_bytes(), 0);
        drop(response.unwrap());
        while state.query_memory.held_bytes() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
