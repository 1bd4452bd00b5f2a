//! Remote write 1.0: `prometheus.WriteRequest`.
//!
//! Beside the standard's samples, what real senders put into version 1 messages is read too: metadata, exemplars,
//! native histograms.

use chronoxide_model::{
    Exemplar, KeyEncoding, Labels, LabelsError, METRIC_NAME, Metadata, RejectReason, Sample,
    WriteBatch, describe_pairs,
};
use chronoxide_protobuf::{Reader, Tag, WireType};

use crate::decoded::{EXEMPLAR_BYTES_MAX, KEY_BYTES_MAX};
use crate::memory::{EXEMPLAR_BYTES, Memory, SERIES_AHEAD_MAX, SERIES_BYTES};
use crate::{Decoded, Result, exemplar, histogram, metadata};

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

    fn describe(&self, key: &[u8]) -> String {
        let mut reader = Reader::new(key, "TimeSeries");
        describe_pairs(std::iter::from_fn(|| {
            reader.tag().ok()?;
            label_bytes(&mut reader).ok()
        }))
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
fn label_bytes<'a>(reader: &mut Reader<'a>) -> chronoxide_protobuf::Result<(&'a [u8], &'a [u8])> {
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
pub fn decode(body: &[u8]) -> Result<Decoded<'_>> {
    decode_within(body, |_| true)
}

/// As [`decode`], for bodies of strangers: `hold` is told, piece by piece, how many bytes of memory the request takes
/// beside its own, and answers whether it may have them.
///
/// # Errors
/// As [`decode`], and [`Error::NoMemory`](crate::Error::NoMemory) when it may not.
pub fn decode_within(body: &[u8], hold: impl FnMut(u64) -> bool) -> Result<Decoded<'_>> {
    decode_into(WriteBatch::new(), body, hold)
}

/// As [`decode_within`], into a batch that is empty so far.
///
/// # Errors
/// As [`decode_within`].
pub fn decode_into<'a>(
    batch: WriteBatch<'a>,
    body: &'a [u8],
    mut hold: impl FnMut(u64) -> bool,
) -> Result<Decoded<'a>> {
    let mut walk = Walk {
        decoded: Decoded {
            batch,
            ..Decoded::default()
        },
        memory: Memory::new(&mut hold),
    };
    let mut reader = Reader::new(body, "WriteRequest");
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        match tag.field {
            1 => {
                reader.expect(tag, WireType::Bytes)?;
                let first = walk.decoded.batch.series_count() == 0;
                walk.series(reader.message("TimeSeries")?)?;
                if first {
                    // Series of one sender are about as long, the first perhaps longer than the others.
                    let more = body.len() / reader.position().max(1);
                    let more = more.saturating_add(more / 4);
                    walk.decoded.batch.reserve(more.min(SERIES_AHEAD_MAX));
                }
            }
            3 => {
                reader.expect(tag, WireType::Bytes)?;
                walk.metadata(reader.message("MetricMetadata")?)?;
            }
            _ => reader.skip(tag.wire)?,
        }
    }
    Ok(walk.decoded)
}

/// The tag byte of a label within a series.
const LABEL_TAG: u8 = 0x0a;

/// The way through a request.
struct Walk<'a, 'h> {
    decoded: Decoded<'a>,
    memory: Memory<'h>,
}

