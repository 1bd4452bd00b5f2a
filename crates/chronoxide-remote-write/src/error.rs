//! What can be wrong with a whole request.

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A request that cannot be read; retrying the same bytes never helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The body is no snappy block: answer 400.
    #[error("body is not a snappy block: {reason}")]
    Snappy {
        /// What the decoder says.
        reason: String,
    },
    /// The body declares more bytes than allowed, and nothing has been allocated: answer 413.
    #[error(
        "body declares {declared} bytes after decompression, the limit is {limit}; send smaller requests"
    )]
    TooLarge {
        /// Bytes declared.
        declared: u64,
        /// Bytes allowed.
        limit: usize,
    },
    /// The caller gave no more memory for what the request holds: it knows why.
    #[error("the request holds more than there is memory for; send smaller requests")]
    NoMemory,
    /// The message is no protobuf of the schema: answer 400.
    #[error("{message} is malformed at byte {offset}: {reason}")]
    Malformed {
        /// The message being read.
        message: &'static str,
        /// Where in the decompressed request.
        offset: usize,
        /// What is wrong there.
        reason: &'static str,
    },
}

impl From<chronoxide_protobuf::Error> for Error {
    fn from(error: chronoxide_protobuf::Error) -> Self {
        let chronoxide_protobuf::Error {
            message,
            offset,
            reason,
        } = error;
        Self::Malformed {
            message,
            offset,
            reason,
        }
    }
}
