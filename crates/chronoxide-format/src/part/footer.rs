//! The last bytes of a part file: what is in it, and where.

use super::VERSION;
use crate::{Error, Reader, Result, section, varint};

/// Bytes after the footer section: its length, the version, two zero bytes, magic bytes.
pub const TRAILER_BYTES: usize = 16;

const MAGIC: [u8; 8] = *b"cxo.pend";

const WHAT: &str = "part footer";

/// The longest footer read; a tenant key is its only part of unknown length.
const FOOTER_BYTES_MAX: usize = 64 << 10;

/// The longest tenant key.
const TENANT_BYTES_MAX: usize = 1 << 10;

/// The sections of a part file, in the order in which they stand; the discriminant is the kind of their frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SectionKind {
    /// Checksums of the data pages.
    Pages = 1,
    /// Where each timestamp column lies.
    Columns = 2,
    /// Which chunks each series has, and where they lie.
    Chunks = 3,
    /// The strings of all label pairs.
    Symbols = 4,
    /// The pair ids of each series.
    Series = 5,
    /// The ranks of the series that have each pair.
    Postings = 6,
    /// The footer itself.
    Footer = 7,
}

impl SectionKind {
    /// The sections that the footer lists.
    pub const LISTED: [Self; 6] = [
        Self::Pages,
        Self::Columns,
        Self::Chunks,
        Self::Symbols,
        Self::Series,
        Self::Postings,
    ];

    /// The kind byte of the frame.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// As errors name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pages => "pages section",
            Self::Columns => "columns section",
            Self::Chunks => "chunks section",
            Self::Symbols => "symbols section",
            Self::Series => "series section",
            Self::Postings => "postings section",
            Self::Footer => WHAT,
        }
    }
}

/// Where a section lies, its frame included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// First byte, counted from the start of the file.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
    /// The checksum that the frame carries, so that footer and section belong together.
    pub crc32: u32,
}

/// What a part file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// How many merges lie behind the part: 0 for a flush of the head.
    pub level: u8,
    /// Lowest WAL sequence of the samples.
    pub wal_seq_min: u64,
    /// Highest WAL sequence of the samples; decides which part wins when two have a sample of one time.
    pub wal_seq_max: u64,
    /// Earliest sample, Unix milliseconds.
    pub min_ms: i64,
    /// Latest sample, Unix milliseconds.
    pub max_ms: i64,
    /// Whose data this is; empty while there are no tenants.
    pub tenant: Vec<u8>,
    /// Series.
    pub series: u32,
    /// Label pairs.
    pub pairs: u32,
    /// Timestamp columns.
    pub columns: u32,
    /// Chunks of either kind.
    pub chunks: u64,
    /// Samples of either kind.
    pub samples: u64,
    /// Native histogram samples among them.
    pub histograms: u64,
    /// Bytes of the data region, which starts after the header.
    pub data_len: u64,
    /// The listed sections, in the order of [`SectionKind::LISTED`].
    pub sections: [Extent; 6],
}

impl Footer {
    /// Where section `kind` lies.
    #[must_use]
    pub fn extent(&self, kind: SectionKind) -> Extent {
        SectionKind::LISTED
            .iter()
            .position(|listed| *listed == kind)
            .and_then(|at| self.sections.get(at))
            .copied()
            .unwrap_or_default()
    }

