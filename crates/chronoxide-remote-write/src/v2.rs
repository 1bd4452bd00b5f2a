//! Remote write 2.0: `io.prometheus.write.v2.Request`, whose strings stand once in a table.

use chronoxide_model::{
    CanonicalKey, Exemplar, KeyEncoding, Labels, LabelsError, METRIC_NAME, Metadata, RejectReason,
    Sample,
};
use chronoxide_protobuf::{Reader, Result, WireType};

use crate::histogram::WireHistogram;
use crate::{Decoded, histogram, metadata};

/// The encoding of version 2 keys: names and values in the sender's order, written like a [`CanonicalKey`].
#[derive(Clone, Copy, Debug)]
pub struct ResolvedLabels;

impl KeyEncoding for ResolvedLabels {
    fn id(&self) -> u8 {
        2
    }

    fn decode(&self, key: &[u8]) -> std::result::Result<Labels, LabelsError> {
        let labels = CanonicalKey.decode(key)?;
        if labels.get(METRIC_NAME).is_none() {
            return Err(LabelsError::MissingMetricName {
                series: labels.to_string(),
            });
        }
        Ok(labels)
    }
}

/// Reads a decompressed request.
///
/// Series with references outside the symbol table, or without any sample, are refused one by one.
///
/// # Errors
/// When `body` is no `Request`. Nothing of such a request is kept.
pub fn decode(body: &[u8]) -> crate::Result<Decoded<'static>> {
    let symbols = read_symbols(body)?;
    let mut decoded = Decoded::default();
    let mut entry = Entry::default();
    let mut key = Vec::new();
    let mut reader = Reader::new(body, "Request");
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        if tag.field == 5 {
            reader.expect(tag, WireType::Bytes)?;
            entry.clear();
            entry.read(reader.message("TimeSeries")?)?;
            accept(&mut entry, &symbols, &mut key, &mut decoded);
        } else {
            reader.skip(tag.wire)?;
        }
    }
    Ok(decoded)
}

/// The symbol table; it may stand behind the series that use it.
fn read_symbols(body: &[u8]) -> Result<Vec<&[u8]>> {
    let mut symbols = Vec::new();
    let mut reader = Reader::new(body, "Request");
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        if tag.field == 4 {
            reader.expect(tag, WireType::Bytes)?;
            symbols.push(reader.bytes()?);
        } else {
            reader.skip(tag.wire)?;
        }
    }
    Ok(symbols)
}

/// One entry of the request, as it stands on the wire; reused from entry to entry.
#[derive(Debug, Default)]
struct Entry {
    refs: Vec<u64>,
    samples: Vec<(Sample, i64)>,
    histograms: Vec<WireHistogram>,
    exemplars: Vec<EntryExemplar>,
    metadata: Option<EntryMetadata>,
}

#[derive(Debug, Default)]
struct EntryExemplar {
    refs: Vec<u64>,
    value: f64,
    timestamp_ms: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct EntryMetadata {
    metric_type: u64,
    help_ref: u64,
    unit_ref: u64,
}

impl Entry {
    fn clear(&mut self) {
        self.refs.clear();
        self.samples.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.metadata = None;
    }

    fn read(&mut self, mut reader: Reader<'_>) -> Result<()> {
        while !reader.is_at_end() {
            let tag = reader.tag()?;
            if matches!(tag.field, 2..=5) {
                reader.expect(tag, WireType::Bytes)?;
            }
            match tag.field {
                1 => reader.repeated(tag, WireType::Varint, &mut self.refs, Reader::varint)?,
                2 => self.samples.push(read_sample(reader.message("Sample")?)?),
                3 => self
                    .histograms
                    .push(histogram::decode(reader.message("Histogram")?)?),
                4 => self
                    .exemplars
                    .push(read_exemplar(reader.message("Exemplar")?)?),
                5 => self.metadata = Some(read_metadata(reader.message("Metadata")?)?),
                _ => reader.skip(tag.wire)?,
            }
        }
        Ok(())
    }

    fn sample_count(&self) -> usize {
        self.samples.len() + self.histograms.len()
    }
}

fn read_sample(mut reader: Reader<'_>) -> Result<(Sample, i64)> {
    let (mut sample, mut start_timestamp_ms) = (Sample::new(0, 0.0), 0);
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        match tag.field {
            1 => {
                reader.expect(tag, WireType::Fixed64)?;
                sample.value = reader.double()?;
            }
            2 | 3 => {
                reader.expect(tag, WireType::Varint)?;
                let time = reader.varint()? as i64;
                if tag.field == 2 {
                    sample.timestamp_ms = time
                } else {
                    start_timestamp_ms = time
                }
            }
            _ => reader.skip(tag.wire)?,
        }
    }
    Ok((sample, start_timestamp_ms))
}

fn read_exemplar(mut reader: Reader<'_>) -> Result<EntryExemplar> {
    let mut exemplar = EntryExemplar::default();
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        match tag.field {
            1 => reader.repeated(tag, WireType::Varint, &mut exemplar.refs, Reader::varint)?,
            2 => {
                reader.expect(tag, WireType::Fixed64)?;
                exemplar.value = reader.double()?;
            }
            3 => {
                reader.expect(tag, WireType::Varint)?;
                exemplar.timestamp_ms = reader.varint()? as i64;
            }
            _ => reader.skip(tag.wire)?,
        }
    }
    Ok(exemplar)
}

