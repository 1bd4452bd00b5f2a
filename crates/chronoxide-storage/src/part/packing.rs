//! Which chunks are worth the time to make them as small as they get.

use chronoxide_format::chunk::ValueEncoder;

/// Which chunks of a new part are coded in the smallest way, which takes several times as long as the usual one.
///
/// A chunk that is nearly full will be copied as it is by later merges, so that the time is spent once for each sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Packing {
    /// None: speed counts.
    #[default]
    None,
    /// Those that are nearly full.
    Long,
    /// All but the shortest: the part will not be rewritten soon.
    All,
}

/// A chunk of this many samples is nearly full.
const LONG: usize = super::CHUNK_SAMPLES / 2;

/// Shorter chunks do not get smaller.
const SHORT: usize = 100;

/// Parts of this level come from a merge that has tried all chunks but the shortest.
pub(crate) const FINAL_LEVEL: u8 = 64;

/// What takes fewer bytes than this hardly gets smaller: series that stand still, or rise by the same each time.
const SMALL_BYTES: u32 = 32;

impl Packing {
    /// How a part of this level was packed when it was written.
    pub(crate) const fn of_level(level: u8) -> Self {
        match level {
            0 => Self::None,
            FINAL_LEVEL.. => Self::All,
            _ => Self::Long,
        }
    }

    const fn least(self) -> usize {
        match self {
            Self::None => usize::MAX,
            Self::Long => LONG,
            Self::All => SHORT,
        }
    }

    /// Whether a chunk of `count` samples in `bytes`, found in a part of this level, may get smaller.
    pub(crate) fn gains(self, level: u8, count: usize, bytes: u32) -> bool {
        let tried = count >= Self::of_level(level).least();
        !tried && count >= self.least() && bytes >= SMALL_BYTES
    }
}

/// A fast encoder, and a thorough one from when it is needed.
#[derive(Debug, Default)]
pub(super) struct Encoders {
    fast: ValueEncoder,
    smallest: Option<ValueEncoder>,
}

impl Encoders {
    /// The encoder for a chunk of `count` samples.
    pub(super) fn of(&mut self, packing: Packing, count: usize) -> &mut ValueEncoder {
        if count < packing.least() {
            return &mut self.fast;
        }
        self.smallest.get_or_insert_with(ValueEncoder::smallest)
    }
}