impl<'a> Walk<'a, '_> {
    fn series(&mut self, mut reader: Reader<'a>) -> Result<()> {
        let start = reader.position();
        reader.skip_run(LABEL_TAG)?;
        let key = reader.since(start);
        if key.len() <= KEY_BYTES_MAX
            && let Some(sample) = only_sample(reader.rest())
        {
            self.memory.take(SERIES_BYTES + size_of::<Sample>())?;
            let batch = &mut self.decoded.batch;
            batch.start_series_borrowed(key, &WireLabels);
            batch.push_sample(sample);
            return Ok(());
        }
        let late = late_labels(reader.clone())?;
        if key.len() + late.len() > KEY_BYTES_MAX {
            return self.refuse_labels(key, reader);
        }
        self.memory.take(SERIES_BYTES + late.len())?;
        let batch = &mut self.decoded.batch;
        if late.is_empty() {
            batch.start_series_borrowed(key, &WireLabels);
        } else {
            batch.start_series_copied(&[key, &late].concat(), &WireLabels);
        }
        while !reader.is_at_end() {
            let tag = reader.tag()?;
            self.series_field(&mut reader, tag)?;
        }
        Ok(())
    }

    fn series_field(&mut self, reader: &mut Reader<'a>, tag: Tag) -> Result<()> {
        if !matches!(tag.field, 1..=4) {
            return Ok(reader.skip(tag.wire)?);
        }
        reader.expect(tag, WireType::Bytes)?;
        match tag.field {
            2 => {
                self.memory.take(size_of::<Sample>())?;
                let sample = decode_sample(reader.message("Sample")?)?;
                self.decoded.batch.push_sample(sample);
            }
            3 => self.exemplar(reader.message("Exemplar")?)?,
            4 => {
                let read = histogram::decode(reader.message("Histogram")?, &mut self.memory)?;
                self.decoded.push_histogram(read);
            }
            _ => reader.skip(tag.wire)?,
        }
        Ok(())
    }

    /// Refuses a series with labels beyond all measure.
    fn refuse_labels(&mut self, key: &[u8], mut rest: Reader<'_>) -> Result<()> {
        let mut samples = 0;
        while !rest.is_at_end() {
            let tag = rest.tag()?;
            rest.skip(tag.wire)?;
            samples += u64::from(matches!(tag.field, 2 | 4));
        }
        let refused = &mut self.decoded.refused;
        refused.reject_with(RejectReason::LabelsTooLong, samples, || {
            let detail = format!("more than {KEY_BYTES_MAX} bytes of labels are not even read");
            (WireLabels.describe(key), detail)
        });
        Ok(())
    }

    fn exemplar(&mut self, reader: Reader<'_>) -> Result<()> {
        self.decoded.exemplars += 1;
        let mut pairs = ExemplarPairs::default();
        let read = exemplar::read(reader, |reader, tag| pairs.read(reader, tag))?;
        // What is too long is left out without a word, as storage leaves out what it cannot keep.
        if pairs.are_too_long() {
            return Ok(());
        }
        self.memory.take(EXEMPLAR_BYTES)?;
        match pairs.labels() {
            Ok(labels) => self.decoded.batch.push_exemplar(Exemplar {
                labels,
                timestamp_ms: read.timestamp_ms,
                value: read.value,
            }),
            Err(error) => {
                let detail = format!("exemplar: {error}");
                self.decoded.refuse_in_last((&error).into(), 0, detail);
            }
        }
        Ok(())
    }

    fn metadata(&mut self, mut reader: Reader<'_>) -> Result<()> {
        let mut name: &[u8] = &[];
        let mut read = Metadata::default();
        while !reader.is_at_end() {
            let tag = reader.tag()?;
            let expected = match tag.field {
                1 => Some(WireType::Varint),
                2 | 4 | 5 => Some(WireType::Bytes),
                _ => None,
            };
            if let Some(wire) = expected {
                reader.expect(tag, wire)?;
            }
            match tag.field {
                1 => read.metric_type = metadata::metric_type(reader.varint()?),
                2 => name = reader.bytes()?,
                4 => read.help = metadata::text(reader.bytes()?),
                5 => read.unit = metadata::text(reader.bytes()?),
                _ => reader.skip(tag.wire)?,
            }
        }
        self.memory
            .take(metadata::BYTES + name.len() + read.help.len() + read.unit.len())?;
        if metadata::says_nothing(&read) {
            return Ok(());
        }
        if name.is_empty() {
            self.decoded.metadata_nameless += 1;
        } else {
            let name = metadata::text(name);
            self.decoded.batch.push_metadata(name, read);
        }
        Ok(())
    }
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

/// The sample of a series that has nothing else beside its labels, written as all known senders write it: nearly every
/// series is like that. `None` says nothing.
#[inline]
fn only_sample(fields: &[u8]) -> Option<Sample> {
    // Field 2 and its length, in which are field 1, a double, and field 2, a varint.
    let [0x12, length, 0x09, content @ ..] = fields else {
        return None;
    };
    let (value, rest) = content.split_first_chunk::<8>()?;
    let [0x10, time @ .., last] = rest else {
        return None;
    };
    // Ten bytes are those of a negative number.
    if usize::from(*length) != content.len() + 1 || time.len() > 8 || *last >= 0x80 {
        return None;
    }
    let mut timestamp_ms = i64::from(*last);
    for byte in time.iter().rev() {
        if *byte < 0x80 {
            return None;
        }
        timestamp_ms = timestamp_ms << 7 | i64::from(byte & 0x7f);
    }
    Some(Sample::new(timestamp_ms, f64::from_le_bytes(*value)))
}

fn decode_sample(mut reader: Reader<'_>) -> chronoxide_protobuf::Result<Sample> {
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

/// The labels of an exemplar, and how much of them there is.
#[derive(Default)]
struct ExemplarPairs<'a> {
    pairs: Vec<(&'a [u8], &'a [u8])>,
    bytes: usize,
}

impl<'a> ExemplarPairs<'a> {
    fn read(&mut self, reader: &mut Reader<'a>, tag: Tag) -> chronoxide_protobuf::Result<()> {
        reader.expect(tag, WireType::Bytes)?;
        let (name, value) = label_bytes(reader)?;
        // A label without any bytes counts too, so that there cannot be many of them.
        self.bytes += name.len() + value.len() + 1;
        if !self.are_too_long() {
            self.pairs.push((name, value));
        }
        Ok(())
    }

    /// Whether they are too long for any use; not all are kept then.
    fn are_too_long(&self) -> bool {
        self.bytes > EXEMPLAR_BYTES_MAX
    }

    fn labels(&self) -> std::result::Result<Labels, LabelsError> {
        let texts = self
            .pairs
            .iter()
            .map(|(name, value)| Ok((label_text(name)?, label_text(value)?)));
        Labels::from_pairs(texts.collect::<std::result::Result<Vec<_>, LabelsError>>()?)
    }
}

#[cfg(test)]
mod tests;
