//! Remote write 2.0: `io.prometheus.write.v2.Request`, whose strings stand once in a table.

mod entry;

use std::borrow::Cow;
use std::collections::HashSet;

use chronoxide_model::{
    CanonicalKey, Exemplar, KeyEncoding, Labels, LabelsError, METRIC_NAME, Metadata, MetricType,
    RejectReason, WriteBatch, describe_pairs,
};
use chronoxide_protobuf::{Reader, WireType};

use crate::decoded::{EXEMPLAR_BYTES_MAX, KEY_BYTES_MAX};
use crate::memory::{EXEMPLAR_BYTES, KEY_BYTES_AHEAD_MAX, Memory, SERIES_AHEAD_MAX, SERIES_BYTES};
use crate::{Decoded, Result, metadata};
use entry::{Entry, EntryExemplar, EntryMetadata};

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

    fn describe(&self, key: &[u8]) -> String {
        CanonicalKey.describe(key)
    }
}

/// Reads a decompressed request.
///
/// Series with references outside the symbol table, or without any sample, are refused one by one.
///
/// # Errors
/// When `body` is no `Request`. Nothing of such a request is kept.
pub fn decode(body: &[u8]) -> Result<Decoded<'static>> {
    decode_within(body, |_| true)
}

/// As [`decode`], for bodies of strangers: `hold` is told, piece by piece, how many bytes of memory the request takes
/// beside its own, and answers whether it may have them.
///
/// # Errors
/// As [`decode`], and [`Error::NoMemory`](crate::Error::NoMemory) when it may not.
pub fn decode_within(body: &[u8], hold: impl FnMut(u64) -> bool) -> Result<Decoded<'static>> {
    decode_into(WriteBatch::new(), body, hold)
}

/// As [`decode_within`], into a batch that is empty so far.
///
/// # Errors
/// As [`decode_within`].
pub fn decode_into(
    batch: WriteBatch<'static>,
    body: &[u8],
    mut hold: impl FnMut(u64) -> bool,
) -> Result<Decoded<'static>> {
    let mut memory = Memory::new(&mut hold);
    let (symbols, series) = read_symbols(body, &mut memory)?;
    let mut walk = Walk {
        symbols,
        series,
        decoded: Decoded {
            batch,
            ..Decoded::default()
        },
        ..Walk::default()
    };
    walk.decoded.batch.reserve(series.min(SERIES_AHEAD_MAX));
    let mut entry = Entry::default();
    let mut reader = Reader::new(body, "Request");
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        if tag.field == 5 {
            reader.expect(tag, WireType::Bytes)?;
            entry.clear();
            entry.read(reader.message("TimeSeries")?, &mut memory)?;
            walk.accept(&mut entry, &mut memory)?;
        } else {
            reader.skip(tag.wire)?;
        }
    }
    Ok(walk.decoded)
}

/// A text of the table.
#[derive(Clone, Copy, Debug)]
struct Symbol<'a> {
    text: &'a [u8],
    /// Its length and the text as they stand on the wire, which is how keys have them; empty when the length takes more
    /// bytes than it needs, so that keys do not depend on that.
    in_key: &'a [u8],
    /// The beginning of `in_key`: most symbols are short, and so many bytes at once are copied faster than few.
    head: [u8; HEAD_BYTES],
}

const HEAD_BYTES: usize = 16;

impl<'a> Symbol<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        let start = reader.position();
        let text = reader.bytes()?;
        let whole = reader.since(start);
        let length_bytes = whole.len() - text.len();
        let is_shortest = length_bytes == 1 || text.len() >> (7 * (length_bytes - 1)) != 0;
        let in_key = if is_shortest { whole } else { &[] };
        let mut head = [0; HEAD_BYTES];
        for (to, from) in head.iter_mut().zip(in_key) {
            *to = *from;
        }
        Ok(Self { text, in_key, head })
    }

    #[inline]
    fn push_to_key(&self, key: &mut Vec<u8>) {
        match self.in_key.len() {
            0 => CanonicalKey::encode_text(self.text, key),
            1..=HEAD_BYTES => {
                let end = key.len() + self.in_key.len();
                key.extend_from_slice(&self.head);
                key.truncate(end);
            }
            _ => key.extend_from_slice(self.in_key),
        }
    }
}

