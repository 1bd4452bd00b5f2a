//! Residuals as one pco page, with the metadata of its chunk before it.
//!
//! What pco could do beyond entropy coding is done before: no differences and no modes of its own, so that these bytes
//! say bins and their members only. The header that pco files begin with is left out; [`FORMAT`] stands for it.

use pco::data_types::Number;
use pco::metadata::{DeltaEncoding, Mode};
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DeltaSpec, ModeSpec, PagingSpec};

/// Version of pco's format, major and minor: what a pco file would begin with.
const FORMAT: [u8; 2] = [4, 1];

/// How hard pco looks for bins.
const LEVEL: usize = 8;

/// The type that the residuals of a page fit; a narrow one makes bins cheaper to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Bits16,
    Bits32,
    Bits64,
}

impl Width {
    fn of(residuals: &[i64]) -> Self {
        let fold = |(low, high): (i64, i64), value: &i64| (low.min(*value), high.max(*value));
        let (low, high) = residuals.iter().fold((0, 0), fold);
        let fits = |least: i64, most: i64| low >= least && high <= most;
        if fits(i16::MIN.into(), i16::MAX.into()) {
            Self::Bits16
        } else if fits(i32::MIN.into(), i32::MAX.into()) {
            Self::Bits32
        } else {
            Self::Bits64
        }
    }
}

/// Appends a page of `residuals`; `None` when pco refuses.
pub(super) fn encode(residuals: &[i64], out: &mut Vec<u8>) -> Option<Width> {
    let width = Width::of(residuals);
    match width {
        Width::Bits16 => encode_as::<i16>(residuals, out),
        Width::Bits32 => encode_as::<i32>(residuals, out),
        Width::Bits64 => write(residuals, out),
    }
    .map(|()| width)
}

fn encode_as<T: Number + TryFrom<i64>>(residuals: &[i64], out: &mut Vec<u8>) -> Option<()> {
    let narrow: Vec<T> = residuals
        .iter()
        .map(|residual| T::try_from(*residual).ok())
        .collect::<Option<_>>()?;
    write(&narrow, out)
}

fn write<T: Number>(residuals: &[T], out: &mut Vec<u8>) -> Option<()> {
    let config = ChunkConfig::default()
        .with_compression_level(LEVEL)
        .with_mode_spec(ModeSpec::Classic)
        .with_delta_spec(DeltaSpec::NoOp)
        .with_paging_spec(PagingSpec::Exact(vec![residuals.len()]));
    let mut chunk = FileCompressor::default()
        .chunk_compressor(residuals, &config)
        .ok()?;
    chunk.write_meta(&mut *out).ok()?;
    chunk.write_page(0, &mut *out).ok()?;
    Some(())
}

/// Appends the `count` residuals of a page, which must be all of `bytes`; on an error, some of them.
pub(super) fn decode(
    bytes: &[u8],
    width: Width,
    count: usize,
    out: &mut Vec<i64>,
) -> Result<(), &'static str> {
    match width {
        Width::Bits16 => decode_as::<i16>(bytes, count, out),
        Width::Bits32 => decode_as::<i32>(bytes, count, out),
        Width::Bits64 => read::<i64>(bytes, count, |page| out.extend_from_slice(page)),
    }
}

fn decode_as<T: Number + Into<i64> + Default>(
    bytes: &[u8],
    count: usize,
    out: &mut Vec<i64>,
) -> Result<(), &'static str> {
    read::<T>(bytes, count, |page| {
        out.extend(page.iter().map(|residual| (*residual).into()));
    })
}

/// Hands the residuals to `f`, some at a time.
fn read<T: Number + Default>(
    bytes: &[u8],
    count: usize,
    mut f: impl FnMut(&[T]),
) -> Result<(), &'static str> {
    const DAMAGED: &str = "a pco page is damaged";
    let (file, _) = FileDecompressor::new(FORMAT.as_slice()).map_err(|_| "pco cannot be used")?;
    let (mut chunk, rest) = file
        .chunk_decompressor::<T, _>(bytes)
        .map_err(|_| DAMAGED)?;
    let meta = chunk.meta();
    if meta.mode != Mode::Classic || meta.delta_encoding != DeltaEncoding::NoOp {
        return Err("a pco page has a mode that is not used");
    }
    let mut page = chunk.page_decompressor(rest, count).map_err(|_| DAMAGED)?;
    let mut batch = [T::default(); pco::FULL_BATCH_N];
    let mut left = count;
    while left > 0 {
        let taken = left.min(batch.len());
        let places = batch.get_mut(..taken).unwrap_or_default();
        page.read(places).map_err(|_| DAMAGED)?;
        f(places);
        left -= taken;
    }
    if page.into_src().is_empty() {
        Ok(())
    } else {
        Err("bytes follow a pco page")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_left_out_is_what_pco_writes() {
        let mut header = Vec::new();
        FileCompressor::default().write_header(&mut header).unwrap();
        assert_eq!(header, FORMAT);
    }

    #[test]
    fn pages_of_each_width_come_back() {
        for (scale, width) in [
            (1, Width::Bits16),
            (1 << 20, Width::Bits32),
            (1 << 50, Width::Bits64),
        ] {
            let residuals: Vec<i64> = (-300..300).map(|i: i64| i * i % 97 * scale).collect();
            let mut page = Vec::new();
            assert_eq!(encode(&residuals, &mut page), Some(width));
            let mut back = Vec::new();
            decode(&page, width, residuals.len(), &mut back).unwrap();
            assert_eq!(back, residuals);
        }
    }
}
