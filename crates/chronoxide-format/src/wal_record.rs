//! Payloads of the write-ahead log: batches of samples in columns, and deletions.
//!
//! A batch is a sequence of sections, each with a tag and a length: float samples, their start times, histogram
//! samples, metadata, exemplars, the application's own state. Series are named by their sid, a number that the registry log explains.

mod columns;
mod histogram;

use chronoxide_model::{Exemplar, Histogram, Metadata};

use crate::log::Payload;
use crate::tombstones::Tombstone;
use crate::{Error, Reader, Result, metadata, varint};

/// Type of a record that holds a batch.
pub const KIND_BATCH: u8 = 1;

/// Type of a record that holds a deletion.
pub const KIND_DELETION: u8 = 2;

const SECTION_FLOATS: u8 = 1;
const SECTION_START_TIMESTAMPS: u8 = 2;
const SECTION_HISTOGRAMS: u8 = 3;
const SECTION_METADATA: u8 = 4;
const SECTION_EXEMPLARS: u8 = 5;
const SECTION_STATE: u8 = 6;

/// The columns of a batch, borrowed for encoding. Columns of one kind of sample have one length.
#[derive(Clone, Copy, Debug, Default)]
pub struct BatchColumns<'a> {
    /// Series of each float sample.
    pub sids: &'a [u32],
    /// Unix milliseconds of each float sample.
    pub timestamps_ms: &'a [i64],
    /// Value of each float sample.
    pub values: &'a [f64],
    /// Start time of each float sample in Unix milliseconds, 0 when unknown; or empty when none is known.
    pub start_timestamps_ms: &'a [i64],
    /// Series of each histogram sample.
    pub histogram_sids: &'a [u32],
    /// Unix milliseconds of each histogram sample.
    pub histogram_timestamps_ms: &'a [i64],
    /// Start time of each histogram sample, 0 when unknown; or empty when none is known.
    pub histogram_start_timestamps_ms: &'a [i64],
    /// The histogram samples.
    pub histograms: &'a [Histogram],
    /// What is known of metrics, by name.
    pub metadata: &'a [(String, Metadata)],
    /// Exemplars with their series.
    pub exemplars: &'a [(u32, Exemplar)],
    /// Changes of the application's own state.
    pub state_changes: &'a [Vec<u8>],
}

/// A decoded batch: the columns of [`BatchColumns`], owned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Series of each float sample.
    pub sids: Vec<u32>,
    /// Unix milliseconds of each float sample.
    pub timestamps_ms: Vec<i64>,
    /// Value of each float sample.
    pub values: Vec<f64>,
    /// Start time of each float sample, 0 when unknown; empty when none is known.
    pub start_timestamps_ms: Vec<i64>,
    /// Series of each histogram sample.
    pub histogram_sids: Vec<u32>,
    /// Unix milliseconds of each histogram sample.
    pub histogram_timestamps_ms: Vec<i64>,
    /// Start time of each histogram sample, 0 when unknown; empty when none is known.
    pub histogram_start_timestamps_ms: Vec<i64>,
    /// The histogram samples.
    pub histograms: Vec<Histogram>,
    /// What is known of metrics, by name.
    pub metadata: Vec<(String, Metadata)>,
    /// Exemplars with their series.
    pub exemplars: Vec<(u32, Exemplar)>,
    /// Changes of the application's own state.
    pub state_changes: Vec<Vec<u8>>,
}

/// What a record of the write-ahead log says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "one is decoded at a time, and nearly all are batches"
)]
pub enum WalRecord {
    /// Samples and what came with them.
    Batch(Batch),
    /// A range of series is deleted.
    Deletion(Tombstone),
}

impl BatchColumns<'_> {
    /// Appends the payload to `out`.
    ///
    /// # Panics
    /// When the columns of one kind of sample differ in length.
    pub fn encode(&self, out: &mut Vec<u8>) {
        assert_columns(
            self.sids.len(),
            &[self.timestamps_ms.len(), self.values.len()],
            self.start_timestamps_ms.len(),
        );
        assert_columns(
            self.histogram_sids.len(),
            &[self.histogram_timestamps_ms.len(), self.histograms.len()],
            self.histogram_start_timestamps_ms.len(),
        );
        if !self.sids.is_empty() {
            put_section(SECTION_FLOATS, out, |out| {
                varint::put_usize(out, self.sids.len());
                columns::put_values(self.values, out);
                columns::put_sids(self.sids, out);
                columns::put_timestamps(self.timestamps_ms, out);
            });
        }
        if !self.start_timestamps_ms.is_empty() {
            put_section(SECTION_START_TIMESTAMPS, out, |out| {
                columns::put_timestamps(self.start_timestamps_ms, out);
            });
        }
        if !self.histogram_sids.is_empty() {
            put_section(SECTION_HISTOGRAMS, out, |out| self.put_histograms(out));
        }
        if !self.metadata.is_empty() {
            put_section(SECTION_METADATA, out, |out| {
                metadata::encode(self.metadata, out);
            });
        }
        if !self.exemplars.is_empty() {
            put_section(SECTION_EXEMPLARS, out, |out| {
                columns::put_exemplars(self.exemplars, out);
            });
        }
        if !self.state_changes.is_empty() {
            put_section(SECTION_STATE, out, |out| {
                columns::put_state_changes(self.state_changes, out);
            });
        }
    }

    fn put_histograms(&self, out: &mut Vec<u8>) {
        varint::put_usize(out, self.histogram_sids.len());
        columns::put_sids(self.histogram_sids, out);
        columns::put_timestamps(self.histogram_timestamps_ms, out);
        out.push(u8::from(!self.histogram_start_timestamps_ms.is_empty()));
        if !self.histogram_start_timestamps_ms.is_empty() {
            columns::put_timestamps(self.histogram_start_timestamps_ms, out);
        }
        for histogram in self.histograms {
            histogram::put(histogram, out);
        }
    }

    /// The batch as a payload ready to be framed; `scratch` is emptied and reused.
    ///
    /// # Errors
    /// When it is larger than a record may be.
    ///
    /// # Panics
    /// As [`BatchColumns::encode`].
    pub fn to_payload(&self, scratch: &mut Vec<u8>) -> Result<Payload> {
        scratch.clear();
        self.encode(scratch);
        Payload::new(KIND_BATCH, scratch)
    }
}

