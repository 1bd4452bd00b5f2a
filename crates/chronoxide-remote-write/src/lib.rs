//! Prometheus remote-write bodies to [`WriteBatch`](chronoxide_model::WriteBatch)es.
//!
//! Pure functions of bytes: [`decompress`] undoes snappy within a bound, [`v1::decode`] and [`v2::decode`] walk the
//! protobuf in place. There is no HTTP here and no storage. Nothing is built of prost's types on the way: a series is
//! handed on as the bytes of its labels, which storage knows by their hash, so a known series costs no parsing at all.
//!
//! What concerns a whole request is an [`Error`]; what concerns one series is a rejection in [`Decoded::refused`], and
//! the other series go on.
//!
//! ```
//! // up{job="a"} 1 @ 1700000000000
//! let body = [
//!     0x2e, 0xb4, 0x0a, 0x2c, 0x0a, 0x0e, 0x0a, 0x08, b'_', b'_', b'n', b'a', b'm', b'e', b'_', b'_', 0x12, 0x02, b'u',
//!     b'p', 0x0a, 0x08, 0x0a, 0x03, b'j', b'o', b'b', 0x12, 0x01, b'a', 0x12, 0x10, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f,
//!     0x10, 0x80, 0xd0, 0x95, 0xff, 0xbc, 0x31,
//! ];
//! let message = chronoxide_remote_write::decompress(&body, 32 << 20)?;
//! let decoded = chronoxide_remote_write::v1::decode(&message)?;
//! let series = decoded.batch.series().next().expect("one series");
//! assert_eq!(series.key.decode()?.to_string(), r#"up{job="a"}"#);
//! assert_eq!(series.samples[0].timestamp_ms, 1_700_000_000_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decoded;
mod error;
mod exemplar;
mod histogram;
mod memory;
mod metadata;
mod snappy;
pub mod v1;
pub mod v2;

pub use decoded::Decoded;
pub use error::{Error, Result};
pub use snappy::{decompress, decompress_to};
