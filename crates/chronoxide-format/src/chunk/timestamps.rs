//! Columns of timestamps, shared by all series of a scrape.

use super::{check_count, integers};
use crate::{Error, Reader, Result};

const WHAT: &str = "timestamp chunk";
const INTEGERS: u8 = 0;

/// Appends a chunk of `timestamps` (Unix milliseconds, any order), at most [`SAMPLES_MAX`](super::SAMPLES_MAX).
pub fn encode_timestamps(timestamps: &[i64], out: &mut Vec<u8>) {
    if !timestamps.is_empty() {
        out.push(INTEGERS);
        integers::encode(timestamps, out);
    }
}

/// Appends the `count` timestamps of the chunk that `bytes` are to `out`, which is left as it was on an error.
///
/// # Errors
///
/// When `bytes` are not exactly one chunk of `count` timestamps, or `count` is above
/// [`SAMPLES_MAX`](super::SAMPLES_MAX).
pub fn decode_timestamps(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<()> {
    let before = out.len();
    let decoded = append(bytes, count, out);
    if decoded.is_err() {
        out.truncate(before);
    }
    decoded
}

fn append(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<()> {
    check_count(WHAT, count)?;
    let mut reader = Reader::new(WHAT, bytes);
    if count > 0 {
        match reader.u8()? {
            INTEGERS => {
                out.reserve(count);
                integers::decode(&mut reader, count, |block| out.extend_from_slice(block))?;
            }
            id => return Err(Error::UnknownCodec { what: WHAT, id }),
        }
    }
    reader.finish()
}
