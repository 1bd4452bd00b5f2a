//! The frame of every log: a file header, then records.
//!
//! The write-ahead log, the registry log and the manifest are such files. All checksums include the store's salt and
//! the number of the file, so that blocks of another file, of an earlier use of the disk, or bytes that a sender put
//! into a payload are never taken for a record.
//!
//! A reader may meet three kinds of bad bytes: the torn end of a write that was never acknowledged, zeroes that a file
//! system left when it extended a file before a power cut, and damage. [`Scan`] finds the good records on either
//! side; the sequence numbers and the durability each record states let the replay tell them apart.

use std::borrow::Cow;

use crate::{Error, Reader, Result};

/// The newest version of log files that this build reads, and the one it writes.
pub const VERSION: u16 = 1;

/// Bytes of a file header that declares nothing void; every declared range adds [`VOID_BYTES`].
pub const FILE_HEADER_BYTES: usize = 48;

/// Bytes of one void range.
pub const VOID_BYTES: usize = 16;

/// The most ranges that one header declares void.
pub const VOIDS_MAX: usize = 64;

/// The most bytes a file header takes.
pub const FILE_HEADER_BYTES_MAX: usize = FILE_HEADER_BYTES + VOIDS_MAX * VOID_BYTES;

/// Bytes of a record's header.
pub const RECORD_HEADER_BYTES: usize = 32;

/// The largest payload of one record, compressed or not: 64 MiB.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;

/// Payloads at least this long are worth compressing.
const COMPRESS_BYTES_MIN: usize = 4096;

const FILE_MAGIC: [u8; 4] = *b"CXLG";
const RECORD_MAGIC: [u8; 4] = *b"CXRD";

/// What kind of log a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogKind {
    /// A segment of the write-ahead log.
    Wal,
    /// A log of series that came after a checkpoint.
    Registry,
    /// All series at one moment.
    RegistryCheckpoint,
    /// The parts of a partition.
    Manifest,
    /// Type, help and unit of metrics.
    Metadata,
    /// Deleted ranges.
    Tombstones,
    /// Exemplars by series.
    Exemplars,
    /// An application's own state.
    State,
}

impl LogKind {
    const fn id(self) -> u16 {
        match self {
            Self::Wal => 1,
            Self::Registry => 2,
            Self::RegistryCheckpoint => 3,
            Self::Manifest => 4,
            Self::Metadata => 5,
            Self::Tombstones => 6,
            Self::Exemplars => 7,
            Self::State => 8,
        }
    }
}

/// What the checksums of one file include beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogIdentity {
    /// The store's salt, from its FORMAT file.
    pub salt: u64,
    /// What kind of log the file is.
    pub kind: LogKind,
    /// The number in the file's name; 0 where names have none.
    pub number: u64,
}

impl LogIdentity {
    /// A checksum that has taken in the identity and goes on with `bytes`.
    fn checksum(&self, bytes: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.salt.to_le_bytes());
        hasher.update(&self.kind.id().to_le_bytes());
        hasher.update(&self.number.to_le_bytes());
        hasher.update(bytes);
        hasher.finalize()
    }
}

/// The first bytes of a log file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileHeader {
    /// Sequence number that the file's first record has or will have.
    pub first_seq: u64,
    /// Every record up to this number was durable in earlier files when this one was created, void ones apart.
    pub durable_seq: u64,
    /// Records up to this number are no longer needed.
    pub released_seq: u64,
    /// Closed ranges of numbers that stand for nothing: given to records that were refused, or torn by a crash before
    /// they were acknowledged. Whatever earlier files hold under these numbers is void. At most [`VOIDS_MAX`].
    pub voids: Vec<(u64, u64)>,
}