fn assert_columns(count: usize, columns: &[usize], optional: usize) {
    assert!(
        columns.iter().all(|&column| column == count) && (optional == 0 || optional == count),
        "the columns of a batch have one length"
    );
}

/// Appends tag, length and what `fill` writes.
fn put_section(tag: u8, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    fill(out);
    let length = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(at..at + 4) {
        field.copy_from_slice(&length.to_le_bytes());
    }
}

impl Batch {
    /// Reads the payload that [`BatchColumns::encode`] wrote.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut batch = Self::default();
        let mut reader = Reader::new("write-ahead log batch", bytes);
        let mut last_tag = 0;
        while !reader.is_empty() {
            let tag = reader.u8()?;
            if tag <= last_tag {
                return Err(reader.corrupt("a section stands twice or out of order"));
            }
            last_tag = tag;
            let length = reader.u32()? as usize;
            batch.read_section(tag, reader.bytes(length)?)?;
        }
        Ok(batch)
    }

    fn read_section(&mut self, tag: u8, bytes: &[u8]) -> Result<()> {
        let mut reader = Reader::new("write-ahead log section", bytes);
        match tag {
            SECTION_FLOATS => {
                let count = reader.varint_len(bytes.len() / 8)?;
                self.values = columns::read_values(count, &mut reader)?;
                self.sids = columns::read_sids(count, &mut reader)?;
                self.timestamps_ms = columns::read_timestamps(count, &mut reader)?;
            }
            SECTION_START_TIMESTAMPS => {
                self.start_timestamps_ms = columns::read_timestamps(self.sids.len(), &mut reader)?;
            }
            SECTION_HISTOGRAMS => self.read_histograms(&mut reader)?,
            SECTION_METADATA => {
                self.metadata = metadata::read(&mut reader)?;
            }
            SECTION_EXEMPLARS => self.exemplars = columns::read_exemplars(&mut reader)?,
            SECTION_STATE => self.state_changes = columns::read_state_changes(&mut reader)?,
            id => {
                return Err(Error::UnknownCodec {
                    what: "write-ahead log section",
                    id,
                });
            }
        }
        reader.finish()
    }

    fn read_histograms(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let count = reader.varint_len(reader.remaining() / histogram::BYTES_MIN)?;
        self.histogram_sids = columns::read_sids(count, reader)?;
        self.histogram_timestamps_ms = columns::read_timestamps(count, reader)?;
        match reader.u8()? {
            0 => {}
            1 => {
                self.histogram_start_timestamps_ms = columns::read_timestamps(count, reader)?;
            }
            _ => return Err(reader.corrupt("a flag is neither 0 nor 1")),
        }
        self.histograms.reserve_exact(count);
        for _ in 0..count {
            self.histograms.push(histogram::read(reader)?);
        }
        Ok(())
    }

    /// The columns, borrowed.
    #[must_use]
    pub fn as_columns(&self) -> BatchColumns<'_> {
        BatchColumns {
            sids: &self.sids,
            timestamps_ms: &self.timestamps_ms,
            values: &self.values,
            start_timestamps_ms: &self.start_timestamps_ms,
            histogram_sids: &self.histogram_sids,
            histogram_timestamps_ms: &self.histogram_timestamps_ms,
            histogram_start_timestamps_ms: &self.histogram_start_timestamps_ms,
            histograms: &self.histograms,
            metadata: &self.metadata,
            exemplars: &self.exemplars,
            state_changes: &self.state_changes,
        }
    }
}

impl WalRecord {
    /// Reads the plain payload of a record of type `kind`.
    ///
    /// # Errors
    /// When the type is unknown or the bytes are not what it says.
    pub fn decode(kind: u8, bytes: &[u8]) -> Result<Self> {
        match kind {
            KIND_BATCH => Batch::decode(bytes).map(Self::Batch),
            KIND_DELETION => Tombstone::decode(bytes).map(Self::Deletion),
            id => Err(Error::UnknownCodec {
                what: "write-ahead log record",
                id,
            }),
        }
    }
}

/// A deletion as a payload ready to be framed. Its own `seq` is ignored by readers: the record's number is what
/// counts.
///
/// # Errors
/// When it is larger than a record may be.
pub fn deletion_payload(tombstone: &Tombstone) -> Result<Payload> {
    let mut bytes = Vec::new();
    tombstone.encode(&mut bytes);
    Payload::new(KIND_DELETION, &bytes)
}

#[cfg(test)]
mod tests;
