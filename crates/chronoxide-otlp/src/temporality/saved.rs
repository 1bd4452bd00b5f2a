//! Delta streams as bytes, so that totals survive a restart.
//!
//! Streams: magic, version, seed, then records; changes: records alone. Both end with the xxh3 checksum of all before
//! it. A record: key, start, last, seen (fixed), start and digest of the last delta (behind a tag; absent
//! in the first version), a tag for the kind of total, the total. Numbers of buckets and counts
//! are LEB128, everything else is fixed and little-endian.

use xxhash_rust::xxh3::xxh3_64;

use super::total::{ExplicitTotal, ExponentialTotal, Row, Total};
use super::{DeltaChanges, DeltaLimits, DeltaStreams, Stream, damaged};
use crate::Result;

const MAGIC: [u8; 8] = *b"CXDELTA1";
const CHECKSUM_BYTES: usize = 8;

/// Stands before the tag of the total where start and digest of the last delta are known; the first version had neither.
const LAST_FOLLOWS: u8 = 4;

pub(super) fn encode_streams(streams: &DeltaStreams) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(streams.seed.to_le_bytes());
    for (key, stream) in &streams.streams {
        write_record(*key, stream, &mut out);
    }
    sealed(out)
}

pub(super) fn encode_changes(changes: &DeltaChanges) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, change) in &changes.streams {
        write_record(*key, &change.stream, &mut out);
    }
    sealed(out)
}

pub(super) fn decode_streams(bytes: &[u8], limits: DeltaLimits) -> Result<DeltaStreams> {
    let mut reader = Reader::checked(bytes)?;
    if reader.array::<8>()? != MAGIC {
        return Err(damaged(
            0,
            "it begins with other bytes than saved delta streams do",
        ));
    }
    let mut streams = DeltaStreams::new(limits, reader.u64()?);
    while !reader.is_at_end() {
        let (key, stream) = reader.record()?;
        streams.insert(key, stream);
    }
    Ok(streams)
}

pub(super) fn decode_changes(bytes: &[u8]) -> Result<Vec<(u128, Stream)>> {
    let mut reader = Reader::checked(bytes)?;
    let mut records = Vec::new();
    while !reader.is_at_end() {
        records.push(reader.record()?);
    }
    Ok(records)
}

fn sealed(mut out: Vec<u8>) -> Vec<u8> {
    let checksum = xxh3_64(&out);
    out.extend(checksum.to_le_bytes());
    out
}

fn write_record(key: u128, stream: &Stream, out: &mut Vec<u8>) {
    out.extend(key.to_le_bytes());
    out.extend(stream.start_ns.to_le_bytes());
    out.extend(stream.last_ns.to_le_bytes());
    out.extend(stream.seen_ms.to_le_bytes());
    out.push(LAST_FOLLOWS);
    out.extend(stream.last_start_ns.to_le_bytes());
    out.extend(stream.last_digest.to_le_bytes());
    match &stream.total {
        Total::Integer(total) => {
            out.push(0);
            out.extend(total.to_le_bytes());
        }
        Total::Double(total) => {
            out.push(1);
            out.extend(total.to_bits().to_le_bytes());
        }
        Total::Explicit(total) => {
            out.push(2);
            write_varint(total.count, out);
            write_sum(total.sum, out);
            write_varint(total.bounds.len() as u64, out);
            for bound in &total.bounds {
                out.extend(bound.to_bits().to_le_bytes());
            }
            write_counts(&total.bucket_counts, out);
        }
        Total::Exponential(total) => {
            out.push(3);
            write_varint(total.count, out);
            write_sum(total.sum, out);
            out.extend(total.scale.to_le_bytes());
            write_varint(total.zero_count, out);
            out.extend(total.zero_threshold.to_bits().to_le_bytes());
            for row in [&total.positive, &total.negative] {
                out.extend(row.offset.to_le_bytes());
                write_counts(&row.counts, out);
            }
        }
    }
}

fn write_sum(sum: Option<f64>, out: &mut Vec<u8>) {
    out.push(u8::from(sum.is_some()));
    if let Some(sum) = sum {
        out.extend(sum.to_bits().to_le_bytes());
    }
}

fn write_counts(counts: &[u64], out: &mut Vec<u8>) {
    write_varint(counts.len() as u64, out);
    for count in counts {
        write_varint(*count, out);
    }
}

fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader of what stands before the checksum, once that has been compared.
    fn checked(bytes: &'a [u8]) -> Result<Self> {
        let Some((content, checksum)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
            return Err(damaged(0, "it is shorter than a checksum"));
        };
        if xxh3_64(content).to_le_bytes() != *checksum {
            return Err(damaged(content.len(), "the checksum does not match"));
        }
        Ok(Self {
            bytes: content,
            offset: 0,
        })
    }

    fn is_at_end(&self) -> bool {
        self.offset >= self.bytes.len()
    }

    fn damaged(&self, reason: &'static str) -> crate::Error {
        damaged(self.offset, reason)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let Some(array) = rest.first_chunk::<N>() else {
            return Err(self.damaged("a record is cut short"));
        };
        self.offset += N;
        Ok(*array)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn f64(&mut self) -> Result<f64> {
        self.u64().map(f64::from_bits)
    }

    fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_le_bytes)
    }

    fn varint(&mut self) -> Result<u64> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let mut reader = chronoxide_protobuf::Reader::new(rest, "saved delta streams");
        let count = reader
            .varint()
            .map_err(|_| self.damaged("a count is cut short or passes 64 bits"))?;
        self.offset += reader.position();
        Ok(count)
    }

    /// A number of elements of which each takes `element_bytes` at least.
    fn length(&mut self, element_bytes: usize) -> Result<usize> {
        let length = self.varint()?;
        let room = (self.bytes.len() - self.offset) / element_bytes;
        match usize::try_from(length) {
            Ok(length) if length <= room => Ok(length),
            _ => Err(self.damaged("a row is longer than the bytes that are left")),
        }
    }

    fn sum(&mut self) -> Result<Option<f64>> {
        match self.array()? {
            [0] => Ok(None),
            [1] => self.f64().map(Some),
            _ => Err(self.damaged("a sum is neither there nor absent")),
        }
    }

    fn counts(&mut self) -> Result<Vec<u64>> {
        let length = self.length(1)?;
        (0..length).map(|_| self.varint()).collect()
    }

    fn row(&mut self) -> Result<Row> {
        Ok(Row {
            offset: self.i32()?,
            counts: self.counts()?,
        })
    }

    fn record(&mut self) -> Result<(u128, Stream)> {
        let key = u128::from_le_bytes(self.array()?);
        let (start_ns, last_ns) = (self.u64()?, self.u64()?);
        let seen_ms = i64::from_le_bytes(self.array()?);
        let [mut tag] = self.array()?;
        // Unknown, the last delta is like no other: its digest would have to be 0 and its start, too.
        let (mut last_start_ns, mut last_digest) = (0, 0);
        if tag == LAST_FOLLOWS {
            (last_start_ns, last_digest) = (self.u64()?, self.u64()?);
            [tag] = self.array()?;
        }
        let stream = Stream {
            start_ns,
            last_ns,
            last_start_ns,
            last_digest,
            seen_ms,
            total: self.total(tag)?,
        };
        Ok((key, stream))
    }

    fn total(&mut self, tag: u8) -> Result<Total> {
        Ok(match tag {
            0 => Total::Integer(i64::from_le_bytes(self.array()?)),
            1 => Total::Double(self.f64()?),
            2 => Total::Explicit(ExplicitTotal {
                count: self.varint()?,
                sum: self.sum()?,
                bounds: {
                    let length = self.length(8)?;
                    (0..length).map(|_| self.f64()).collect::<Result<_>>()?
                },
                bucket_counts: self.counts()?,
            }),
            3 => Total::Exponential(ExponentialTotal {
                count: self.varint()?,
                sum: self.sum()?,
                scale: self.i32()?,
                zero_count: self.varint()?,
                zero_threshold: self.f64()?,
                positive: self.row()?,
                negative: self.row()?,
            }),
            _ => return Err(self.damaged("a total of an unknown kind")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_the_first_version_are_read() {
        let stream = Stream {
            start_ns: 1,
            last_ns: 2,
            last_start_ns: 0,
            last_digest: 0,
            seen_ms: 3,
            total: Total::Integer(4),
        };
        let mut record = Vec::new();
        write_record(7, &stream, &mut record);
        // Key and three numbers, then the tag of what follows, start and digest, then the total.
        let first_version = [&record[..40], &record[57..]].concat();
        for bytes in [record, first_version] {
            assert_eq!(
                decode_changes(&sealed(bytes)),
                Ok(vec![(7, stream.clone())])
            );
        }
    }
}
