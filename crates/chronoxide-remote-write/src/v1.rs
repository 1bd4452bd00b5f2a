//! Remote write 1.0: `prometheus.WriteRequest`.
//!
//! Beside the standard's samples, what real senders put into version 1 messages is read too: metadata, exemplars,
//! native histograms.

use chronoxide_model::{
    Exemplar, KeyEncoding, Labels, LabelsError, METRIC_NAME, Metadata, RejectReason, Sample,
};
use chronoxide_protobuf::{Reader, Result, Tag, WireType};

use crate::{Decoded, histogram, metadata};

/// The encoding of version 1 keys: the `labels` fields of a `TimeSeries` as they stand on the wire, end to end.
#[derive(Clone, Copy, Debug)]
pub struct WireLabels;

impl KeyEncoding for WireLabels {
    fn id(&self) -> u8 {
        1
    }

    fn decode(&self, key: &[u8]) -> std::result::Result<Labels, LabelsError> {
        let mut reader = Reader::new(key, "TimeSeries");
        let mut pairs = Vec::new();
        while !reader.is_at_end() {
            pairs.push(label_pair(&mut reader)?);
        }
        let labels = Labels::from_pairs(pairs)?;
        if labels.get(METRIC_NAME).is_none() {
            return Err(LabelsError::MissingMetricName {
                series: labels.to_string(),
            });
        }
        Ok(labels)
    }
}

/// The next label, tag included.
fn label_pair<'a>(reader: &mut Reader<'a>) -> std::result::Result<(&'a str, &'a str), LabelsError> {
    let offset = reader.position();
    let malformed = |_| LabelsError::MalformedKey { offset };
    reader.tag().map_err(malformed)?;
    let (name, value) = label_bytes(reader).map_err(malformed)?;
    Ok((label_text(name)?, label_text(value)?))
}

fn label_text(bytes: &[u8]) -> std::result::Result<&str, LabelsError> {
    std::str::from_utf8(bytes).map_err(|_| LabelsError::InvalidUtf8 {
        text: String::from_utf8_lossy(bytes).into_owned(),
    })
}

/// Name and value of the label message that comes next.
fn label_bytes<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], &'a [u8])> {
    let mut label = reader.message("Label")?;
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    while !label.is_at_end() {
        let tag = label.tag()?;
        match tag.field {
            1 => {
                label.expect(tag, WireType::Bytes)?;
                name = label.bytes()?;
            }
            2 => {
                label.expect(tag, WireType::Bytes)?;
                value = label.bytes()?;
            }
            _ => label.skip(tag.wire)?,
        }
    }
    Ok((name, value))
}

/// Reads a decompressed request.
///
/// Labels are not parsed here: the batch carries their bytes, and storage parses those it has not seen before.
///
/// # Errors
/// When `body` is no `WriteRequest`. Nothing of such a request is kept.
pub fn decode(body: &[u8]) -> crate::Result<Decoded<'_>> {
    let mut decoded = Decoded::default();
    let mut reader = Reader::new(body, "WriteRequest");
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        match tag.field {
            1 => {
                reader.expect(tag, WireType::Bytes)?;
                decode_series(reader.message("TimeSeries")?, &mut decoded)?;
            }
            3 => {
                reader.expect(tag, WireType::Bytes)?;
                decode_metadata(reader.message("MetricMetadata")?, &mut decoded)?;
            }
            _ => reader.skip(tag.wire)?,
        }
    }
    Ok(decoded)
}

/// The tag byte of a label within a series.
const LABEL_TAG: u8 = 0x0a;

fn decode_series<'a>(mut reader: Reader<'a>, decoded: &mut Decoded<'a>) -> Result<()> {
    let start = reader.position();
    while reader.peek() == Some(LABEL_TAG) {
        reader.tag()?;
        reader.bytes()?;
    }
    let key = reader.since(start);
    let late = late_labels(reader.clone())?;
    if late.is_empty() {
        decoded.batch.start_series_borrowed(key, &WireLabels);
    } else {
        decoded
            .batch
            .start_series_copied(&[key, &late].concat(), &WireLabels);
    }
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        decode_series_field(&mut reader, tag, decoded)?;
    }
    Ok(())
}

