//! An application's own state: pieces of a checkpoint, and changes since.

use crate::log::Payload;
use crate::{Error, Reader, Result, varint};

/// Type of a record with a piece of a checkpoint.
const KIND_PIECE: u8 = 1;

/// Type of a record with a change.
const KIND_CHANGE: u8 = 2;

/// A record of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateRecord {
    /// Part of a checkpoint, which is all pieces one after the other.
    Piece {
        /// The checkpoint has the changes of log records up to this one.
        sequence: u64,
        /// The application's bytes.
        bytes: Vec<u8>,
    },
    /// A change.
    Change {
        /// The log record it came with.
        sequence: u64,
        /// The application's bytes.
        bytes: Vec<u8>,
    },
}

impl StateRecord {
    /// Reads the plain payload of a record of type `kind`.
    ///
    /// # Errors
    /// When the type is unknown or the bytes are cut short.
    pub fn decode(kind: u8, bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new("state record", bytes);
        let sequence = reader.varint_u64()?;
        let bytes = reader.bytes(reader.remaining())?.to_vec();
        match kind {
            KIND_PIECE => Ok(Self::Piece { sequence, bytes }),
            KIND_CHANGE => Ok(Self::Change { sequence, bytes }),
            id => Err(Error::UnknownCodec {
                what: "state record",
                id,
            }),
        }
    }

    /// A change of log record `sequence`.
    #[must_use]
    pub fn from_change((sequence, bytes): (u64, Vec<u8>)) -> Self {
        Self::Change { sequence, bytes }
    }

    /// The change and its log record, if it is one.
    #[must_use]
    pub fn into_change(self) -> Option<(u64, Vec<u8>)> {
        match self {
            Self::Change { sequence, bytes } => Some((sequence, bytes)),
            Self::Piece { .. } => None,
        }
    }

    /// Whether it is of a log record before `sequence`, or a piece of a checkpoint.
    #[must_use]
    pub const fn is_before(&self, sequence: u64) -> bool {
        match self {
            Self::Piece { .. } => true,
            Self::Change { sequence: own, .. } => *own < sequence,
        }
    }
}

/// A record ready to be framed.
///
/// # Errors
/// When it is larger than a record may be.
pub fn payload(record: &StateRecord) -> Result<Payload> {
    let (kind, sequence, bytes) = match record {
        StateRecord::Piece { sequence, bytes } => (KIND_PIECE, *sequence, bytes),
        StateRecord::Change { sequence, bytes } => (KIND_CHANGE, *sequence, bytes),
    };
    let mut plain = Vec::with_capacity(bytes.len() + 10);
    varint::put_u64(&mut plain, sequence);
    plain.extend_from_slice(bytes);
    Payload::new(kind, &plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        let change = StateRecord::from_change((300, vec![1, 2]));
        let piece = StateRecord::Piece {
            sequence: 7,
            bytes: Vec::new(),
        };
        for record in [change, piece] {
            let payload = payload(&record).unwrap();
            let mut plain = Vec::new();
            let (StateRecord::Piece { sequence, bytes } | StateRecord::Change { sequence, bytes }) =
                &record;
            varint::put_u64(&mut plain, *sequence);
            plain.extend_from_slice(bytes);
            assert_eq!(StateRecord::decode(payload.kind(), &plain).unwrap(), record);
        }
        assert!(StateRecord::decode(1, &[]).is_err());
        assert!(StateRecord::decode(3, &[0]).is_err());
    }
}
