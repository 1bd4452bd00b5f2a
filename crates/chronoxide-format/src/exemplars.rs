//! Exemplars by series: a sequence number, then for each series its canonical key and its exemplars.

use chronoxide_model::{CanonicalKey, Exemplar, KeyEncoding, Labels};

use crate::{Reader, Result, varint};

/// A series takes the lengths of its key and of its exemplars at least.
const SERIES_BYTES_MIN: usize = 2;

/// Time, value and length of the labels take this much at least.
const EXEMPLAR_BYTES_MIN: usize = 10;

/// What a record says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExemplarRecord {
    /// Together with the records before it, the record has what all log records up to this one brought.
    pub sequence: u64,
    /// Series with their exemplars.
    pub series: Vec<(Labels, Vec<Exemplar>)>,
}

/// Begins a record in `out`. Together with the records before it, it has what all log records up to `sequence` brought.
pub fn start(sequence: u64, out: &mut Vec<u8>) {
    varint::put_u64(out, sequence);
}

/// Appends a series with its exemplars to `out`.
pub fn encode_series(labels: &Labels, exemplars: &[Exemplar], out: &mut Vec<u8>) {
    put_labels(labels, out);
    varint::put_usize(out, exemplars.len());
    for exemplar in exemplars {
        varint::put_i64(out, exemplar.timestamp_ms);
        out.extend_from_slice(&exemplar.value.to_bits().to_le_bytes());
        put_labels(&exemplar.labels, out);
    }
}

fn put_labels(labels: &Labels, out: &mut Vec<u8>) {
    let mut key = Vec::new();
    CanonicalKey::encode(labels, &mut key);
    varint::put_usize(out, key.len());
    out.extend_from_slice(&key);
}

/// Reads the sequence number of [`start`], then series until the bytes end, as [`encode_series`] wrote them.
///
/// # Errors
/// When the bytes are anything else.
pub fn decode(bytes: &[u8]) -> Result<ExemplarRecord> {
    let mut reader = Reader::new("exemplars", bytes);
    let sequence = reader.varint_u64()?;
    let mut all = Vec::new();
    while reader.remaining() >= SERIES_BYTES_MIN {
        let labels = read_labels(&mut reader)?;
        let count = reader.varint_len(reader.remaining() / EXEMPLAR_BYTES_MIN)?;
        let mut exemplars = Vec::with_capacity(count);
        for _ in 0..count {
            let timestamp_ms = reader.varint_i64()?;
            let value = reader.f64()?;
            let labels = read_labels(&mut reader)?;
            exemplars.push(Exemplar {
                labels,
                timestamp_ms,
                value,
            });
        }
        all.push((labels, exemplars));
    }
    reader.finish()?;
    Ok(ExemplarRecord {
        sequence,
        series: all,
    })
}

fn read_labels(reader: &mut Reader<'_>) -> Result<Labels> {
    let length = reader.varint_len(reader.remaining())?;
    CanonicalKey
        .decode(reader.bytes(length)?)
        .map_err(|_| reader.corrupt("labels are malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(name: &str, value: &str) -> Labels {
        Labels::from_pairs([(name, value)]).unwrap()
    }

    fn all() -> Vec<(Labels, Vec<Exemplar>)> {
        let exemplar = |timestamp_ms, value, labels| Exemplar {
            labels,
            timestamp_ms,
            value,
        };
        vec![
            (
                labels("__name__", "a"),
                vec![
                    exemplar(i64::MIN, -0.0, labels("trace_id", "é")),
                    exemplar(1_700_000_000_000, 0.25, Labels::empty()),
                ],
            ),
            (labels("__name__", "none"), Vec::new()),
        ]
    }

    #[test]
    fn exemplars_come_back_and_damage_never_panics() {
        let mut bytes = Vec::new();
        start(300, &mut bytes);
        let mut ends = vec![bytes.len()];
        for (labels, exemplars) in all() {
            encode_series(&labels, &exemplars, &mut bytes);
            ends.push(bytes.len());
        }
        let expected = ExemplarRecord {
            sequence: 300,
            series: all(),
        };
        assert_eq!(decode(&bytes).unwrap(), expected);
        for end in 0..bytes.len() {
            // Between two series is the only place where a shorter list ends.
            assert_eq!(decode(&bytes[..end]).is_ok(), ends.contains(&end), "{end}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = decode(&flipped);
        }
    }

    #[test]
    fn a_huge_count_is_refused_before_any_memory_is_taken() {
        let mut bytes = vec![0, 0];
        varint::put_u64(&mut bytes, u64::MAX);
        assert!(matches!(decode(&bytes), Err(crate::Error::TooLarge { .. })));
    }
}
