//! What can be wrong with a message.

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Bytes that are no protobuf, or not of the schema that is read: reading them again never helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} is malformed at byte {offset}: {reason}")]
pub struct Error {
    /// The message being read.
    pub message: &'static str,
    /// Where, counted from the start of the outermost message.
    pub offset: usize,
    /// What is wrong there.
    pub reason: &'static str,
}
