//! A stream whose peer must not fall asleep: connections that say nothing and answers that nobody takes are given up.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A stream that fails when the peer sends no byte for a while, or takes none although there are some to take.
#[derive(Debug)]
pub(crate) struct StallTimeout<S> {
    inner: S,
    reading: Patience,
    writing: Patience,
}

/// A clock that runs while something is waited for.
#[derive(Debug)]
struct Patience {
    limit: Duration,
    running: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Starts the clock when `poll` waits, stops it when it does not, and fails when it has run out.
    fn watch<T>(&mut self, cx: &mut Context<'_>, poll: Poll<Result<T>>) -> Poll<Result<T>> {
        if poll.is_ready() {
            self.running = None;
            return poll;
        }
        let limit = self.limit;
        let running = self
            .running
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        match running.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(Error::new(
                ErrorKind::TimedOut,
                "the client has fallen silent",
            ))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S> StallTimeout<S> {
    /// Gives up after `reading` without a byte received, or `writing` without one taken.
    pub(crate) const fn new(inner: S, reading: Duration, writing: Duration) -> Self {
        Self {
            inner,
            reading: Patience {
                limit: reading,
                running: None,
            },
            writing: Patience {
                limit: writing,
                running: None,
            },
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let poll = Pin::new(&mut self.inner).poll_read(cx, buffer);
        self.reading.watch(cx, poll)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.writing.watch(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.writing.watch(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let poll = Pin::new(&mut self.inner).poll_flush(cx);
        self.writing.watch(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_peer_that_says_nothing_is_given_up() {
        let (ours, _theirs) = duplex(4);
        let mut stream = StallTimeout::new(ours, Duration::from_millis(1), LONG);
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (ours, _theirs) = duplex(4);
        let mut stream = StallTimeout::new(ours, LONG, Duration::from_millis(1));
        stream.write_all(b"1234").await.unwrap();
        assert_eq!(
            stream.write_all(b"5").await.unwrap_err().kind(),
            ErrorKind::TimedOut
        );
    }

    #[tokio::test]
    async fn a_peer_that_takes_bytes_is_served() {
        let (ours, mut theirs) = duplex(4);
        let mut stream = StallTimeout::new(ours, LONG, LONG);
        let taken = tokio::spawn(async move {
            let mut taken = Vec::new();
            theirs.read_to_end(&mut taken).await.unwrap();
            taken
        });
        stream.write_all(b"0123456789").await.unwrap();
        drop(stream);
        assert_eq!(taken.await.unwrap(), b"0123456789");
    }
}