/// The symbol table, which may stand behind the series that use it, and how many series there are.
fn read_symbols<'a>(body: &'a [u8], memory: &mut Memory<'_>) -> Result<(Vec<Symbol<'a>>, usize)> {
    let (mut symbols, mut series) = (Vec::new(), 0);
    let mut reader = Reader::new(body, "Request");
    while !reader.is_at_end() {
        let tag = reader.tag()?;
        if tag.field == 4 {
            reader.expect(tag, WireType::Bytes)?;
            memory.take(2 * size_of::<Symbol<'_>>())?;
            symbols.push(Symbol::read(&mut reader)?);
        } else {
            reader.skip(tag.wire)?;
            series += usize::from(tag.field == 5);
        }
    }
    Ok((symbols, series))
}

/// The way through a request.
#[derive(Default)]
struct Walk<'a> {
    symbols: Vec<Symbol<'a>>,
    /// How many series the request has.
    series: usize,
    decoded: Decoded<'static>,
    /// Metadata that the batch has already, by the references of name, type, help and unit: senders repeat it with
    /// every series.
    known_metadata: HashSet<(u32, EntryMetadata)>,
    /// Of these, the one met last: the series of a metric mostly follow one another.
    last_metadata: Option<(u32, EntryMetadata)>,
}

/// Why an entry is refused.
type Refusal = (RejectReason, String);

impl Walk<'_> {
    /// Moves an entry into the batch, or refuses it.
    fn accept(&mut self, entry: &mut Entry, memory: &mut Memory<'_>) -> Result<()> {
        let samples = entry.sample_count();
        self.decoded.exemplars += entry.exemplars.len() as u64;
        let metadata = entry.metadata.filter(|read| self.says_something(read));
        if let Err((reason, detail)) = self.check(entry).and_then(|()| self.start_series(entry)) {
            self.decoded.metadata_of_refused += u64::from(metadata.is_some());
            let series = || series_of(&entry.refs, &self.symbols);
            let refused = &mut self.decoded.refused;
            refused.reject_with(reason, samples as u64, || (series(), detail));
            return Ok(());
        }
        let key = self.decoded.batch.last_series().map(|series| series.key);
        memory.take(SERIES_BYTES + key.map_or(0, |key| key.bytes.len()))?;
        if let Some(read) = metadata {
            self.accept_metadata(read, entry, memory)?;
        }
        let decoded = &mut self.decoded;
        for (sample, start_ms) in entry.samples.drain(..) {
            let start_ms = decoded.start_of(start_ms, sample.timestamp_ms);
            decoded.batch.push_sample_started(sample, start_ms);
        }
        for read in entry.histograms.drain(..) {
            self.decoded.push_histogram(read);
        }
        for exemplar in &entry.exemplars {
            memory.take(EXEMPLAR_BYTES)?;
            self.accept_exemplar(exemplar);
        }
        Ok(())
    }

    /// Begins the series of an entry, if its labels can be resolved.
    fn start_series(&mut self, entry: &Entry) -> std::result::Result<(), Refusal> {
        let (symbols, batch) = (&self.symbols, &mut self.decoded.batch);
        let is_first = batch.series_count() == 0;
        batch.try_start_series_written(&ResolvedLabels, |key| {
            resolve(&entry.refs, symbols, KEY_BYTES_MAX, key)?;
            if is_first {
                // Series of one sender have labels of about the same length.
                let ahead = key.len().saturating_mul(self.series + self.series / 2);
                key.reserve(ahead.min(KEY_BYTES_AHEAD_MAX));
            }
            Ok(())
        })
    }

    /// Finds what is wrong with an entry beside its labels.
    fn check(&self, entry: &Entry) -> std::result::Result<(), Refusal> {
        if let Some(read) = entry.metadata {
            for (field, reference) in [("help_ref", read.help_ref), ("unit_ref", read.unit_ref)] {
                if metadata_text(reference, &self.symbols).is_none() {
                    let detail = format!(
                        "{field} {reference} is outside the table of {} symbols",
                        self.symbols.len()
                    );
                    return Err((RejectReason::BadReference, detail));
                }
            }
        }
        // The standard asks for a sample or a histogram, but Prometheus itself sends each exemplar in an entry of its own.
        if entry.sample_count() == 0 && entry.exemplars.is_empty() {
            let detail = "the series brings no sample, histogram or exemplar".to_owned();
            return Err((RejectReason::NoSamples, detail));
        }
        Ok(())
    }

    fn accept_exemplar(&mut self, exemplar: &EntryExemplar) {
        match exemplar_labels(&exemplar.refs, &self.symbols) {
            Ok(Some(labels)) => self.decoded.batch.push_exemplar(Exemplar {
                labels,
                timestamp_ms: exemplar.sample.timestamp_ms,
                value: exemplar.sample.value,
            }),
            // What is too long is left out without a word, as storage leaves out what it cannot keep.
            Ok(None) => {}
            Err((reason, detail)) => {
                let detail = format!("exemplar: {detail}");
                self.decoded.refuse_in_last(reason, 0, detail);
            }
        }
    }

    /// Whether metadata tells anything of its metric; what cannot be read is meant to.
    fn says_something(&self, read: &EntryMetadata) -> bool {
        let is_empty = |reference| metadata_text(reference, &self.symbols) == Some(&[]);
        metadata::metric_type(read.metric_type) != MetricType::Unknown
            || !is_empty(read.help_ref)
            || !is_empty(read.unit_ref)
    }

    fn accept_metadata(
        &mut self,
        read: EntryMetadata,
        entry: &Entry,
        memory: &mut Memory<'_>,
    ) -> Result<()> {
        let mut pairs = entry.refs.chunks_exact(2);
        let name_of = |reference| symbol(reference, &self.symbols);
        let named = pairs.find(|pair| name_of(pair[0]) == Some(METRIC_NAME.as_bytes()));
        let named = named.filter(|pair| name_of(pair[1]).is_some_and(|name| !name.is_empty()));
        // A series without a name is refused by storage.
        let Some(name_ref) = named.map(|pair| pair[1]) else {
            self.decoded.metadata_nameless += 1;
            return Ok(());
        };
        if self.last_metadata.replace((name_ref, read)) == Some((name_ref, read))
            || !self.known_metadata.insert((name_ref, read))
        {
            return Ok(());
        }
        let text = |reference| {
            let bytes = metadata_text(reference, &self.symbols).unwrap_or_default();
            metadata::text(bytes)
        };
        let name = metadata::text(name_of(name_ref).unwrap_or_default());
        let metric_type = metadata::metric_type(read.metric_type);
        let name = if entry.histograms.is_empty() {
            metadata::family(&name, metric_type)
        } else {
            &name
        };
        let metadata = Metadata {
            metric_type,
            help: text(read.help_ref),
            unit: text(read.unit_ref),
        };
        memory
            .take(2 * metadata::BYTES + name.len() + metadata.help.len() + metadata.unit.len())?;
        self.decoded.batch.push_metadata(name, metadata);
        Ok(())
    }
}

