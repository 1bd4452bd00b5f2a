//! What can be wrong with a whole request, an option or a saved state.

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Input that cannot be used at all; what concerns single data points is a refusal, not an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The body is no `ExportMetricsServiceRequest` in protobuf: answer 400, retrying never helps.
    #[error("body is not an OTLP metrics request in protobuf: {reason}")]
    Protobuf {
        /// What the decoder says, and where.
        reason: String,
    },
    /// The body is no `ExportMetricsServiceRequest` in OTLP's JSON: answer 400, retrying never helps.
    #[error("body is not an OTLP metrics request in JSON: {reason}")]
    Json {
        /// What the decoder says, and where.
        reason: String,
    },
    /// The caller gave no more memory for what the request comes to: it knows why.
    #[error("the request comes to more than there is memory for; send smaller requests")]
    NoMemory,
    /// An option's text has no meaning: name it and what is expected to whoever wrote it.
    #[error("{option} {text:?} is unknown, expected {expected}")]
    UnknownOption {
        /// Which option.
        option: &'static str,
        /// What was given.
        text: String,
        /// What could have been given.
        expected: &'static str,
    },
    /// Saved delta state is damaged: start without it, which counts as a reset of the streams.
    #[error("delta state is damaged at byte {offset}: {reason}")]
    DeltaState {
        /// Where.
        offset: usize,
        /// What is wrong there.
        reason: &'static str,
    },
}

impl From<chronoxide_protobuf::Error> for Error {
    fn from(error: chronoxide_protobuf::Error) -> Self {
        Self::Protobuf {
            reason: error.to_string(),
        }
    }
}
