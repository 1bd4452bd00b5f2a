//! A stream whose HTTP/1 requests may have raw bytes in their query, as in `/api/v1/query?query=up{job="node"}`.
//!
//! Strictly, `"`, `<`, `>`, `#` and bytes outside ASCII must be percent-encoded there, and the HTTP library refuses most
//! of them. Prometheus takes them, and people type them every day, so they are encoded on the way in, in request lines
//! and nowhere else. Where the next request line begins is told from `Content-Length` alone: after a head that leaves
//! any doubt, the rest of the connection passes untouched.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that percent-encodes what a query should not hold, as it is read.
#[derive(Debug)]
pub(crate) struct RawQuery<S> {
    inner: S,
    place: Place,
    /// Bytes that were read but did not fit, to be handed on from `handed` on.
    ready: Vec<u8>,
    handed: usize,
}

impl<S> RawQuery<S> {
    /// A connection at its beginning.
    pub(crate) const fn new(inner: S) -> Self {
        Self {
            inner,
            place: Place::START,
            ready: Vec::new(),
            handed: 0,
        }
    }

    /// Hands on bytes that are ready, as many as there is room for.
    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = buffer.remaining().min(self.ready.len() - self.handed);
        buffer.put_slice(&self.ready[self.handed..self.handed + count]);
        self.handed += count;
        if self.handed == self.ready.len() {
            self.ready = Vec::new();
            self.handed = 0;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RawQuery<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = &mut *self;
        if this.ready.is_empty() {
            let before = buffer.filled().len();
            std::task::ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
            let Some(encoded) = this.place.encode(&buffer.filled()[before..]) else {
                return Poll::Ready(Ok(()));
            };
            buffer.set_filled(before);
            this.ready = encoded;
        }
        this.hand_on(buffer);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RawQuery<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Where in the messages of a connection the next byte lies.
#[derive(Debug)]
enum Place {
    /// In a request line; whether in its query.
    RequestLine { line: Line, in_query: bool },
    /// In the header lines of a request.
    Headers { line: Line, body: Body },
    /// In a body, so many bytes before its end, which are not 0.
    Body { remaining: u64 },
    /// Where nothing is told apart, to the end of the connection.
    Unknown,
}

/// What the header lines so far say of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// Nothing, so there is none.
    Unstated,
    /// It has so many bytes.
    Bytes(u64),
    /// It ends in a way that is not followed here.
    Unknown,
}

impl Place {
    const START: Self = Self::RequestLine {
        line: Line::EMPTY,
        in_query: false,
    };

    /// Passes `bytes`; gives them encoded, or none when they stay as they are.
    fn encode(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out: Option<Vec<u8>> = None;
        let mut at = 0;
        while at < bytes.len() {
            let untouched = self.skip(bytes.len() - at);
            if untouched > 0 {
                if let Some(out) = &mut out {
                    out.extend_from_slice(&bytes[at..at + untouched]);
                }
                at += untouched;
                continue;
            }
            let byte = bytes[at];
            if self.pass(byte) {
                let out = out.get_or_insert_with(|| bytes[..at].to_vec());
                out.extend_from_slice(&percent_encoded(byte));
            } else if let Some(out) = &mut out {
                out.push(byte);
            }
            at += 1;
        }
        out
    }

    /// Passes the bytes of a body, or whatever is not told apart, out of `count` that lie ready.
    fn skip(&mut self, count: usize) -> usize {
        match self {
            Self::Unknown => count,
            Self::Body { remaining } => {
                let skipped = usize::try_from(*remaining).map_or(count, |rest| rest.min(count));
                *remaining -= skipped as u64;
                if *remaining == 0 {
                    *self = Self::START;
                }
                skipped
            }
            Self::RequestLine { .. } | Self::Headers { .. } => 0,
        }
    }