    /// Appends the footer as a section, and the trailer; returns the checksum of the section.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when the tenant key is longer than 1 KiB.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<u32> {
        if self.tenant.len() > TENANT_BYTES_MAX {
            return Err(Error::TooLarge {
                what: "tenant key",
                value: self.tenant.len() as u64,
                limit: TENANT_BYTES_MAX as u64,
            });
        }
        let mut payload = VERSION.to_le_bytes().to_vec();
        payload.push(self.level);
        for value in [
            self.wal_seq_min,
            self.wal_seq_max,
            varint::zigzag(self.min_ms),
            varint::zigzag(self.max_ms),
        ] {
            varint::put_u64(&mut payload, value);
        }
        varint::put_usize(&mut payload, self.tenant.len());
        payload.extend_from_slice(&self.tenant);
        for count in [self.series, self.pairs, self.columns] {
            varint::put_u32(&mut payload, count);
        }
        for count in [self.chunks, self.samples, self.histograms, self.data_len] {
            varint::put_u64(&mut payload, count);
        }
        for extent in &self.sections {
            varint::put_u64(&mut payload, extent.offset);
            varint::put_u64(&mut payload, extent.len);
            payload.extend_from_slice(&extent.crc32.to_le_bytes());
        }
        let before = out.len();
        let crc32 = section::append(WHAT, SectionKind::Footer.byte(), &payload, out)?;
        let framed = u32::try_from(out.len() - before).expect("the tenant key is bounded");
        out.extend_from_slice(&trailer(framed));
        Ok(crc32)
    }

    /// Reads the footer at the end of the file `bytes`; returns it with its checksum.
    ///
    /// Sections are checked to fill the file between the data region and the footer, in order and without gaps; their
    /// checksums are not looked at.
    ///
    /// # Errors
    ///
    /// When the footer is torn, damaged, or of a newer version.
    pub fn decode(bytes: &[u8]) -> Result<(Self, u32)> {
        let (framed, version) = footer_bytes(bytes)?;
        let (payload, crc32) = section::payload(WHAT, SectionKind::Footer.byte(), framed)?;
        let footer = Self::decode_payload(payload, version)?;
        footer.check_tiling((bytes.len() - framed.len() - TRAILER_BYTES) as u64)?;
        Ok((footer, crc32))
    }

    fn decode_payload(payload: &[u8], version: u16) -> Result<Self> {
        let mut reader = Reader::new(WHAT, payload);
        // The trailer has no checksum.
        if reader.u16()? != version {
            return Err(reader.corrupt("the trailer has another version"));
        }
        let level = reader.u8()?;
        let (wal_seq_min, wal_seq_max) = (reader.varint_u64()?, reader.varint_u64()?);
        let (min_ms, max_ms) = (reader.varint_i64()?, reader.varint_i64()?);
        let tenant_len = reader.varint_len(TENANT_BYTES_MAX)?;
        let tenant = reader.bytes(tenant_len)?.to_vec();
        let (series, pairs, columns) = (
            reader.varint_u32()?,
            reader.varint_u32()?,
            reader.varint_u32()?,
        );
        let (chunks, samples) = (reader.varint_u64()?, reader.varint_u64()?);
        let (histograms, data_len) = (reader.varint_u64()?, reader.varint_u64()?);
        let mut sections = [Extent::default(); 6];
        for extent in &mut sections {
            *extent = Extent {
                offset: reader.varint_u64()?,
                len: reader.varint_u64()?,
                crc32: reader.u32()?,
            };
        }
        if wal_seq_min > wal_seq_max || min_ms > max_ms {
            return Err(reader.corrupt("a range is reversed"));
        }
        reader.finish()?;
        Ok(Self {
            level,
            wal_seq_min,
            wal_seq_max,
            min_ms,
            max_ms,
            tenant,
            series,
            pairs,
            columns,
            chunks,
            samples,
            histograms,
            data_len,
            sections,
        })
    }

    /// Header, data, sections and footer must follow one another without gaps.
    fn check_tiling(&self, footer_at: u64) -> Result<()> {
        let mut end = (super::HEADER_BYTES as u64).checked_add(self.data_len);
        for extent in &self.sections {
            if end != Some(extent.offset) {
                end = None;
                break;
            }
            end = extent.offset.checked_add(extent.len);
        }
        if end == Some(footer_at) {
            Ok(())
        } else {
            Err(Error::Corrupt {
                what: WHAT,
                offset: 0,
                reason: "sections do not fill the file",
            })
        }
    }
}

