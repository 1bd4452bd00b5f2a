//! How bodies are compressed, and the bytes beneath, within bounds of size and of memory.

use std::io::Read;
use std::ops::Deref;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};

use super::body::BodyError;
use super::error::IngestError;
use super::spare_buffers::SpareBuffers;
use crate::error::{shortened, with_sources};

/// Decompressed bytes that memory is asked for at once, at least.
const STEP_BYTES: usize = 64 << 10;

/// The largest window that a zstd frame may ask for, as a power of two.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// A content encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    /// Snappy's block format.
    Snappy,
    /// Snappy's framed format.
    SnappyFramed,
    Gzip,
    /// A zlib stream, as HTTP has it.
    Deflate,
    Zstd,
}

impl Encoding {
    /// What `Content-Encoding` calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Snappy => "snappy",
            Self::SnappyFramed => "x-snappy-framed",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }

    /// The encoding of a request, one of `accepted`; their first is meant where none is named.
    pub(super) fn of(headers: &HeaderMap, accepted: &[Self]) -> Result<Self, IngestError> {
        let named = headers
            .get(header::CONTENT_ENCODING)
            .map_or("", |value| value.to_str().unwrap_or("?"))
            .trim();
        let found = if named.is_empty() {
            accepted.first()
        } else {
            let mut all = accepted.iter();
            all.find(|encoding| named.eq_ignore_ascii_case(encoding.name()))
        };
        found.copied().ok_or_else(|| {
            let names: Vec<_> = accepted.iter().map(|encoding| encoding.name()).collect();
            IngestError::Unsupported(format!(
                "content encoding {:?} is not supported; send one of {}",
                shortened(named),
                names.join(", ")
            ))
        })
    }

    /// How many bytes `body` says are beneath, where that is known beforehand.
    pub(super) fn declared_bytes(self, body: &[u8]) -> Option<u64> {
        match self {
            Self::Snappy => declared_by_snappy(body),
            _ => None,
        }
    }

    /// The decompressed bytes of `body`, at most `limit`, in one of the `spare` buffers where that helps; `hold` is asked for memory before it is taken, except for
    /// what [`Encoding::declared_bytes`] tells: that is held by then.
    pub(super) fn decompress(
        self,
        body: &Bytes,
        limit: usize,
        spare: &SpareBuffers,
        hold: impl FnMut(u64) -> Result<(), BodyError>,
    ) -> Result<Message, IngestError> {
        let whole = match self {
            Self::Snappy => return snappy(body, limit, spare.take()),
            Self::Identity => Ok(body.clone()),
            // What some senders make of a message without bytes.
            Self::Gzip if body.is_empty() => Ok(body.clone()),
            Self::SnappyFramed => read_all(snap::read::FrameDecoder::new(&body[..]), limit, hold),
            Self::Gzip => read_all(MultiGzDecoder::new(&body[..]), limit, hold),
            Self::Deflate => read_all(ZlibDecoder::new(&body[..]), limit, hold),
            Self::Zstd => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(&body[..]).map_err(malformed)?;
                decoder
                    .window_log_max(ZSTD_WINDOW_LOG_MAX)
                    .map_err(malformed)?;
                read_all(decoder, limit, hold)
            }
        };
        whole.map(Message::Whole)
    }
}

/// The bytes beneath a body.
#[derive(Debug)]
pub(super) enum Message {
    Whole(Bytes),
    /// The first `length` bytes of a buffer that can be used again.
    InBuffer {
        buffer: Vec<u8>,
        length: usize,
    },
}

impl Message {
    /// Gives the buffer back when the message is done with.
    pub(super) fn put_back(self, spare: &SpareBuffers) {
        if let Self::InBuffer { buffer, .. } = self {
            spare.put_back(buffer);
        }
    }
}

impl Deref for Message {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::InBuffer { buffer, length } => &buffer[..*length],
        }
    }
}

fn snappy(body: &[u8], limit: usize, mut buffer: Vec<u8>) -> Result<Message, IngestError> {
    use chronoxide_remote_write::Error;
    match chronoxide_remote_write::decompress_to(body, limit, &mut buffer) {
        Ok(length) => Ok(Message::InBuffer { buffer, length }),
        Err(Error::TooLarge { limit, .. }) => Err(BodyError::TooLarge { limit }.into()),
        Err(error) => Err(malformed(error)),
    }
}

/// The size at the start of a snappy block: a little-endian base-128 number. `None` also for one that the block is too
/// short for, which is refused when it is decompressed.
pub(crate) fn declared_by_snappy(body: &[u8]) -> Option<u64> {
    let mut declared = 0;
    for (index, byte) in body.iter().take(5).enumerate() {
        declared |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let can_hold = declared <= body.len() as u64 * SNAPPY_RATIO_MAX + SNAPPY_RATIO_MAX;
            return can_hold.then_some(declared);
        }
    }
    None
}

/// A snappy block expands by less than this to one, and a little.
const SNAPPY_RATIO_MAX: u64 = 64;

fn read_all(
    mut decoder: impl Read,
    limit: usize,
    mut hold: impl FnMut(u64) -> Result<(), BodyError>,
) -> Result<Bytes, IngestError> {
    let mut whole = Vec::new();
    loop {
        // Twice as much each time, and one byte past the limit at most: what a body claims of itself does not count.
        let step = whole.len().max(STEP_BYTES).min(limit + 1 - whole.len());
        hold(step as u64)?;
        whole.reserve_exact(step);
        let read = decoder
            .by_ref()
            .take(step as u64)
            .read_to_end(&mut whole)
            .map_err(malformed)?;
        if whole.len() > limit {
            return Err(BodyError::TooLarge { limit }.into());
        }
        if read < step {
            return Ok(Bytes::from(whole));
        }
    }
}

fn malformed(error: impl std::error::Error) -> IngestError {
    IngestError::Compression {
        reason: with_sources(&error),
    }
}

#[cfg(test)]
mod tests;
