//! Coders of residuals: the blocks of [`super::block`], and two that take longer and are often smaller.

use std::cell::RefCell;
use std::fmt;

use super::block::BLOCK;
use super::{block, pco_page};

use crate::{Reader, Result, varint};

/// Which coder a stream has, as its head names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coder {
    /// Patched bit packing, 128 at a time.
    Blocks,
    /// Zigzag varints in a zstd frame.
    Zstd,
    /// A pco page of integers of 16, 32 or 64 bits.
    Pco(pco_page::Width),
}

impl Coder {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Blocks => 0,
            Self::Zstd => 1,
            Self::Pco(pco_page::Width::Bits16) => 2,
            Self::Pco(pco_page::Width::Bits32) => 3,
            Self::Pco(pco_page::Width::Bits64) => 4,
        }
    }

    pub(super) const fn of_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Blocks),
            1 => Some(Self::Zstd),
            2 => Some(Self::Pco(pco_page::Width::Bits16)),
            3 => Some(Self::Pco(pco_page::Width::Bits32)),
            4 => Some(Self::Pco(pco_page::Width::Bits64)),
            _ => None,
        }
    }
}

/// Fewer residuals than this are left in blocks: the other coders store tables that so few do not pay for.
const RESIDUALS_MIN: usize = 100;

/// What takes no more bytes than this in blocks stays there.
const BLOCK_BYTES_MIN: usize = 24;

/// Another coder must be smaller than blocks by this part of itself, since blocks are read three times as fast.
const BIAS: usize = 14;

/// Speed against size: level 1 was the smallest per nanosecond on residuals of scrapes.
const ZSTD_LEVEL: i32 = 1;

/// What every zstd frame begins with; left out of chunks.
const ZSTD_MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();

/// The most bytes a varint of 64 bits takes.
const VARINT_BYTES_MAX: usize = 10;

/// Looks for a coder that is smaller than blocks, in memory that it keeps.
#[derive(Default)]
pub(super) struct Packer {
    zstd: Option<Zstd>,
    varints: Vec<u8>,
    frame: Vec<u8>,
    page: Vec<u8>,
    back: Vec<i64>,
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl Clone for Packer {
    /// Memory is not worth copying.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Packer {
    /// `residuals` in a coder that takes clearly less than the `block_bytes` of blocks, if there is one.
    pub(super) fn pack(&mut self, residuals: &[i64], block_bytes: usize) -> Option<(Coder, &[u8])> {
        if residuals.len() < RESIDUALS_MIN || block_bytes <= BLOCK_BYTES_MIN {
            return None;
        }
        let zstd = self.zstd(residuals);
        let pco = self.pco(residuals);
        let zstd_bytes = if zstd { self.frame.len() } else { usize::MAX };
        let pco_bytes = pco.map_or(usize::MAX, |_| self.page.len());
        let bytes = zstd_bytes.min(pco_bytes);
        if bytes.saturating_add(bytes / BIAS) >= block_bytes {
            return None;
        }
        match pco {
            Some(width) if pco_bytes <= zstd_bytes => Some((Coder::Pco(width), &self.page)),
            _ => Some((Coder::Zstd, self.frame.get(ZSTD_MAGIC.len()..)?)),
        }
    }

    /// Fills `frame`; whether that went well.
    fn zstd(&mut self, residuals: &[i64]) -> bool {
        self.varints.clear();
        for residual in residuals {
            varint::put_i64(&mut self.varints, *residual);
        }
        self.frame.clear();
        self.frame
            .reserve(zstd::zstd_safe::compress_bound(self.varints.len()));
        let Some(zstd) = compressor(&mut self.zstd) else {
            return false;
        };
        zstd.compress_to_buffer(&self.varints, &mut self.frame)
            .is_ok()
            && self.frame.starts_with(&ZSTD_MAGIC)
    }

    /// Fills `page`, if what is in it comes back.
    fn pco(&mut self, residuals: &[i64]) -> Option<pco_page::Width> {
        self.page.clear();
        let width = pco_page::encode(residuals, &mut self.page)?;
        self.back.clear();
        let decoded = pco_page::decode(&self.page, width, residuals.len(), &mut self.back);
        (decoded.is_ok() && self.back == residuals).then_some(width)
    }
}

type Zstd = zstd::bulk::Compressor<'static>;

fn compressor(place: &mut Option<Zstd>) -> Option<&mut Zstd> {
    if place.is_none() {
        let mut zstd = zstd::bulk::Compressor::new(ZSTD_LEVEL).ok()?;
        // The reader knows how many residuals to expect, and the page they lie in has a checksum.
        zstd.include_contentsize(false).ok()?;
        zstd.include_checksum(false).ok()?;
        *place = Some(zstd);
    }
    place.as_mut()
}

/// Reads `count` residuals in a coder and hands them to `f` in order, at most 128 at a time.
pub(super) fn decode(
    coder: Coder,
    reader: &mut Reader<'_>,
    count: usize,
    mut f: impl FnMut(&mut [i64]),
) -> Result<()> {
    if coder == Coder::Blocks {
        let mut residuals = [0; BLOCK];
        let mut left = count;
        while left > 0 {
            let taken = left.min(BLOCK);
            block::read(reader, taken, &mut residuals)?;
            f(residuals.get_mut(..taken).unwrap_or_default());
            left -= taken;
        }
        return Ok(());
    }
    let len = reader.varint_len(reader.remaining())?;
    let bytes = reader.bytes(len)?;
    let mut unpacker = UNPACKER.take();
    let read = match coder {
        Coder::Pco(width) => {
            unpacker.residuals.clear();
            pco_page::decode(bytes, width, count, &mut unpacker.residuals)
        }
        Coder::Zstd | Coder::Blocks => unpacker.zstd(bytes, count),
    };
    if read.is_ok() {
        for residuals in unpacker.residuals.chunks_mut(BLOCK) {
            f(residuals);
        }
    }
    UNPACKER.set(unpacker);
    read.map_err(|reason| reader.corrupt(reason))
}

thread_local! {
    /// Memory that decoding needs again and again: the state of zstd alone has some 100 KiB.
    static UNPACKER: RefCell<Unpacker> = RefCell::default();
}

#[derive(Default)]
struct Unpacker {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    frame: Vec<u8>,
    varints: Vec<u8>,
    residuals: Vec<i64>,
}

impl Unpacker {
    /// Fills `residuals` with the `count` ones of a frame.
    fn zstd(&mut self, bytes: &[u8], count: usize) -> std::result::Result<(), &'static str> {
        self.frame.clear();
        self.frame.extend_from_slice(&ZSTD_MAGIC);
        self.frame.extend_from_slice(bytes);
        self.varints.clear();
        // No frame yields more than there is room for.
        self.varints.reserve_exact(count * VARINT_BYTES_MAX);
        let zstd = match &mut self.zstd {
            Some(zstd) => zstd,
            place => {
                place.insert(zstd::bulk::Decompressor::new().map_err(|_| "zstd cannot be used")?)
            }
        };
        zstd.decompress_to_buffer(&self.frame, &mut self.varints)
            .map_err(|_| "a zstd frame is damaged")?;
        self.residuals.clear();
        let mut reader = Reader::new("residuals", &self.varints);
        for _ in 0..count {
            let residual = reader
                .varint_i64()
                .map_err(|_| "a zstd frame holds too few residuals")?;
            self.residuals.push(residual);
        }
        reader
            .finish()
            .map_err(|_| "a zstd frame holds too many residuals")
    }
}
