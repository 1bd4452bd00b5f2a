//! What can be wrong with bytes.

/// A result whose error is this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why bytes could not be decoded.
///
/// `what` names the structure that was being read ("wal record", "chunk values"); `offset` counts from its first byte.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end before the structure does. At the tail of a log this is a torn write; elsewhere it is damage.
    #[error("{what} ends early, at byte {offset}")]
    Truncated {
        /// The structure that was being read.
        what: &'static str,
        /// Where more bytes were wanted.
        offset: usize,
    },
    /// The bytes break a rule of the format: restore the file from elsewhere, or set it aside.
    #[error("{what} is corrupt at byte {offset}: {reason}")]
    Corrupt {
        /// The structure that was being read.
        what: &'static str,
        /// Where the rule was broken.
        offset: usize,
        /// The rule.
        reason: &'static str,
    },
    /// The bytes are not those that were written.
    #[error("checksum of {what} is {got:08x}, expected {expected:08x}")]
    ChecksumMismatch {
        /// The structure that was being read.
        what: &'static str,
        /// The checksum that was stored.
        expected: u32,
        /// The checksum of the bytes found.
        got: u32,
    },
    /// The file starts with other bytes than files of its kind do: it is something else.
    #[error("{what} does not start with its magic bytes")]
    BadMagic {
        /// The structure that was being read.
        what: &'static str,
    },
    /// A newer chronoxide wrote this: use that version, or one after it.
    #[error("{what} has format version {found}, this build reads up to {supported}")]
    UnsupportedVersion {
        /// The structure that was being read.
        what: &'static str,
        /// The version found.
        found: u32,
        /// The newest version this build reads.
        supported: u32,
    },
    /// A codec, type or kind number that this build does not know: a newer chronoxide wrote it, or it is damage.
    #[error("{what} has the unknown codec {id}")]
    UnknownCodec {
        /// The structure that was being read.
        what: &'static str,
        /// The number found.
        id: u8,
    },
    /// A length or count above what the format allows.
    #[error("{what} claims {value}, above the limit of {limit}")]
    TooLarge {
        /// The structure that was being read.
        what: &'static str,
        /// The number found.
        value: u64,
        /// The largest number allowed.
        limit: u64,
    },
}
