//! Answers that are made whole before they are sent: in pieces, each accounted for until it has been sent.
//!
//! A whole answer can still become an error at its last series. Pieces go to the connection one by one, which drops
//! each when its bytes are written, or all of them when the client is gone; only then is their memory free.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chronoxide_promql::Cancellation;
use http_body::{Frame, SizeHint};

use crate::api::json::{Notes, write_notes};
use crate::edge::{COMPRESSED_BYTES_MIN, Encoder, Encoding, Finished};
use crate::error::ApiError;
use crate::query_memory::Grant;
use crate::state::{Deadline, ServerState};

/// Bytes of one piece, roughly.
const PIECE_BYTES: usize = 64 << 10;

/// Items of a list after which the watch is asked, whatever they are long.
const ITEMS_UNWATCHED: usize = 1024;

/// Ends work that nobody waits for any more, or that takes too long.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) cancellation: Cancellation,
    pub(crate) deadline: Deadline,
}

impl Watch {
    /// Whether the work may go on.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        if self.cancellation.is_cancelled() {
            return Err(ApiError::from_query(&chronoxide_promql::Error::Cancelled));
        }
        if self.deadline.left().is_zero() {
            return Err(ApiError::timeout(
                "query timed out in putting the answer together",
            ));
        }
        Ok(())
    }
}

/// An answer that is being put together.
#[derive(Debug)]
pub(crate) struct AnswerBytes {
    pending: Vec<u8>,
    pieces: VecDeque<Bytes>,
    encoding: Option<Encoding>,
    /// Made when the first piece is full; a short answer is not compressed.
    encoder: Option<Encoder>,
    /// What is held beside the pieces.
    grant: Grant,
    watch: Watch,
}

/// Bytes and the memory that is taken for them.
#[derive(Debug)]
struct HeldBytes {
    bytes: Vec<u8>,
    _held: Grant,
}

/// `bytes`, for which `held` was taken, until they have been sent.
pub(crate) fn held_bytes(bytes: Vec<u8>, held: Grant) -> Bytes {
    Bytes::from_owner(HeldBytes { bytes, _held: held })
}

impl AsRef<[u8]> for HeldBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AnswerBytes {
    /// An empty answer, to be compressed by `encoding` if it becomes long.
    pub(crate) fn new(state: &ServerState, encoding: Option<Encoding>, watch: Watch) -> Self {
        Self {
            pending: Vec::new(),
            pieces: VecDeque::new(),
            encoding,
            encoder: None,
            grant: Grant::new(&state.query_memory),
            watch,
        }
    }

    /// Where the next bytes are appended; call [`AnswerBytes::seal_full`] every now and then.
    pub(crate) const fn pending(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// Takes memory for what the answer is made from.
    pub(crate) fn hold(&mut self, bytes: u64) -> Result<(), ApiError> {
        self.grant.grow(bytes)
    }

    /// Takes charge of memory that a query took, of which its value holds `bytes`.
    pub(crate) fn take_over(&mut self, taken: u64, bytes: u64) -> Result<(), ApiError> {
        self.grant.take_over(taken);
        self.grant.resize(bytes)
    }

    /// What ends the work.
    pub(crate) const fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Whether the work may go on.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        self.watch.check()
    }

    /// Makes a piece of what is pending if it is worth one.
    pub(crate) fn seal_full(&mut self) -> Result<(), ApiError> {
        if self.pending.len() < PIECE_BYTES {
            return Ok(());
        }
        self.check()?;
        if let Some(encoding) = self.encoding
            && self.encoder.is_none()
        {
            self.encoder = Some(encoding.encoder());
        }
        self.seal()
    }

    /// Appends a list, each item written by `write`.
    pub(crate) fn write_list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Vec<u8>, T),
    ) -> Result<(), ApiError> {
        self.pending.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.pending.push(b',');
            }
            write(&mut self.pending, item);
            if index % ITEMS_UNWATCHED == 0 {
                self.check()?;
            }
            self.seal_full()?;
        }
        self.pending.push(b']');
        Ok(())
    }

    /// Appends a list of items whose memory the answer holds; `bytes` says how much of it goes with an item.
    pub(crate) fn write_held_list<T>(
        &mut self,
        items: Vec<T>,
        bytes: impl Fn(&T) -> u64,
        mut write: impl FnMut(&mut Self, &T) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let places = size_of_val(items.as_slice()) as u64;
        self.pending.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.pending.push(b',');
            }
            write(self, &item)?;
            let freed = bytes(&item);
            drop(item);
            self.grant.release(freed);
            if index % ITEMS_UNWATCHED == 0 {
                self.check()?;
            }
            self.seal_full()?;
        }
        self.grant.release(places);
        self.pending.push(b']');
        Ok(())
    }

    /// Begins the envelope of a request that succeeded; its data follows.
    pub(crate) fn begin_success(&mut self) {
        self.pending
            .extend_from_slice(br#"{"status":"success","data":"#);
    }

    /// Ends the envelope.
    pub(crate) fn end_success(&mut self, notes: &Notes) {
        write_notes(&mut self.pending, notes);
        self.pending.push(b'}');
    }

    fn seal(&mut self) -> Result<(), ApiError> {
        let Some(encoder) = &mut self.encoder else {
            let plain = std::mem::take(&mut self.pending);
            return self.keep(plain);
        };
        encoder.write(&self.pending).map_err(not_compressed)?;
        self.pending.clear();
        if encoder.written().len() < PIECE_BYTES {
            return Ok(());
        }
        let compressed = std::mem::take(encoder.written());
        self.keep(compressed)
    }

    fn keep(&mut self, mut bytes: Vec<u8>) -> Result<(), ApiError> {
        if bytes.is_empty() {
            return Ok(());
        }
        bytes.shrink_to_fit();
        let length = bytes.len() as u64;
        self.grant.grow(length)?;
        let held = self.grant.split(length);
        self.pieces.push_back(held_bytes(bytes, held));
        Ok(())
    }

    /// The answer, as `content_type`.
    pub(crate) fn into_response(
        mut self,
        content_type: &'static str,
    ) -> Result<Response, ApiError> {
        if let Some(encoding) = self.encoding
            && self.encoder.is_none()
            && self.pending.len() >= COMPRESSED_BYTES_MIN
        {
            self.encoder = Some(encoding.encoder());
        }
        self.seal()?;
        let compressed = self.encoder.take();
        let encoding = compressed.as_ref().and(self.encoding);
        if let Some(encoder) = compressed {
            let rest = encoder.finish().map_err(not_compressed)?;
            self.keep(rest)?;
        }
        let left = self.pieces.iter().map(|piece| piece.len() as u64).sum();
        let mut response = Body::new(Pieces {
            pieces: self.pieces,
            left,
        })
        .into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        if let Some(encoding) = encoding {
            headers.insert(
                header::CONTENT_ENCODING,
                HeaderValue::from_static(encoding.name()),
            );
        }
        response.extensions_mut().insert(Finished);
        Ok(response)
    }
}