impl FileHeader {
    /// Appends the header's bytes.
    pub fn encode(&self, identity: &LogIdentity, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&FILE_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&identity.kind.id().to_le_bytes());
        for field in [
            identity.number,
            self.first_seq,
            self.durable_seq,
            self.released_seq,
        ] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        let voids = self.voids.get(..VOIDS_MAX).unwrap_or(&self.voids);
        let count = u32::try_from(voids.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&count.to_le_bytes());
        for (first, last) in voids {
            out.extend_from_slice(&first.to_le_bytes());
            out.extend_from_slice(&last.to_le_bytes());
        }
        let checksum = identity.checksum(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&checksum.to_le_bytes());
    }

    /// How many bytes the header takes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        FILE_HEADER_BYTES + self.voids.len().min(VOIDS_MAX) * VOID_BYTES
    }

    /// Reads the header at the start of `bytes`; see [`FILE_HEADER_BYTES_MAX`] for how many bytes to give.
    ///
    /// # Errors
    /// When it is cut short, another kind of file, newer than this build, or damaged.
    pub fn decode(bytes: &[u8], identity: &LogIdentity) -> Result<Self> {
        const WHAT: &str = "log file header";
        let mut reader = Reader::new(WHAT, bytes);
        if reader.array::<4>()? != FILE_MAGIC {
            return Err(Error::BadMagic { what: WHAT });
        }
        let version = reader.u16()?;
        let kind = reader.u16()?;
        let number = reader.u64()?;
        let mut header = Self {
            first_seq: reader.u64()?,
            durable_seq: reader.u64()?,
            released_seq: reader.u64()?,
            voids: Vec::new(),
        };
        let count = reader.u32()?;
        if count as usize > VOIDS_MAX {
            return Err(Error::TooLarge {
                what: WHAT,
                value: u64::from(count),
                limit: VOIDS_MAX as u64,
            });
        }
        for _ in 0..count {
            header.voids.push((reader.u64()?, reader.u64()?));
        }
        let got = identity.checksum(bytes.get(..reader.offset()).unwrap_or_default());
        let expected = reader.u32()?;
        if expected != got {
            return Err(Error::ChecksumMismatch {
                what: WHAT,
                expected,
                got,
            });
        }
        // Later versions keep this header's layout, so that damage is never taken for a version.
        if version > VERSION {
            return Err(Error::UnsupportedVersion {
                what: WHAT,
                found: u32::from(version),
                supported: u32::from(VERSION),
            });
        }
        if kind != identity.kind.id() || number != identity.number {
            return Err(reader.corrupt("the file is not the one its name says"));
        }
        if header.first_seq == 0 {
            return Err(reader.corrupt("sequence numbers start at 1"));
        }
        Ok(header)
    }

    /// Whether the header declares `seq` void.
    #[must_use]
    pub fn is_void(&self, seq: u64) -> bool {
        self.voids
            .iter()
            .any(|&(first, last)| first <= seq && seq <= last)
    }
}

/// How a payload is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    Raw,
    Lz4,
}

/// A payload ready to be framed: compressed when that pays, its checksum taken. Made by callers outside any lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    kind: u8,
    codec: Codec,
    bytes: Vec<u8>,
    checksum: u32,
}

impl Payload {
    /// Prepares `plain` as the payload of a record of type `kind`.
    ///
    /// # Errors
    /// When it is larger than [`PAYLOAD_BYTES_MAX`].
    pub fn new(kind: u8, plain: &[u8]) -> Result<Self> {
        if plain.len() > PAYLOAD_BYTES_MAX {
            return Err(Error::TooLarge {
                what: "log record payload",
                value: plain.len() as u64,
                limit: PAYLOAD_BYTES_MAX as u64,
            });
        }
        let compressed = (plain.len() >= COMPRESS_BYTES_MIN)
            .then(|| lz4_flex::block::compress_prepend_size(plain))
            .filter(|compressed| compressed.len() < plain.len());
        let (codec, bytes) = match compressed {
            Some(compressed) => (Codec::Lz4, compressed),
            None => (Codec::Raw, plain.to_vec()),
        };
        Ok(Self {
            kind,
            codec,
            checksum: crc32fast::hash(&bytes),
            bytes,
        })
    }

