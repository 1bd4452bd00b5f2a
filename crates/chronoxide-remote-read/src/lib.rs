//! Prometheus remote read: what another server asks for, and the two forms of the answer.
//!
//! Pure functions of bytes: [`decode`] reads an uncompressed request, [`SamplesAnswer`] collects plain samples,
//! [`write_frames`] makes the frames of the streamed form, whose chunks are those of Prometheus' own storage. There is
//! no HTTP here, no storage, and no evaluation: hints of the request are passed over, because they only allow an
//! answer to hold less.
//!
//! ```
//! use chronoxide_model::{Labels, SampleColumns};
//! use chronoxide_remote_read::write_frames;
//!
//! let labels = Labels::from_pairs([("__name__", "up")])?;
//! let columns = SampleColumns {
//!     timestamps_ms: vec![1_700_000_000_000, 1_700_000_015_000],
//!     values: vec![1.0, 0.0],
//!     ..SampleColumns::default()
//! };
//! let mut frames = Vec::new();
//! write_frames(&mut frames, 0, &labels, &columns);
//! // Length, checksum, message.
//! assert_eq!(usize::from(frames[0]), frames.len() - 5);
//! # Ok::<(), chronoxide_model::LabelsError>(())
//! ```

mod chunk;
mod crc32c;
mod error;
mod frame;
mod message;
mod request;
mod samples;

pub use error::{Error, Result};
pub use frame::write_frames;
pub use request::{Query, Request, ResponseForm, decode};
pub use samples::SamplesAnswer;
