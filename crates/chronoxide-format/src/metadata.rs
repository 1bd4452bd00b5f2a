//! What is known of metrics, by name: a count, then for each metric its name, type, help and unit.

use chronoxide_model::{Metadata, MetricType};

use crate::{Reader, Result, varint};

/// Name, type, help and unit take this much at least.
const ENTRY_BYTES_MIN: usize = 4;

/// Appends `entries` to `out`.
pub fn encode(entries: &[(String, Metadata)], out: &mut Vec<u8>) {
    varint::put_usize(out, entries.len());
    for (name, metadata) in entries {
        put_text(name, out);
        out.push(type_id(metadata.metric_type));
        put_text(&metadata.help, out);
        put_text(&metadata.unit, out);
    }
}

/// Reads what [`encode`] wrote, and nothing after it.
///
/// # Errors
/// When the bytes are anything else.
pub fn decode(bytes: &[u8]) -> Result<Vec<(String, Metadata)>> {
    let mut reader = Reader::new("metadata", bytes);
    let entries = read(&mut reader)?;
    reader.finish()?;
    Ok(entries)
}

pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Vec<(String, Metadata)>> {
    let count = reader.varint_len(reader.remaining() / ENTRY_BYTES_MIN)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let name = read_text(reader)?;
        let metric_type = type_of(reader)?;
        let help = read_text(reader)?;
        let unit = read_text(reader)?;
        let metadata = Metadata {
            metric_type,
            help,
            unit,
        };
        entries.push((name, metadata));
    }
    Ok(entries)
}

pub(crate) fn put_text(text: &str, out: &mut Vec<u8>) {
    varint::put_usize(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

pub(crate) fn read_text(reader: &mut Reader<'_>) -> Result<String> {
    let length = reader.varint_len(reader.remaining())?;
    let bytes = reader.bytes(length)?;
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| reader.corrupt("text is not UTF-8"))
}

const fn type_id(metric_type: MetricType) -> u8 {
    match metric_type {
        MetricType::Unknown => 0,
        MetricType::Counter => 1,
        MetricType::Gauge => 2,
        MetricType::Histogram => 3,
        MetricType::GaugeHistogram => 4,
        MetricType::Summary => 5,
        MetricType::Info => 6,
        MetricType::StateSet => 7,
    }
}

fn type_of(reader: &mut Reader<'_>) -> Result<MetricType> {
    Ok(match reader.u8()? {
        0 => MetricType::Unknown,
        1 => MetricType::Counter,
        2 => MetricType::Gauge,
        3 => MetricType::Histogram,
        4 => MetricType::GaugeHistogram,
        5 => MetricType::Summary,
        6 => MetricType::Info,
        7 => MetricType::StateSet,
        _ => return Err(reader.corrupt("a metric type is unknown")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_every_prefix_is_refused() {
        let types = [
            MetricType::Unknown,
            MetricType::Counter,
            MetricType::Gauge,
            MetricType::Histogram,
            MetricType::GaugeHistogram,
            MetricType::Summary,
            MetricType::Info,
            MetricType::StateSet,
        ];
        let entries: Vec<_> = types
            .into_iter()
            .map(|metric_type| {
                let metadata = Metadata {
                    metric_type,
                    help: format!("What a {metric_type} is — in short."),
                    unit: "seconds".to_owned(),
                };
                (format!("a_{metric_type}"), metadata)
            })
            .collect();
        let mut bytes = Vec::new();
        encode(&entries, &mut bytes);
        assert_eq!(decode(&bytes).unwrap(), entries);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "prefix of {end}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = decode(&flipped);
        }
    }

    #[test]
    fn a_huge_count_is_refused_before_any_memory_is_taken() {
        let mut bytes = Vec::new();
        varint::put_u64(&mut bytes, u64::MAX);
        assert!(matches!(decode(&bytes), Err(crate::Error::TooLarge { .. })));
    }
}
