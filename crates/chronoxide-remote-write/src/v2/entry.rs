//! One entry of a request, as it stands on the wire.

use chronoxide_model::Sample;
use chronoxide_protobuf::{Reader, WireType};

use crate::histogram::WireHistogram;
use crate::memory::Memory;
use crate::{Result, exemplar, histogram};

/// One entry; reused from entry to entry.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) refs: Vec<u32>,
    /// Samples, each with its start time.
    pub(super) samples: Vec<(Sample, i64)>,
    pub(super) histograms: Vec<WireHistogram>,
    pub(super) exemplars: Vec<EntryExemplar>,
    pub(super) metadata: Option<EntryMetadata>,
}

#[derive(Debug)]
pub(super) struct EntryExemplar {
    /// References of its labels.
    pub(super) refs: Vec<u32>,
    /// Its time and value.
    pub(super) sample: Sample,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct EntryMetadata {
    pub(super) metric_type: u64,
    pub(super) help_ref: u32,
    pub(super) unit_ref: u32,
}

impl Entry {
    pub(super) fn clear(&mut self) {
        self.refs.clear();
        self.samples.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.metadata = None;
    }

    pub(super) fn read(&mut self, mut reader: Reader<'_>, memory: &mut Memory<'_>) -> Result<()> {
        while !reader.is_at_end() {
            let tag = reader.tag()?;
            if matches!(tag.field, 2..=5) {
                reader.expect(tag, WireType::Bytes)?;
            }
            match tag.field {
                1 => reader.repeated(tag, WireType::Varint, &mut self.refs, reference)?,
                2 => {
                    memory.take(size_of::<(Sample, i64)>())?;
                    self.samples.push(read_sample(reader.message("Sample")?)?);
                }
                3 => {
                    let message = reader.message("Histogram")?;
                    self.histograms.push(histogram::decode(message, memory)?);
                }
                4 => {
                    let mut refs = Vec::new();
                    let sample = exemplar::read(reader.message("Exemplar")?, |reader, tag| {
                        reader.repeated(tag, WireType::Varint, &mut refs, reference)
                    })?;
                    memory.take(size_of::<EntryExemplar>() + 4 * refs.capacity())?;
                    self.exemplars.push(EntryExemplar { refs, sample });
                }
                5 => self.read_metadata(reader.message("Metadata")?)?,
                _ => reader.skip(tag.wire)?,
            }
        }
        Ok(())
    }

    pub(super) fn sample_count(&self) -> usize {
        self.samples.len() + self.histograms.len()
    }

    /// Reads metadata; what comes in several pieces is one.
    fn read_metadata(&mut self, mut reader: Reader<'_>) -> Result<()> {
        let read = self.metadata.get_or_insert_default();
        while !reader.is_at_end() {
            let tag = reader.tag()?;
            if matches!(tag.field, 1 | 3 | 4) {
                reader.expect(tag, WireType::Varint)?;
            }
            match tag.field {
                1 => read.metric_type = reader.varint()?,
                3 => read.help_ref = reference(&mut reader)?,
                4 => read.unit_ref = reference(&mut reader)?,
                _ => reader.skip(tag.wire)?,
            }
        }
        Ok(())
    }
}

/// A place in the symbol table; of larger numbers the low 32 bits count.
#[inline]
fn reference(reader: &mut Reader<'_>) -> chronoxide_protobuf::Result<u32> {
    Ok(reader.varint()? as u32)
}

#[inline]
fn read_sample(mut reader: Reader<'_>) -> chronoxide_protobuf::Result<(Sample, i64)> {
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
