//! Samples as lines of text: the exposition formats of Prometheus, and the JSON lines of VictoriaMetrics.
//!
//! [`Lines`] cuts a stream into lines, [`TextReader`] and [`read_json_line`] put what a line says into a
//! [`WriteBatch`](chronoxide_model::WriteBatch), [`write_json_lines`] is the way back. Every function works on one line,
//! so that a stream of any length takes the memory of its longest line; what is wrong with a line is an error of that
//! line alone. There is no HTTP here and no storage.
//!
//! ```
//! use chronoxide_exposition::{Dialect, TextReader};
//! use chronoxide_model::WriteBatch;
//!
//! let mut batch = WriteBatch::new();
//! let mut reader = TextReader::new(Dialect::Prometheus, 1_700_000_000_000);
//! reader.read_line(b"# TYPE up gauge", &mut batch)?;
//! reader.read_line(b"up{job=\"node\"} 1 1700000015000", &mut batch)?;
//! let series = batch.series().next().expect("one series");
//! assert_eq!(series.key.decode()?.to_string(), r#"up{job="node"}"#);
//! assert_eq!(series.samples[0].timestamp_ms, 1_700_000_015_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod json;
mod json_histogram;
mod lines;
mod number;
mod scan;
mod text;

pub use error::{Error, Result};
pub use json::{read_json_line, write_json_lines};
pub use lines::{Line, Lines};
pub use text::{Dialect, TextReader};