fn not_compressed(error: std::io::Error) -> ApiError {
    ApiError::internal(format!("the answer could not be compressed: {error}"))
}

/// The body of an answer, given away piece by piece.
#[derive(Debug)]
struct Pieces {
    pieces: VecDeque<Bytes>,
    /// Bytes of all of them.
    left: u64,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::time::Duration;

    use http_body_util::BodyExt as _;

    use super::*;
    use crate::config::{Config, Settings};

    fn state() -> ServerState {
        let mut settings = Settings::default();
        settings.set("memory.limit", "256MiB").unwrap();
        ServerState::new(Config::new(&settings).unwrap(), "here".to_owned())
    }

    fn watch(limit: Duration) -> Watch {
        Watch {
            cancellation: Cancellation::new(),
            deadline: Deadline::new(limit),
        }
    }

    fn answer(state: &ServerState, encoding: Option<Encoding>) -> AnswerBytes {
        AnswerBytes::new(state, encoding, watch(Duration::from_secs(60)))
    }

    fn write_number(out: &mut Vec<u8>, number: u64) {
        out.extend_from_slice(number.to_string().as_bytes());
    }

    #[tokio::test]
    async fn memory_is_held_until_each_piece_has_been_sent() {
        let state = state();
        let mut bytes = answer(&state, None);
        bytes.write_list(0..100_000_u64, write_number).unwrap();
        let mut body = bytes.into_response("text/plain").unwrap().into_body();
        let length = http_body::Body::size_hint(&body).exact().unwrap();
        assert_eq!(state.query_memory.held_bytes(), length);
        let mut text = Vec::new();
        while let Some(frame) = body.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            text.extend_from_slice(&piece);
            assert_eq!(
                state.query_memory.held_bytes(),
                length - (text.len() - piece.len()) as u64
            );
        }
        assert_eq!(state.query_memory.held_bytes(), 0);
        assert_eq!(text.len() as u64, length);
        let numbers: Vec<u64> = serde_json::from_slice(&text).unwrap();
        assert_eq!(numbers.len(), 100_000);
    }

    #[tokio::test]
    async fn a_client_that_leaves_gives_all_of_it_back() {
        let state = state();
        let mut bytes = answer(&state, None);
        bytes.write_list(0..100_000_u64, write_number).unwrap();
        drop(bytes.into_response("text/plain").unwrap());
        assert_eq!(state.query_memory.held_bytes(), 0);
    }

    #[tokio::test]
    async fn long_answers_are_compressed_while_they_are_made() {
        let state = state();
        let mut bytes = answer(&state, Some(Encoding::Gzip));
        bytes.write_list(0..100_000_u64, write_number).unwrap();
        let response = bytes.into_response("text/plain").unwrap();
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
        let compressed = response.into_body().collect().await.unwrap().to_bytes();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&compressed[..])
            .read_to_string(&mut text)
            .unwrap();
        assert!(text.starts_with("[0,1,") && text.ends_with(",99999]"));
        let mut short = answer(&state, Some(Encoding::Gzip));
        short.write_list(0..10_u64, write_number).unwrap();
        let response = short.into_response("text/plain").unwrap();
        assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
    }

    #[test]
    fn an_answer_beyond_the_memory_of_queries_is_refused() {
        let state = state();
        let text = "x".repeat(1 << 20);
        let refused = answer(&state, None)
            .write_list(0..100, |out, _| out.extend_from_slice(text.as_bytes()))
            .unwrap_err();
        assert_eq!(refused.status(), 422, "{refused}");
        assert_eq!(state.query_memory.held_bytes(), 0);
    }

    #[test]
    fn work_ends_at_its_deadline_and_with_its_client() {
        let state = state();
        let late = watch(Duration::ZERO);
        let refused = AnswerBytes::new(&state, None, late).write_list([1], write_number);
        assert_eq!(refused.unwrap_err().status(), 503);
        let left = watch(Duration::from_secs(60));
        left.cancellation.cancel();
        let refused = AnswerBytes::new(&state, None, left).write_list([1], write_number);
        assert_eq!(refused.unwrap_err().status(), 499);
    }
}
