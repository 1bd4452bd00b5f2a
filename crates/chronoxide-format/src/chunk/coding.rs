//! What a chunk is coded with, without decoding it.

use super::residuals::Coder;
use super::values::{self, Shape};
use super::{integers, summary};
use crate::part::ChunkKind;

/// The name of the coding of a chunk of this kind, such as "decimals in blocks"; "unknown" for what decoders refuse by
/// its first bytes.
#[must_use]
pub fn coding_of(kind: ChunkKind, bytes: &[u8]) -> &'static str {
    match (kind, bytes) {
        (ChunkKind::Histograms, [0, ..]) => "histograms in rows",
        (ChunkKind::Histograms, [1, ..]) => "histograms in columns",
        (ChunkKind::Floats, [head, rest @ ..]) => value_coding(*head, rest),
        _ => UNKNOWN,
    }
}

const UNKNOWN: &str = "unknown";

fn value_coding(head: u8, rest: &[u8]) -> &'static str {
    match (values::shape_of(head), integers::coder_of(rest)) {
        (Some(Shape::Constant), _) => "constants",
        (Some(Shape::Decimals), Some(None)) => "decimals on a line",
        (Some(Shape::Decimals), Some(Some(coder))) => match coder {
            Coder::Blocks => "decimals in blocks",
            Coder::Zstd => "decimals in zstd",
            Coder::Pco(_) => "decimals in pco",
        },
        (Some(Shape::Corrected), _) => "corrected decimals",
        (Some(Shape::Bits), Some(Some(coder))) => match coder {
            Coder::Blocks => "bits in blocks",
            Coder::Zstd => "bits in zstd",
            Coder::Pco(_) => "bits in pco",
        },
        (Some(Shape::Bits), Some(None)) => "bits on a line",
        (Some(Shape::WithExceptions), _) => "with exceptions",
        (Some(Shape::Summarized), _) => match summary::behind(rest) {
            [head, rest @ ..] if matches!(values::shape_of(*head), Some(Shape::Decimals)) => {
                value_coding(*head, rest)
            }
            _ => UNKNOWN,
        },
        (Some(Shape::Decimals | Shape::Bits), None) | (None, _) => UNKNOWN,
    }
}