    /// The record's type.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        self.kind
    }

    /// What was given to [`Payload::new`].
    ///
    /// # Errors
    /// When it does not decompress; never what [`Payload::new`] made.
    pub fn plain(&self) -> Result<Cow<'_, [u8]>> {
        self.codec.plain(&self.bytes)
    }

    /// How many bytes the framed record takes.
    #[must_use]
    pub fn framed_len(&self) -> usize {
        RECORD_HEADER_BYTES + self.bytes.len()
    }

    /// Appends the framed record with number `seq`, written when everything up to `durable_seq` is durable.
    pub fn frame(&self, identity: &LogIdentity, seq: u64, durable_seq: u64, out: &mut Vec<u8>) {
        let lag = u32::try_from(seq.saturating_sub(durable_seq)).unwrap_or(u32::MAX);
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let codec = match self.codec {
            Codec::Raw => 0,
            Codec::Lz4 => 1,
        };
        let start = out.len();
        out.extend_from_slice(&RECORD_MAGIC);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&seq.to_le_bytes());
        out.extend_from_slice(&lag.to_le_bytes());
        out.extend_from_slice(&[self.kind, codec, 0, 0]);
        out.extend_from_slice(&self.checksum.to_le_bytes());
        let checksum = identity.checksum(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(&self.bytes);
    }
}

/// A good record: header and payload match their checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where its header begins in the file.
    pub offset: usize,
    /// Its sequence number.
    pub seq: u64,
    /// Everything up to this number was durable when the record was written.
    pub durable_seq: u64,
    /// Its type.
    pub kind: u8,
    codec: Codec,
    checksum: u32,
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// The payload as it was given to [`Payload::new`].
    ///
    /// # Errors
    /// When it does not decompress.
    pub fn plain(&self) -> Result<Cow<'a, [u8]>> {
        self.codec.plain(self.bytes)
    }

    /// The payload, ready to be framed again in another file.
    #[must_use]
    pub fn to_payload(&self) -> Payload {
        Payload {
            kind: self.kind,
            codec: self.codec,
            bytes: self.bytes.to_vec(),
            checksum: self.checksum,
        }
    }

    /// Where the record ends in the file.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.offset + RECORD_HEADER_BYTES + self.bytes.len()
    }
}

impl Codec {
    fn plain(self, bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
        match self {
            Self::Raw => Ok(bytes.into()),
            Self::Lz4 => decompress(bytes).map(Into::into),
        }
    }
}

fn decompress(bytes: &[u8]) -> Result<Vec<u8>> {
    const WHAT: &str = "compressed log record payload";
    let mut reader = Reader::new(WHAT, bytes);
    let plain_len = reader.u32()? as usize;
    // A byte of lz4 stands for at most 255 bytes, so an honest length is bounded by what is there.
    let limit = reader
        .remaining()
        .saturating_mul(255)
        .min(PAYLOAD_BYTES_MAX);
    if plain_len > limit {
        return Err(Error::TooLarge {
            what: WHAT,
            value: plain_len as u64,
            limit: limit as u64,
        });
    }
    let block = reader.bytes(reader.remaining())?;
    let plain = lz4_flex::block::decompress(block, plain_len)
        .map_err(|_| reader.corrupt("it does not decompress"))?;
    if plain.len() == plain_len {
        Ok(plain)
    } else {
        Err(reader.corrupt("it decompresses to another length"))
    }
}

/// One thing that [`Scan`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A good record.
    Record(Record<'a>),
    /// Bytes that are no record although a good one follows them.
    Bad {
        /// Where they begin.
        offset: usize,
        /// Where the next good record begins.
        end: usize,
    },
    /// Bytes after the last good record, other than zeroes: a torn write, or damage.
    BadTail {
        /// Where they begin.
        offset: usize,
    },
}

/// Walks the records of one file behind its header.
///
/// After bad bytes it goes on at the next good record: the one that the bad record's length points to when its header
/// is intact, otherwise the next whose two checksums hold.
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    identity: LogIdentity,
    bytes: &'a [u8],
    offset: usize,
    /// Numbers rise within a file; a lower one is stale content.
    last_seq: u64,
    /// A good record already found behind bad bytes.
    ahead: Option<Record<'a>>,
}