/// Labels that stand behind other fields: legal, and never sent by anyone known.
fn late_labels(mut reader: Reader<'_>) -> Result<Vec<u8>> {
    let mut late = Vec::new();
    while !reader.is_at_end() {
        let start = reader.position();
        let tag = reader.tag()?;
        reader.skip(tag.wire)?;
        if tag.field == 1 {
            late.extend_from_slice(reader.since(start));
        }
    }
    Ok(late)
}

fn decode_series_field<'a>(
    reader: &mut Reader<'a>,
    tag: Tag,
    decoded: &mut Decoded<'a>,
) -> Result<()> {
    if !matches!(tag.field, 1..=4) {
        return reader.skip(tag.wire);
    }
    reader.expect(tag, WireType::Bytes)?;
    match tag.field {
        2 => decoded
            .batch
            .push_sample(decode_sample(reader.message("Sample")?)?),
        3 => decode_exemplar(reader.message("Exemplar")?, decoded)?,
        4 => decode_histogram(reader.message("Histogram")?, decoded)?,
        _ => reader.skip(tag.wire)?,
    }
    Ok(())
}

fn decode_sample(mut reader: Reader<'_>) -> Result<Sample> {
    let mut sample = Sample::new(0, 0.0);
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        match tag.field {
            1 => {
                reader.expect(tag, WireType::Fixed64)?;
                sample.value = reader.double()?;
            }
            2 => {
                reader.expect(tag, WireType::Varint)?;
                sample.timestamp_ms = reader.varint()? as i64;
            }
            _ => reader.skip(tag.wire)?,
        }
    }
    Ok(sample)
}

fn decode_histogram(reader: Reader<'_>, decoded: &mut Decoded<'_>) -> Result<()> {
    let read = histogram::decode(reader)?;
    match read.histogram {
        Ok(histogram) => {
            decoded
                .batch
                .push_histogram(read.timestamp_ms, read.start_timestamp_ms, histogram)
        }
        Err(detail) => {
            let series = decoded.last_series();
            decoded.refuse(series, RejectReason::InvalidHistogram, detail, 1);
        }
    }
    Ok(())
}

fn decode_exemplar(mut reader: Reader<'_>, decoded: &mut Decoded<'_>) -> Result<()> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let (mut timestamp_ms, mut value) = (0, 0.0);
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        match tag.field {
            1 => {
                reader.expect(tag, WireType::Bytes)?;
                let (name, text) = label_bytes(&mut reader)?;
                pairs.push((
                    String::from_utf8_lossy(name).into_owned(),
                    String::from_utf8_lossy(text).into_owned(),
                ));
            }
            2 => {
                reader.expect(tag, WireType::Fixed64)?;
                value = reader.double()?;
            }
            3 => {
                reader.expect(tag, WireType::Varint)?;
                timestamp_ms = reader.varint()? as i64;
            }
            _ => reader.skip(tag.wire)?,
        }
    }
    // An exemplar that cannot be kept never fails its request; what was kept is counted by storage.
    if let Ok(labels) = Labels::from_pairs(pairs) {
        decoded.batch.push_exemplar(Exemplar {
            labels,
            timestamp_ms,
            value,
        });
    }
    Ok(())
}

fn decode_metadata(mut reader: Reader<'_>, decoded: &mut Decoded<'_>) -> Result<()> {
    let mut name = "";
    let mut read = Metadata::default();
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        match tag.field {
            1 => {
                reader.expect(tag, WireType::Varint)?;
                read.metric_type = metadata::metric_type(reader.varint()?);
            }
            2 => {
                reader.expect(tag, WireType::Bytes)?;
                name = reader.text()?;
            }
            4 => {
                reader.expect(tag, WireType::Bytes)?;
                reader.text()?.clone_into(&mut read.help);
            }
            5 => {
                reader.expect(tag, WireType::Bytes)?;
                reader.text()?.clone_into(&mut read.unit);
            }
            _ => reader.skip(tag.wire)?,
        }
    }
    if !name.is_empty() {
        decoded.batch.push_metadata(name, read);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
