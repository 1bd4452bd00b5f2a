//! Why a request was not stored, and what its sender is told.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::body::BodyError;
use crate::error::shortened;

/// Why a request was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IngestError {
    /// Its headers promise something that cannot be read here.
    #[error("{0}")]
    Unsupported(String),
    #[error("requests from web pages are not accepted here")]
    FromBrowser,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the body cannot be decompressed: {reason}")]
    Compression { reason: String },
    /// It stands for far more than it holds: few bytes can be many series.
    #[error("the request takes more than {limit} bytes of memory; send smaller requests")]
    TooMuch { limit: u64 },
    /// The message is not what the protocol says.
    #[error("{0}")]
    Message(String),
    #[error("{0}")]
    Unready(&'static str),
    /// The client has given up; what is being stored goes on, and sent again it changes nothing.
    #[error("the deadline of the call has passed")]
    DeadlinePassed,
    #[error("too many writes are under way; try again")]
    Busy,
    #[error("the samples could not be stored")]
    Storage(#[from] chronoxide_storage::Error),
    #[error("the server is shutting down")]
    Stopped,
    #[error("the server met a bug in itself; its log says where")]
    Panicked,
}

impl IngestError {
    /// The status of the answer: only for 503 does trying again make sense, and it is the only one of these that
    /// senders of either protocol try again.
    pub(crate) fn status(&self) -> StatusCode {
        use chronoxide_storage::Error as Storage;
        match self {
            Self::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::FromBrowser => StatusCode::FORBIDDEN,
            Self::Body(BodyError::TooLarge { .. }) | Self::TooMuch { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::Body(BodyError::Broken { .. })
            | Self::Compression { .. }
            | Self::Message(_)
            | Self::Storage(Storage::InvalidArgument { .. } | Storage::LimitExceeded { .. }) => {
                StatusCode::BAD_REQUEST
            }
            // A body may come in too slowly because the network is busy just now.
            Self::Body(BodyError::NoMemory | BodyError::TooSlow)
            | Self::Unready(_)
            | Self::Busy
            | Self::DeadlinePassed
            | Self::Stopped
            | Self::Storage(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether storage failed, as opposed to whoever sent the request.
    pub(super) fn is_of_storage(&self) -> bool {
        matches!(self, Self::Storage(_))
    }
}

/// An answer in plain text.
pub(super) fn plain(status: StatusCode, reason: &str) -> Response {
    let plain = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    )];
    let mut response = (status, plain, format!("{}\n", shortened(reason))).into_response();
    add_retry_after(&mut response);
    response
}

/// Says when to come back, where coming back makes sense.
pub(super) fn add_retry_after(response: &mut Response) {
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
}
