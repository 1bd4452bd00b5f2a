//! Start timestamps of the samples of a chunk, as runs.
//!
//! A run: varint (samples x 2 + 1 if the start is known); if known, zigzag varint start less the one before, the first
//! less the first timestamp of the chunk. Most chunks have one run: a process starts seldom.

use crate::{Reader, Result, varint};

const WHAT: &str = "start timestamps";

/// Appends the start timestamps `starts_ms`, 0 meaning unknown, of a chunk whose first sample is at `first_ms`.
pub fn encode_starts(starts_ms: &[i64], first_ms: i64, out: &mut Vec<u8>) {
    let mut before = first_ms;
    for run in starts_ms.chunk_by(|a, b| a == b) {
        let start = run.first().copied().unwrap_or_default();
        let known = start != 0;
        varint::put_u64(out, (run.len() as u64) << 1 | u64::from(known));
        if known {
            varint::put_i64(out, start.wrapping_sub(before));
            before = start;
        }
    }
}

/// Appends the `count` start timestamps in `bytes` to `out`.
///
/// # Errors
///
/// When the bytes are damaged or hold another number of them.
pub fn decode_starts(bytes: &[u8], first_ms: i64, count: usize, out: &mut Vec<i64>) -> Result<()> {
    let mut reader = Reader::new(WHAT, bytes);
    let mut before = first_ms;
    let mut left = count;
    while left > 0 {
        let head = reader.varint_len(super::CHUNK_SAMPLES_MAX * 2 + 1)?;
        let run = head >> 1;
        if run == 0 || run > left {
            return Err(reader.corrupt("a run is empty or too long"));
        }
        let start = if head & 1 == 0 {
            0
        } else {
            before = before.wrapping_add(reader.varint_i64()?);
            before
        };
        out.extend(std::iter::repeat_n(start, run));
        left -= run;
    }
    reader.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_run_takes_few_bytes() {
        let mut bytes = Vec::new();
        encode_starts(&[1_700_000_000_000; 120], 1_700_000_100_000, &mut bytes);
        assert_eq!(bytes.len(), 5);
    }

    proptest! {
        #[test]
        fn starts_come_back_and_cuts_are_errors(
            runs in prop::collection::vec((prop_oneof![Just(0), any::<i64>()], 1_usize..9), 0..9),
            first: i64,
        ) {
            let starts: Vec<i64> =
                runs.iter().flat_map(|(start, n)| std::iter::repeat_n(*start, *n)).collect();
            let mut bytes = Vec::new();
            encode_starts(&starts, first, &mut bytes);
            let mut back = Vec::new();
            decode_starts(&bytes, first, starts.len(), &mut back).unwrap();
            prop_assert_eq!(&back, &starts);
            for end in 0..bytes.len() {
                prop_assert!(decode_starts(&bytes[..end], first, starts.len(), &mut back).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, count in 0_usize..3000) {
            let mut back = Vec::new();
            let _ = decode_starts(&bytes, 0, count, &mut back);
            prop_assert!(back.len() <= count);
        }
    }
}