fn read_metadata(mut reader: Reader<'_>) -> Result<EntryMetadata> {
    let mut read = EntryMetadata::default();
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        if matches!(tag.field, 1 | 3 | 4) {
            reader.expect(tag, WireType::Varint)?;
        }
        match tag.field {
            1 => read.metric_type = reader.varint()?,
            3 => read.help_ref = reader.varint()?,
            4 => read.unit_ref = reader.varint()?,
            _ => reader.skip(tag.wire)?,
        }
    }
    Ok(read)
}

/// Moves an entry into the batch, or refuses it.
fn accept(entry: &mut Entry, symbols: &[&[u8]], key: &mut Vec<u8>, decoded: &mut Decoded<'static>) {
    key.clear();
    if let Err(detail) = resolve_labels(&entry.refs, symbols, key) {
        decoded.refuse(
            format!("(labels_refs {:?})", first(&entry.refs)),
            RejectReason::BadReference,
            detail,
            entry.sample_count(),
        );
        return;
    }
    let metadata = match entry
        .metadata
        .map(|read| resolve_metadata(read, symbols))
        .transpose()
    {
        Ok(metadata) => metadata,
        Err(detail) => {
            let series = series_of(key);
            decoded.refuse(
                series,
                RejectReason::BadReference,
                detail,
                entry.sample_count(),
            );
            return;
        }
    };
    if entry.sample_count() == 0 {
        let detail = "the series brings neither a sample nor a histogram".to_owned();
        decoded.refuse(series_of(key), RejectReason::NoSamples, detail, 0);
        return;
    }
    decoded.batch.start_series_copied(key, &ResolvedLabels);
    for (sample, start_timestamp_ms) in entry.samples.drain(..) {
        decoded
            .batch
            .push_sample_started(sample, valid_start(start_timestamp_ms, sample.timestamp_ms));
    }
    for read in entry.histograms.drain(..) {
        accept_histogram(read, decoded);
    }
    for exemplar in entry.exemplars.drain(..) {
        // An exemplar that cannot be kept never fails its request; what was kept is counted by storage.
        if let Some(labels) = exemplar_labels(&exemplar.refs, symbols) {
            let EntryExemplar {
                value,
                timestamp_ms,
                ..
            } = exemplar;
            decoded.batch.push_exemplar(Exemplar {
                labels,
                timestamp_ms,
                value,
            });
        }
    }
    if let Some(metadata) = metadata
        && let Ok(labels) = ResolvedLabels.decode(key)
        && let Some(name) = labels.metric_name()
    {
        decoded.batch.push_metadata(name, metadata);
    }
}

fn accept_histogram(read: WireHistogram, decoded: &mut Decoded<'static>) {
    match read.histogram {
        Ok(histogram) => {
            let start_timestamp_ms = valid_start(read.start_timestamp_ms, read.timestamp_ms);
            decoded
                .batch
                .push_histogram(read.timestamp_ms, start_timestamp_ms, histogram);
        }
        Err(detail) => {
            let series = decoded.last_series();
            decoded.refuse(series, RejectReason::InvalidHistogram, detail, 1);
        }
    }
}

/// A start after the sample it starts means nothing, and is no reason to lose the sample.
fn valid_start(start_timestamp_ms: i64, timestamp_ms: i64) -> i64 {
    if start_timestamp_ms <= timestamp_ms {
        start_timestamp_ms
    } else {
        0
    }
}

/// Writes the key of the labels behind `refs`.
fn resolve_labels(
    refs: &[u64],
    symbols: &[&[u8]],
    key: &mut Vec<u8>,
) -> std::result::Result<(), String> {
    if !refs.len().is_multiple_of(2) {
        return Err(format!(
            "labels_refs has {} elements, but names and values come in pairs",
            refs.len()
        ));
    }
    for reference in refs {
        let text = symbol(*reference, symbols).ok_or_else(|| {
            format!(
                "reference {reference} is outside the table of {} symbols",
                symbols.len()
            )
        })?;
        CanonicalKey::encode_text(text, key);
    }
    Ok(())
}

fn resolve_metadata(
    read: EntryMetadata,
    symbols: &[&[u8]],
) -> std::result::Result<Metadata, String> {
    let text = |reference: u64, field: &str| {
        // Reference 0 is the empty text, even where a sender left the table empty.
        let bytes = if reference == 0 {
            symbols.first().copied().or(Some(&[]))
        } else {
            symbol(reference, symbols)
        };
        bytes
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .ok_or_else(|| {
                format!(
                    "{field} {reference} is outside the table of {} symbols",
                    symbols.len()
                )
            })
    };
    Ok(Metadata {
        metric_type: metadata::metric_type(read.metric_type),
        help: text(read.help_ref, "help_ref")?,
        unit: text(read.unit_ref, "unit_ref")?,
    })
}

fn exemplar_labels(refs: &[u64], symbols: &[&[u8]]) -> Option<Labels> {
    let mut key = Vec::new();
    resolve_labels(refs, symbols, &mut key).ok()?;
    CanonicalKey.decode(&key).ok()
}

fn symbol<'a>(reference: u64, symbols: &[&'a [u8]]) -> Option<&'a [u8]> {
    symbols.get(usize::try_from(reference).ok()?).copied()
}

fn series_of(key: &[u8]) -> String {
    match CanonicalKey.decode(key) {
        Ok(labels) => labels.to_string(),
        Err(error) => format!("(unreadable labels: {error})"),
    }
}

/// Enough references to recognise an entry by.
fn first(refs: &[u64]) -> &[u64] {
    &refs[..refs.len().min(8)]
}

#[cfg(test)]
mod tests;
