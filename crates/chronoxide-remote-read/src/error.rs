//! What can be wrong with a request.

use chronoxide_model::{MatcherError, TimeRangeError};

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not the message that remote read demands.
    #[error("the request is no prometheus.ReadRequest")]
    Protobuf(#[from] prost::DecodeError),
    /// More queries than one request may hold.
    #[error(
        "the request has {queries} queries; at most {} are answered",
        crate::request::QUERIES_MAX
    )]
    TooManyQueries {
        /// How many there are.
        queries: usize,
    },
    /// A matcher whose type no version of the protocol knows.
    #[error("query {query} has a matcher of unknown type {kind} for label {label:?}")]
    MatcherType {
        /// Which query, from 0.
        query: usize,
        /// The type's number.
        kind: i32,
        /// The label it is for.
        label: String,
    },
    /// A regular expression that cannot be used.
    #[error("query {query} has a matcher that cannot be used")]
    Matcher {
        /// Which query, from 0.
        query: usize,
        /// Why.
        source: MatcherError,
    },
    /// A range that ends before it begins.
    #[error("query {query} has no time range")]
    Range {
        /// Which query, from 0.
        query: usize,
        /// Why.
        source: TimeRangeError,
    },
    /// None of the forms that the request accepts is known.
    #[error(
        "none of the response types {accepted:?} is supported; accept SAMPLES (0) or STREAMED_XOR_CHUNKS (1)"
    )]
    ResponseForm {
        /// The numbers of those it accepts.
        accepted: Vec<i32>,
    },
    /// The answer is larger than snappy can hold in one block.
    #[error("the answer of {bytes} bytes is too large for one block; ask for less")]
    TooLarge {
        /// Its size before compression.
        bytes: usize,
    },
}