impl<'a> Scan<'a> {
    /// Walks `bytes`, the whole file, of which the first `header_len` are its header; 0 when that is unreadable.
    #[must_use]
    pub const fn new(identity: LogIdentity, bytes: &'a [u8], header_len: usize) -> Self {
        Self {
            identity,
            bytes,
            offset: header_len,
            last_seq: 0,
            ahead: None,
        }
    }

    /// The good record at `offset`, if there is one, or where an intact header says that a bad one ends.
    fn record_at(&self, offset: usize) -> std::result::Result<Record<'a>, Option<usize>> {
        let rest = self.bytes.get(offset..).unwrap_or_default();
        let mut reader = Reader::new("log record", rest);
        let header = self.header_at(&mut reader, rest).ok_or(None)?;
        let (length, record) = header;
        let end = offset + RECORD_HEADER_BYTES + length;
        let bytes = reader.bytes(length).map_err(|_| None)?;
        if crc32fast::hash(bytes) == record.checksum {
            Ok(Record {
                offset,
                bytes,
                ..record
            })
        } else {
            Err(Some(end))
        }
    }

    /// Reads a header whose checksum holds: the payload's length, and a record without its payload.
    fn header_at(&self, reader: &mut Reader<'a>, rest: &'a [u8]) -> Option<(usize, Record<'a>)> {
        if reader.array::<4>().ok()? != RECORD_MAGIC {
            return None;
        }
        let length = reader.u32().ok()? as usize;
        let seq = reader.u64().ok()?;
        let lag = reader.u32().ok()?;
        let [kind, codec, _, _] = reader.array::<4>().ok()?;
        let checksum = reader.u32().ok()?;
        let header = rest.get(..RECORD_HEADER_BYTES - 4)?;
        if reader.u32().ok()? != self.identity.checksum(header)
            || length > PAYLOAD_BYTES_MAX
            || seq <= self.last_seq
        {
            return None;
        }
        let codec = match codec {
            0 => Codec::Raw,
            1 => Codec::Lz4,
            _ => return None,
        };
        let record = Record {
            offset: 0,
            seq,
            durable_seq: seq.saturating_sub(u64::from(lag)),
            kind,
            codec,
            checksum,
            bytes: &[],
        };
        Some((length, record))
    }

    /// The first good record behind the bad bytes at `self.offset`.
    fn resume(&self, bad_end: Option<usize>) -> Option<Record<'a>> {
        if let Some(record) = bad_end.and_then(|end| self.record_at(end).ok()) {
            return Some(record);
        }
        let mut offset = self.offset + 1;
        while let Some(step) = find_magic(self.bytes.get(offset..)?) {
            offset += step;
            if let Ok(record) = self.record_at(offset) {
                return Some(record);
            }
            offset += 1;
        }
        None
    }

    fn advance(&mut self, record: Record<'a>) -> Found<'a> {
        self.offset = record.end();
        self.last_seq = record.seq;
        Found::Record(record)
    }
}

/// Where the magic of a record next stands in `bytes`.
fn find_magic(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(RECORD_MAGIC.len())
        .position(|window| window == RECORD_MAGIC)
}

impl<'a> Iterator for Scan<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        if let Some(record) = self.ahead.take() {
            return Some(self.advance(record));
        }
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let bad_end = match self.record_at(self.offset) {
            Ok(record) => return Some(self.advance(record)),
            Err(bad_end) => bad_end,
        };
        let offset = self.offset;
        if let Some(record) = self.resume(bad_end) {
            self.ahead = Some(record);
            return Some(Found::Bad {
                offset,
                end: record.offset,
            });
        }
        self.offset = self.bytes.len();
        let blank = rest.iter().all(|&byte| byte == 0);
        (!blank).then_some(Found::BadTail { offset })
    }
}

#[cfg(test)]
mod tests;
