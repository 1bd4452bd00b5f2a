//! What can go wrong with a query.

use std::time::Duration;

use chronoxide_model::SourceError;

use crate::plan::{Position, ValueType};

/// A query that has no answer.
///
/// The variants call for different acts: [`Error::Parse`] is the caller's text, [`Error::Execution`] and
/// [`Error::TooManySamples`] a query that cannot be computed from this data, [`Error::Timeout`] and
/// [`Error::Cancelled`] a query that was stopped, [`Error::Source`] the storage underneath.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no query: it does not parse or its types do not fit. The caller must change it.
    #[error("{line}:{column}: parse error: {message}")]
    Parse {
        /// Line of the piece at fault, from 1.
        line: usize,
        /// Column of the piece at fault, from 1, in bytes.
        column: usize,
        /// The piece at fault, in bytes of the text.
        position: Position,
        /// What is wrong.
        message: String,
    },
    /// The query's value has no form over steps. The caller must change it, or ask at one instant.
    #[error(
        "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
        .got.as_str()
    )]
    RangeType {
        /// What the value is.
        got: ValueType,
    },
    /// A range query without any step.
    #[error("range query from {start_ms} ms to {end_ms} ms in steps of {step_ms} ms has no steps")]
    RangeTimes {
        /// First step.
        start_ms: i64,
        /// No step lies after it.
        end_ms: i64,
        /// Distance of the steps.
        step_ms: i64,
    },
    /// The query is well formed, but cannot be computed for these times or from these series.
    #[error("{message}")]
    Execution {
        /// What is wrong.
        message: String,
    },
    /// The query touches more samples than the engine may hold at once.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples {
        /// How many it may hold.
        limit: u64,
    },
    /// The query would hold more memory than one query may.
    #[error(
        "query processing would take too much memory in query execution: more than {limit} bytes"
    )]
    TooMuchMemory {
        /// How many bytes it may hold.
        limit: u64,
    },
    /// The query would hold more memory than all queries together may. It would be refused alone, too.
    #[error(
        "query processing would take too much memory in query execution: more than the {limit} bytes that all queries \
         share"
    )]
    MoreThanAllMemory {
        /// How many bytes all of them may hold.
        limit: u64,
    },
    /// Other queries hold the memory that this one needs. The caller may try again.
    #[error(
        "query processing would take too much memory in query execution: {wanted} bytes are not left beside other \
         queries; try again"
    )]
    NoMemoryLeft {
        /// How many bytes the query would hold.
        wanted: u64,
    },
    /// The query ran longer than it may.
    #[error("query timed out in expression evaluation")]
    Timeout {
        /// How long it may run.
        limit: Duration,
    },
    /// Whoever asked is gone.
    #[error("query was canceled in expression evaluation")]
    Cancelled,
    /// The source of the series failed.
    #[error("cannot read series")]
    Source(#[source] SourceError),
}

impl Error {
    /// The error of the piece of `text` at `position`.
    #[must_use]
    pub fn parse(text: &str, position: Position, message: impl Into<String>) -> Self {
        let (line, column) = position.line_and_column(text);
        Self::Parse {
            line,
            column,
            position,
            message: message.into(),
        }
    }

    /// The error of two series that became the same.
    pub(crate) fn same_labels() -> Self {
        Self::execution("vector cannot contain metrics with the same labelset")
    }

    /// The error of labels that the query made and that cannot stand together.
    pub(crate) fn labels(error: chronoxide_model::LabelsError) -> Self {
        Self::execution(error.to_string())
    }

    /// The error of a query that cannot be computed.
    #[must_use]
    pub fn execution(message: impl Into<String>) -> Self {
        Self::Execution {
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parse_error_begins_with_line_and_column() {
        let position = Position { start: 6, end: 7 };
        let error = Error::parse("sum(\n x)", position, "nope");
        assert_eq!(error.to_string(), "2:2: parse error: nope");
        assert_eq!(Error::execution("why").to_string(), "why");
    }
}