    /// Passes one byte of a head; whether it is to be encoded.
    fn pass(&mut self, byte: u8) -> bool {
        match self {
            Self::RequestLine { line, in_query } => {
                if byte == b'\n' {
                    *self = after_request_line(line);
                    return false;
                }
                line.push(byte);
                match byte {
                    // The method is before the first space, the version after the second.
                    b'?' if line.spaces == 1 => *in_query = true,
                    b' ' => *in_query = false,
                    _ => {}
                }
                *in_query && is_raw(byte)
            }
            Self::Headers { line, body } => {
                if byte == b'\n' {
                    *self = after_header_line(line, *body);
                } else {
                    line.push(byte);
                }
                false
            }
            Self::Body { .. } | Self::Unknown => false,
        }
    }
}

/// The place after a request line; empty ones before it are allowed.
fn after_request_line(line: &Line) -> Place {
    let text = line.text();
    if text.is_empty() {
        return Place::START;
    }
    // The first is how HTTP/2 begins, the second makes a tunnel.
    if text.starts_with(b"PRI ") || text.starts_with(b"CONNECT ") {
        return Place::Unknown;
    }
    Place::Headers {
        line: Line::EMPTY,
        body: Body::Unstated,
    }
}

/// The place after a header line, when those before it said `body`.
fn after_header_line(line: &Line, body: Body) -> Place {
    let text = line.text();
    if !text.is_empty() {
        return Place::Headers {
            body: body.with_header(text, line.is_cut()),
            line: Line::EMPTY,
        };
    }
    match body {
        Body::Unstated | Body::Bytes(0) => Place::START,
        Body::Bytes(remaining) => Place::Body { remaining },
        Body::Unknown => Place::Unknown,
    }
}

impl Body {
    /// What is known after the header line `text`, of which `is_cut` says that more followed.
    fn with_header(self, text: &[u8], is_cut: bool) -> Self {
        let Some(colon) = text.iter().position(|byte| *byte == b':') else {
            // A line without a colon is an error, or its name is too long for any that matters.
            return if is_cut { self } else { Self::Unknown };
        };
        let (name, value) = (&text[..colon], text[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            return match (self, is_cut, decimal(value)) {
                (Self::Unstated, false, Some(count)) => Self::Bytes(count),
                _ => Self::Unknown,
            };
        }
        let is_doubtful = name.iter().any(u8::is_ascii_whitespace)
            || name.eq_ignore_ascii_case(b"transfer-encoding")
            || name.eq_ignore_ascii_case(b"upgrade");
        if is_doubtful { Self::Unknown } else { self }
    }
}

/// The number that `digits` are, if they are nothing else.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The beginning of a line.
#[derive(Debug)]
struct Line {
    kept: [u8; Self::KEPT_MAX],
    /// Bytes so far, those not kept included.
    len: usize,
    /// Spaces so far.
    spaces: usize,
}

impl Line {
    /// Enough for every header that says where a body ends.
    const KEPT_MAX: usize = 64;

    const EMPTY: Self = Self {
        kept: [0; Self::KEPT_MAX],
        len: 0,
        spaces: 0,
    };

    const fn push(&mut self, byte: u8) {
        if self.len < Self::KEPT_MAX {
            self.kept[self.len] = byte;
        }
        self.len = self.len.saturating_add(1);
        if byte == b' ' {
            self.spaces = self.spaces.saturating_add(1);
        }
    }

    const fn is_cut(&self) -> bool {
        self.len > Self::KEPT_MAX
    }

    /// What is kept of the line, without the carriage return at its end.
    fn text(&self) -> &[u8] {
        let text = &self.kept[..self.len.min(Self::KEPT_MAX)];
        match text.strip_suffix(b"\r") {
            Some(text) if !self.is_cut() => text,
            _ => text,
        }
    }
}

/// Whether a query should not hold `byte` as it is, though Prometheus takes it.
const fn is_raw(byte: u8) -> bool {
    matches!(byte, b'"' | b'#' | b'<' | b'>' | 0x80..)
}

fn percent_encoded(byte: u8) -> [u8; 3] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    [
        b'%',
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    ]
}

#[cfg(test)]
mod tests;
