//! Protobuf's wire format, read in place (protobuf.dev, "Encoding").
//!
//! A [`Reader`] walks the fields of one message and hands out numbers, and slices of the bytes it was given. It builds no
//! message, knows no schema and allocates only where the caller gives it a vector to fill. Input is hostile: what is not
//! protobuf ends in an [`Error`] that says where, never in a panic.
//!
//! ```
//! use chronoxide_protobuf::{Reader, WireType};
//!
//! // Field 1 is the text "up", field 2 the number 150.
//! let mut reader = Reader::new(b"\x0a\x02up\x10\x96\x01", "Example");
//! let (mut name, mut number) = ("", 0);
//! while !reader.is_at_end() {
//!     let tag = reader.tag()?;
//!     match tag.field {
//!         1 => {
//!             reader.expect(tag, WireType::Bytes)?;
//!             name = reader.text()?;
//!         }
//!         2 => {
//!             reader.expect(tag, WireType::Varint)?;
//!             number = reader.varint()?;
//!         }
//!         _ => reader.skip(tag.wire)?,
//!     }
//! }
//! assert_eq!((name, number), ("up", 150));
//! # Ok::<(), chronoxide_protobuf::Error>(())
//! ```

mod error;
mod reader;

pub use error::{Error, Result};
pub use reader::{NUMBERS_MAX, Reader, Tag, WireType, zigzag32, zigzag64};