/// Appends the key of the labels behind `refs`, which may take `bytes_max`. After an error there may be a part of it.
fn resolve(
    refs: &[u32],
    symbols: &[Symbol<'_>],
    bytes_max: usize,
    key: &mut Vec<u8>,
) -> std::result::Result<(), Refusal> {
    if !refs.len().is_multiple_of(2) {
        let detail = format!(
            "labels_refs has {} elements, but names and values come in pairs",
            refs.len()
        );
        return Err((RejectReason::BadReference, detail));
    }
    let end_max = key.len().saturating_add(bytes_max);
    for reference in refs {
        let Some(symbol) = symbols.get(*reference as usize) else {
            let detail = format!(
                "reference {reference} is outside the table of {} symbols",
                symbols.len()
            );
            return Err((RejectReason::BadReference, detail));
        };
        if key.len() + symbol.text.len() >= end_max {
            let detail = format!("more than {bytes_max} bytes of labels are not even read");
            return Err((RejectReason::LabelsTooLong, detail));
        }
        symbol.push_to_key(key);
    }
    Ok(())
}

/// The labels of an exemplar, unless they are too long for any use.
fn exemplar_labels(
    refs: &[u32],
    symbols: &[Symbol<'_>],
) -> std::result::Result<Option<Labels>, Refusal> {
    let mut key = Vec::new();
    match resolve(refs, symbols, EXEMPLAR_BYTES_MAX, &mut key) {
        Ok(()) => match CanonicalKey.decode(&key) {
            Ok(labels) => Ok(Some(labels)),
            Err(error) => Err(((&error).into(), error.to_string())),
        },
        Err((RejectReason::LabelsTooLong, _)) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// A text of metadata: reference 0 is the empty text, also where a sender's table is empty or begins with another text.
fn metadata_text<'a>(reference: u32, symbols: &[Symbol<'a>]) -> Option<&'a [u8]> {
    if reference == 0 {
        return Some(&[]);
    }
    symbol(reference, symbols)
}

#[inline]
fn symbol<'a>(reference: u32, symbols: &[Symbol<'a>]) -> Option<&'a [u8]> {
    symbols.get(reference as usize).map(|symbol| symbol.text)
}

/// An entry as people recognise it: its labels as far as they can be read.
fn series_of(refs: &[u32], symbols: &[Symbol<'_>]) -> String {
    let text = |reference: &u32| match symbol(*reference, symbols) {
        Some(bytes) => Cow::Borrowed(bytes),
        None => Cow::Owned(format!("?{reference}").into_bytes()),
    };
    let pairs: Vec<_> = refs
        .chunks(2)
        .take(SHOWN_MAX)
        .map(|pair| (text(&pair[0]), pair.get(1).map_or_else(Cow::default, text)))
        .collect();
    describe_pairs(pairs.iter().map(|(name, value)| (&name[..], &value[..])))
}

/// Labels of an entry that are looked at for people.
const SHOWN_MAX: usize = 64;

#[cfg(test)]
mod tests;
