//! Deletions: which series, which time, and how far up the log they reach.

use chronoxide_model::{Matcher, MatcherOp, TimeRange};

use crate::metadata::{put_text, read_text};
use crate::{Reader, Result, varint};

/// A deleted range: samples of the matching series, in the range, from records numbered below `seq`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tombstone {
    /// All of them must match.
    pub matchers: Vec<Matcher>,
    /// Deleted times.
    pub range: TimeRange,
    /// Sequence number of the deletion itself: what is written later stays.
    pub seq: u64,
}

/// The most matchers one deletion has.
pub const MATCHERS_MAX: usize = 1024;

impl Tombstone {
    /// Appends the deletion to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        varint::put_u64(out, self.seq);
        varint::put_i64(out, self.range.min_ms());
        varint::put_i64(out, self.range.max_ms());
        varint::put_usize(out, self.matchers.len());
        for matcher in &self.matchers {
            out.push(match matcher.op() {
                MatcherOp::Equal => 0,
                MatcherOp::NotEqual => 1,
                MatcherOp::Regex => 2,
                MatcherOp::NotRegex => 3,
            });
            put_text(matcher.name(), out);
            put_text(matcher.value(), out);
        }
    }

    /// Reads what [`Tombstone::encode`] wrote, and nothing after it.
    ///
    /// # Errors
    /// When the bytes are anything else, or a pattern does not compile.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new("tombstone", bytes);
        let seq = reader.varint_u64()?;
        let (min_ms, max_ms) = (reader.varint_i64()?, reader.varint_i64()?);
        let range = TimeRange::new(min_ms, max_ms)
            .map_err(|_| reader.corrupt("the range ends before its start"))?;
        let count = reader.varint_len(MATCHERS_MAX.min(reader.remaining() / 3))?;
        let mut matchers = Vec::with_capacity(count);
        for _ in 0..count {
            matchers.push(read_matcher(&mut reader)?);
        }
        reader.finish()?;
        Ok(Self {
            matchers,
            range,
            seq,
        })
    }
}

fn read_matcher(reader: &mut Reader<'_>) -> Result<Matcher> {
    let op = reader.u8()?;
    let name = read_text(reader)?;
    let value = read_text(reader)?;
    match op {
        0 => Ok(Matcher::equal(name, value)),
        1 => Ok(Matcher::not_equal(name, value)),
        2 => Matcher::regex(name, value).map_err(|_| reader.corrupt("a pattern does not compile")),
        3 => Matcher::not_regex(name, value)
            .map_err(|_| reader.corrupt("a pattern does not compile")),
        _ => Err(reader.corrupt("a matcher's kind is unknown")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tombstone() -> Tombstone {
        Tombstone {
            matchers: vec![
                Matcher::equal("__name__", "up"),
                Matcher::not_equal("job", "node"),
                Matcher::regex("instance", "a.*|é").unwrap(),
                Matcher::not_regex("zone", "x").unwrap(),
            ],
            range: TimeRange::new(i64::MIN, 1_700_000_000_000).unwrap(),
            seq: 1 << 40,
        }
    }

    #[test]
    fn a_deletion_comes_back_and_every_prefix_is_refused() {
        let mut bytes = Vec::new();
        tombstone().encode(&mut bytes);
        assert_eq!(Tombstone::decode(&bytes).unwrap(), tombstone());
        for end in 0..bytes.len() {
            assert!(Tombstone::decode(&bytes[..end]).is_err(), "prefix of {end}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = Tombstone::decode(&flipped);
        }
    }
}
