//! A stream whose peer must not fall asleep: connections that say nothing and answers that nobody takes are given up.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A stream that fails when the peer sends no byte for a while, or takes hardly any although there are some to take.
#[derive(Debug)]
pub(crate) struct StallTimeout<S> {
    inner: S,
    reading: Patience,
    writing: Patience,
}

/// Fewest bytes a second that a client takes in the long run.
const BYTES_PER_SECOND_MIN: u32 = 8 << 10;

/// How long may be waited, which waiting uses up and bytes earn back.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    limit: Duration,
    left: Duration,
}

impl Allowance {
    const fn new(limit: Duration) -> Self {
        Self { limit, left: limit }
    }

    fn spend(&mut self, waited: Duration) {
        self.left = self.left.saturating_sub(waited);
    }

    fn earn(&mut self, time: Duration) {
        self.left = self.left.saturating_add(time).min(self.limit);
    }

    /// A byte or a few do not make up for a long wait.
    fn earn_by_bytes(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.earn(Duration::from_secs(1) * bytes / BYTES_PER_SECOND_MIN);
    }
}

/// A clock that runs while something is waited for.
#[derive(Debug)]
struct Patience {
    allowance: Allowance,
    /// Since when it runs, and when it will have run out.
    running: Option<(Instant, Pin<Box<Sleep>>)>,
    stopped: Instant,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self {
            allowance: Allowance::new(limit),
            running: None,
            stopped: Instant::now(),
        }
    }

    /// Starts the clock when `poll` waits, stops it when it does not, and fails when it has run out. `earn` says what a
    /// result gives back of the time that was waited.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<Result<T>>,
        earn: impl FnOnce(&mut Allowance, &T),
    ) -> Poll<Result<T>> {
        if let Poll::Ready(result) = &poll {
            if let Some((since, _)) = self.running.take() {
                self.allowance.spend(since.elapsed());
                self.stopped = Instant::now();
            }
            if let Ok(result) = result {
                earn(&mut self.allowance, result);
            }
            return poll;
        }
        let (_, running) = self.running.get_or_insert_with(|| {
            let now = Instant::now();
            // While there was nothing to wait for, nobody was slow.
            self.allowance.earn(now - self.stopped);
            (now, Box::pin(sleep_until(now + self.allowance.left)))
        });
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
    /// Gives up after `reading` without a byte received, or after `writing` in which too few were taken.
    pub(crate) fn new(inner: S, reading: Duration, writing: Duration) -> Self {
        Self {
            inner,
            reading: Patience::new(reading),
            writing: Patience::new(writing),
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
        let limit = self.reading.allowance.limit;
        self.reading
            .watch(cx, poll, |allowance, ()| allowance.earn(limit))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.writing
            .watch(cx, poll, |allowance, taken| allowance.earn_by_bytes(*taken))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.writing
            .watch(cx, poll, |allowance, taken| allowance.earn_by_bytes(*taken))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        // What has been written lies with the system: there is nothing to wait for.
        Pin::new(&mut self.inner).poll_flush(cx)
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

    #[test]
    fn a_peer_that_takes_a_byte_now_and_then_uses_its_allowance_up() {
        let second = Duration::from_secs(1);
        let mut allowance = Allowance::new(30 * second);
        for _ in 0..10 {
            allowance.spend(5 * second);
            allowance.earn_by_bytes(1);
        }
        assert!(allowance.left < second, "{allowance:?}");
        let mut steady = Allowance::new(30 * second);
        for _ in 0..100 {
            steady.spend(5 * second);
            steady.earn_by_bytes(64 << 10);
        }
        assert_eq!(steady.left, 30 * second);
    }

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
