//! What can go wrong: with the server, and with one request.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::api::json::write_string;
use crate::config::ConfigError;

/// The result of starting and running the server.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting cannot be used: correct it.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on: free the port, or choose another.
    #[error("--http.listen: cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The address of OTLP/HTTP cannot be listened on: free the port, choose another, or turn it off.
    #[error(
        "--otlp.http.listen: cannot listen on {address} (set another address, or off: --http.listen serves OTLP/HTTP too)"
    )]
    ListenOtlp {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The address of OTLP/gRPC cannot be listened on: free the port, choose another, or turn it off.
    #[error(
        "--otlp.grpc.listen: cannot listen on {address} (set another address, or off: --http.listen serves OTLP/gRPC \
         and OTLP/HTTP too)"
    )]
    ListenGrpc {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The data directory cannot be used; the storage engine says why.
    #[error("--storage.path: cannot open data directory {}", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: Box<chronoxide_storage::Error>,
    },
    /// Closing failed: what was acknowledged is in the write-ahead log and will be replayed.
    #[error("data directory {} could not be closed cleanly", path.display())]
    Close {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: Box<chronoxide_storage::Error>,
    },
    /// A thread of the server ended by a panic.
    #[error("{task} ended by a panic")]
    Panicked {
        /// What the thread was doing.
        task: &'static str,
    },
}

/// Why one request has no answer, in the words of the Prometheus API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    kind: ErrorKind,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorKind {
    BadData,
    Execution,
    Timeout,
    Canceled,
    Internal,
    Unavailable,
    Disabled,
}

/// Longest error text that is answered, in bytes.
const MESSAGE_BYTES_MAX: usize = 4096;

impl ApiError {
    /// The request cannot be understood; the client must change it.
    pub(crate) fn bad_data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadData, message)
    }

    /// The server failed.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The server does not do this unless it is told to at its start.
    pub(crate) fn disabled(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Disabled, message)
    }

    /// The request took or waited too long.
    pub(crate) fn timeout(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Timeout, message)
    }

    /// The server cannot answer at the moment.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// A query failed.
    pub(crate) fn from_query(error: &chronoxide_promql::Error) -> Self {
        use chronoxide_promql::Error as Query;
        let kind = match error {
            Query::Parse { .. } | Query::RangeType { .. } | Query::RangeTimes { .. } => {
                return Self::bad_data(format!("invalid parameter \"query\": {error}"));
            }
            Query::Timeout { .. } => ErrorKind::Timeout,
            Query::Cancelled => ErrorKind::Canceled,
            Query::Source(_) => ErrorKind::Internal,
            // Other queries will end.
            Query::NoMemoryLeft { .. } => ErrorKind::Unavailable,
            _ => ErrorKind::Execution,
        };
        let mut message = with_sources(error);
        message.push_str(match error {
            Query::TooMuchMemory { .. } => {
                "; ask for fewer series or steps, or raise --query.max-memory"
            }
            Query::MoreThanAllMemory { .. } => {
                "; ask for fewer series or steps, or raise --memory.limit, of which queries get a quarter"
            }
            _ => "",
        });
        Self::new(kind, message)
    }

    /// What is answered, uncut.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The status of the answer.
    pub(crate) const fn status(&self) -> StatusCode {
        match self.kind {
            ErrorKind::BadData => StatusCode::BAD_REQUEST,
            ErrorKind::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Timeout | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            // 499, "client closed request": nobody is there to read it.
            ErrorKind::Canceled => match StatusCode::from_u16(499) {
                Ok(status) => status,
                Err(_) => StatusCode::REQUEST_TIMEOUT,
            },
            ErrorKind::Disabled => StatusCode::FORBIDDEN,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn type_name(&self) -> &'static str {
        match self.kind {
            ErrorKind::BadData => "bad_data",
            ErrorKind::Execution => "execution",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Canceled => "canceled",
            ErrorKind::Internal => "internal",
            ErrorKind::Unavailable | ErrorKind::Disabled => "unavailable",
        }
    }
}

impl From<chronoxide_storage::Error> for ApiError {
    /// Storage could not be read.
    fn from(error: chronoxide_storage::Error) -> Self {
        Self::internal(with_sources(&error))
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = br#"{"status":"error","errorType":"#.to_vec();
        write_string(&mut body, self.type_name());
        body.extend_from_slice(br#","error":"#);
        write_string(&mut body, shortened(&self.message));
        body.push(b'}');
        let json = [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )];
        let mut response = (self.status(), json, body).into_response();
        // What took too long will take as long again.
        if self.kind == ErrorKind::Unavailable {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// The head of `text`, cut at a character where it is too long to be answered.
pub(crate) fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MESSAGE_BYTES_MAX)]
}

/// The error and what lies beneath it, each after a colon.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl Error {
    /// The error and what lies beneath it, as one paragraph.
    #[must_use]
    pub fn paragraph(&self) -> String {
        with_sources(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_statuses_of_prometheus() {
        for (error, status, name) in [
            (ApiError::bad_data("x"), 400, "bad_data"),
            (
                ApiError::from_query(&chronoxide_promql::Error::execution("x")),
                422,
                "execution",
            ),
            (
                ApiError::from_query(&chronoxide_promql::Error::Cancelled),
                499,
                "canceled",
            ),
            (
                ApiError::from_query(&chronoxide_promql::Error::TooMuchMemory { limit: 1 }),
                422,
                "execution",
            ),
            (
                ApiError::from_query(&chronoxide_promql::Error::MoreThanAllMemory { limit: 1 }),
                422,
                "execution",
            ),
            (
                ApiError::from_query(&chronoxide_promql::Error::NoMemoryLeft { wanted: 1 }),
                503,
                "unavailable",
            ),
            (ApiError::timeout("x"), 503, "timeout"),
            (ApiError::unavailable("x"), 503, "unavailable"),
            (ApiError::disabled("x"), 403, "unavailable"),
            (ApiError::internal("x"), 500, "internal"),
        ] {
            assert_eq!((error.status().as_u16(), error.type_name()), (status, name));
        }
    }

    #[test]
    fn only_what_may_go_better_soon_is_to_be_tried_again() {
        let tells = |error: ApiError| {
            let response = error.into_response();
            response.headers().contains_key(header::RETRY_AFTER)
        };
        assert!(tells(ApiError::unavailable("x")));
        assert!(!tells(ApiError::timeout("x")));
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let text = "é".repeat(MESSAGE_BYTES_MAX);
        assert_eq!(shortened(&text).len(), MESSAGE_BYTES_MAX);
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&format!("a{text}")).len(), MESSAGE_BYTES_MAX - 1);
    }
}
