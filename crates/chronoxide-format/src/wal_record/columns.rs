//! The columns of a batch.
//!
//! Sids as zigzagged differences, timestamps as runs of (difference to the previous run, length - 1), values as they
//! are: compression of the whole payload follows.

use chronoxide_model::{CanonicalKey, Exemplar, KeyEncoding};

use crate::{Reader, Result, varint};

pub(super) fn put_sids(sids: &[u32], out: &mut Vec<u8>) {
    let mut previous = 0;
    for &sid in sids {
        varint::put_i64(out, i64::from(sid) - i64::from(previous));
        previous = sid;
    }
}

/// `count` is bounded by the caller; each sid takes a byte at least, which bounds the memory once more.
pub(super) fn read_sids(count: usize, reader: &mut Reader<'_>) -> Result<Vec<u32>> {
    if count > reader.remaining() {
        return Err(reader.corrupt("there are fewer bytes than series"));
    }
    let mut sids = Vec::with_capacity(count);
    let mut previous = 0_i64;
    for _ in 0..count {
        previous = previous.wrapping_add(reader.varint_i64()?);
        let sid = u32::try_from(previous).map_err(|_| reader.corrupt("a sid is out of range"))?;
        sids.push(sid);
    }
    Ok(sids)
}

pub(super) fn put_timestamps(timestamps_ms: &[i64], out: &mut Vec<u8>) {
    let mut previous = 0_i64;
    for run in timestamps_ms.chunk_by(|a, b| a == b) {
        let Some(&timestamp_ms) = run.first() else {
            continue;
        };
        varint::put_i64(out, timestamp_ms.wrapping_sub(previous));
        varint::put_usize(out, run.len() - 1);
        previous = timestamp_ms;
    }
}

/// `count` is bounded by what the caller has read of other columns already.
pub(super) fn read_timestamps(count: usize, reader: &mut Reader<'_>) -> Result<Vec<i64>> {
    let mut timestamps_ms = Vec::with_capacity(count);
    let mut previous = 0_i64;
    while timestamps_ms.len() < count {
        previous = previous.wrapping_add(reader.varint_i64()?);
        let more = reader.varint_len(count - timestamps_ms.len() - 1)?;
        timestamps_ms.resize(timestamps_ms.len() + more + 1, previous);
    }
    Ok(timestamps_ms)
}

pub(super) fn put_values(values: &[f64], out: &mut Vec<u8>) {
    out.reserve(values.len() * 8);
    for value in values {
        out.extend_from_slice(&value.to_bits().to_le_bytes());
    }
}

pub(super) fn read_values(count: usize, reader: &mut Reader<'_>) -> Result<Vec<f64>> {
    let bytes = reader.bytes(count.saturating_mul(8))?;
    let (values, _) = bytes.as_chunks::<8>();
    Ok(values
        .iter()
        .map(|bytes| f64::from_bits(u64::from_le_bytes(*bytes)))
        .collect())
}

pub(super) fn put_exemplars(exemplars: &[(u32, Exemplar)], out: &mut Vec<u8>) {
    varint::put_usize(out, exemplars.len());
    let mut key = Vec::new();
    for (sid, exemplar) in exemplars {
        varint::put_u32(out, *sid);
        varint::put_i64(out, exemplar.timestamp_ms);
        out.extend_from_slice(&exemplar.value.to_bits().to_le_bytes());
        key.clear();
        CanonicalKey::encode(&exemplar.labels, &mut key);
        varint::put_usize(out, key.len());
        out.extend_from_slice(&key);
    }
}

/// Sid, time, value and length of the labels take this much at least.
const EXEMPLAR_BYTES_MIN: usize = 11;

pub(super) fn read_exemplars(reader: &mut Reader<'_>) -> Result<Vec<(u32, Exemplar)>> {
    let count = reader.varint_len(reader.remaining() / EXEMPLAR_BYTES_MIN)?;
    let mut exemplars = Vec::with_capacity(count);
    for _ in 0..count {
        let sid = reader.varint_u32()?;
        let timestamp_ms = reader.varint_i64()?;
        let value = reader.f64()?;
        let length = reader.varint_len(reader.remaining())?;
        let labels = CanonicalKey
            .decode(reader.bytes(length)?)
            .map_err(|_| reader.corrupt("labels of an exemplar are malformed"))?;
        let exemplar = Exemplar {
            labels,
            timestamp_ms,
            value,
        };
        exemplars.push((sid, exemplar));
    }
    Ok(exemplars)
}

pub(super) fn put_state_changes(changes: &[Vec<u8>], out: &mut Vec<u8>) {
    varint::put_usize(out, changes.len());
    for change in changes {
        varint::put_usize(out, change.len());
        out.extend_from_slice(change);
    }
}

pub(super) fn read_state_changes(reader: &mut Reader<'_>) -> Result<Vec<Vec<u8>>> {
    let count = reader.varint_len(reader.remaining())?;
    let mut changes = Vec::new();
    for _ in 0..count {
        let length = reader.varint_len(reader.remaining())?;
        changes.push(reader.bytes(length)?.to_vec());
    }
    Ok(changes)
}
