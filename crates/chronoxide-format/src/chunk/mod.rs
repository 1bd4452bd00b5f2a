//! Chunks: compressed runs of timestamps, float values or native histograms.
//!
//! A chunk holds no count, no length and no checksum of its own: whoever points at it knows how many samples it has and
//! where it ends. Its first byte says how it is coded; codecs are only ever added. Zero samples are zero bytes.
//!
//! Every chunk comes back bit for bit. Decimal values are stored as integers only after each was checked to come back
//! exactly; what does not is stored with a correction, or as the bits themselves.
//!
//! ```
//! use chronoxide_format::chunk;
//!
//! let values = [0.25, 0.5, f64::NAN, 1e300];
//! let mut bytes = Vec::new();
//! chunk::encode_values(&values, &mut bytes);
//! let mut back = Vec::new();
//! chunk::decode_values(&bytes, values.len(), &mut back)?;
//! assert!(back.iter().zip(&values).all(|(a, b)| a.to_bits() == b.to_bits()));
//! # Ok::<(), chronoxide_format::Error>(())
//! ```

mod bits;
mod block;
mod coding;
mod decimal;
mod exceptions;
mod histograms;
mod integers;
mod pco_page;
mod residuals;
mod summary;
mod timestamps;
mod values;

pub use coding::coding_of;
pub use histograms::{decode_histograms, encode_histograms};
pub use summary::{ValueSummary, summarize_values};
pub use timestamps::{decode_timestamps, encode_timestamps};
pub use values::{ValueEncoder, decode_exceptions, decode_values, encode_values};

use crate::{Error, Result};

/// The most samples one chunk may have.
pub const SAMPLES_MAX: usize = 1 << 16;

fn check_count(what: &'static str, count: usize) -> Result<()> {
    if count > SAMPLES_MAX {
        return Err(Error::TooLarge {
            what,
            value: count as u64,
            limit: SAMPLES_MAX as u64,
        });
    }
    Ok(())
}