/// The bytes of the footer section, found through the trailer, and the version that the trailer has.
fn footer_bytes(bytes: &[u8]) -> Result<(&[u8], u16)> {
    let truncated = Error::Truncated {
        what: WHAT,
        offset: bytes.len(),
    };
    let Some((before, last)) = bytes.split_last_chunk::<TRAILER_BYTES>() else {
        return Err(truncated);
    };
    let mut reader = Reader::new("part trailer", last);
    let (framed, version, zero) = (reader.u32()?, reader.u16()?, reader.u16()?);
    if reader.array::<8>()? != MAGIC {
        // A part is renamed into place only once it is whole, so this is a file that was cut.
        return Err(truncated);
    }
    check_version(version)?;
    if zero != 0 {
        return Err(reader.corrupt("reserved bytes are not zero"));
    }
    let framed = usize::try_from(framed).unwrap_or(usize::MAX);
    if framed > FOOTER_BYTES_MAX {
        return Err(Error::TooLarge {
            what: WHAT,
            value: framed as u64,
            limit: FOOTER_BYTES_MAX as u64,
        });
    }
    before
        .len()
        .checked_sub(framed)
        .and_then(|at| before.get(at..))
        .map(|bytes| (bytes, version))
        .ok_or(truncated)
}

fn check_version(version: u16) -> Result<()> {
    if version == 0 || version > VERSION {
        return Err(Error::UnsupportedVersion {
            what: WHAT,
            found: u32::from(version),
            supported: u32::from(VERSION),
        });
    }
    Ok(())
}

/// The trailer after a footer section of `framed` bytes.
#[must_use]
pub fn trailer(framed: u32) -> [u8; TRAILER_BYTES] {
    let mut bytes = [0; TRAILER_BYTES];
    let fields = framed
        .to_le_bytes()
        .into_iter()
        .chain(VERSION.to_le_bytes())
        .chain([0, 0])
        .chain(MAGIC);
    for (to, from) in bytes.iter_mut().zip(fields) {
        *to = from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::{HEADER_BYTES, header};

    fn file() -> (Footer, Vec<u8>) {
        let mut bytes = header().to_vec();
        bytes.extend_from_slice(b"data");
        let mut sections = [Extent::default(); 6];
        for (extent, kind) in sections.iter_mut().zip(SectionKind::LISTED) {
            let offset = bytes.len() as u64;
            let crc32 = section::append(kind.name(), kind.byte(), b"x", &mut bytes).unwrap();
            *extent = Extent {
                offset,
                len: bytes.len() as u64 - offset,
                crc32,
            };
        }
        let footer = Footer {
            level: 3,
            wal_seq_min: 1,
            wal_seq_max: u64::MAX,
            min_ms: i64::MIN,
            max_ms: i64::MAX,
            tenant: b"t".to_vec(),
            series: 1,
            pairs: 2,
            columns: 3,
            chunks: 4,
            samples: 5,
            histograms: 6,
            data_len: 4,
            sections,
        };
        footer.encode(&mut bytes).unwrap();
        (footer, bytes)
    }

    #[test]
    fn a_footer_comes_back() {
        let (footer, bytes) = file();
        assert_eq!(Footer::decode(&bytes).unwrap().0, footer);
        assert_eq!(
            footer.extent(SectionKind::Pages).offset,
            HEADER_BYTES as u64 + 4
        );
    }

    #[test]
    fn every_cut_is_an_error() {
        let (_, bytes) = file();
        for end in 0..bytes.len() {
            assert!(Footer::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn every_flipped_bit_of_footer_and_trailer_is_an_error() {
        let (footer, mut bytes) = file();
        let last = footer.sections[5];
        let start = usize::try_from(last.offset + last.len).unwrap();
        for bit in start * 8..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Footer::decode(&bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn sections_that_leave_a_gap_are_refused() {
        let (mut footer, bytes) = file();
        footer.data_len = 3;
        let last = footer.sections[5];
        let mut changed = bytes[..usize::try_from(last.offset + last.len).unwrap()].to_vec();
        footer.encode(&mut changed).unwrap();
        assert!(matches!(
            Footer::decode(&changed),
            Err(Error::Corrupt { .. })
        ));
    }
}
