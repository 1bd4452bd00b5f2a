//! A body without an end of its own, which must not hold up shutdown.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::HeaderMap;
use http_body::Frame;
use tokio::sync::watch;
use tonic::Status;

/// A body that ends, with the status that its client may come back with, when the server stops.
pub(super) struct UntilStopped {
    inner: Body,
    /// `None` once the body has ended.
    stopped: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl fmt::Debug for UntilStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilStopped").finish_non_exhaustive()
    }
}

impl UntilStopped {
    pub(super) fn new(inner: Body, mut stopped: watch::Receiver<bool>) -> Self {
        let stopped = async move {
            // When nobody can stop the server any more, it has stopped.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        Self {
            inner,
            stopped: Some(Box::pin(stopped)),
        }
    }
}

impl HttpBody for UntilStopped {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Some(stopped) = &mut this.stopped else {
            return Poll::Ready(None);
        };
        // What is there already still goes out.
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        ready!(stopped.as_mut().poll(cx));
        this.stopped = None;
        let mut trailers = HeaderMap::new();
        let status = Status::unavailable("the server is shutting down");
        if status.add_header(&mut trailers).is_err() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    /// A body that never ends, with one frame if it is there.
    struct Endless(Option<Frame<Bytes>>);

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            match self.0.take() {
                Some(frame) => Poll::Ready(Some(Ok(frame))),
                None => Poll::Pending,
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_never_ends_ends_with_the_server() {
        let (stop, stopped) = watch::channel(false);
        let endless = Endless(Some(Frame::data(Bytes::from_static(b"a"))));
        let mut body = UntilStopped::new(Body::new(endless), stopped);
        assert!(body.frame().await.unwrap().unwrap().is_data());
        let (last, ()) = tokio::join!(body.frame(), async {
            stop.send_replace(true);
        });
        let trailers = last.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(trailers["grpc-status"], "14");
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn an_answer_that_is_ready_goes_out_whole() {
        let (_stop, stopped) = watch::channel(true);
        let body = UntilStopped::new(Body::from("answer"), stopped);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "answer");
    }
}
