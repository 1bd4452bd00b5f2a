//! What can be wrong with a line.

use chronoxide_model::LabelsError;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a line was not taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Bytes that are no text.
    #[error("the line is not valid UTF-8 from byte {offset} on")]
    Utf8 {
        /// The first such byte.
        offset: usize,
    },
    /// Something else stands where the format demands something.
    #[error("column {column}: expected {expected}, found {found:?}")]
    Syntax {
        /// Where, in bytes from 1.
        column: usize,
        /// What the format demands.
        expected: &'static str,
        /// What stands there, shortened.
        found: String,
    },
    /// Labels that cannot stand together.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// A time outside of what can be stored.
    #[error("time {text:?} is out of range")]
    Time {
        /// The time as written.
        text: String,
    },
    /// The line is no JSON of the form that is demanded.
    #[error("no JSON line: {reason}")]
    Json {
        /// What is wrong, and where.
        reason: String,
    },
    /// Values and times that do not go together.
    #[error("{values} values stand beside {timestamps} timestamps")]
    Lengths {
        /// How many values.
        values: usize,
        /// How many times.
        timestamps: usize,
    },
    /// An index of a value that does not exist.
    #[error("{member} names value {index} of {values}")]
    Index {
        /// The member of the line that names it.
        member: &'static str,
        /// The index.
        index: usize,
        /// How many values there are.
        values: usize,
    },
    /// A histogram whose parts contradict one another.
    #[error("histogram {index} cannot be used: {reason}")]
    Histogram {
        /// Which one of the line, from 0.
        index: usize,
        /// Why.
        reason: String,
    },
    /// Text after the end of an OpenMetrics exposition.
    #[error("the line stands after # EOF")]
    AfterEnd,
}
