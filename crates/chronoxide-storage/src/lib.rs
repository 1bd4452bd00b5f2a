//! The embeddable storage engine of chronoxide.
//!
//! A [`Database`] keeps the samples of time series in one directory: a write-ahead log makes each acknowledged write
//! durable, the head holds recent samples in memory, immutable parts hold the others compressed, one UTC day to a
//! partition (or six hours, or a week, as retention asks). It knows no protocol, no query language and no network, and
//! needs no async runtime.
//!
//! ```
//! use std::time::Duration;
//!
//! use chronoxide_storage::{Database, Labels, Matcher, Options, TimeRange, WriteBatch};
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("metrics");
//! # let now_ms = 1_000 * std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs() as i64;
//! # let hour = Duration::from_secs(3600);
//! let db = Database::open(path, Options::default())?;
//! let mut batch = WriteBatch::new();
//! batch.push(Labels::from_pairs([("__name__", "temperature_celsius"), ("room", "lab")])?, now_ms, 21.5);
//! db.write(&batch)?;
//! for series in db.select(&[Matcher::equal("room", "lab")], TimeRange::last(hour, now_ms))? {
//!     let series = series?;
//!     println!("{} {:?}", series.labels(), series.samples().last());
//! }
//! # db.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod abort;
mod cardinality;
mod catalog;
mod check;
mod churn;
mod clock;
pub mod compaction;
mod counters;
mod data_dir;
mod database;
mod error;
mod exemplars;
mod fs;
mod head;
mod index;
mod lock;
mod log;
mod manifest;
mod metadata;
mod options;
mod part;
mod partition;
mod partitions;
mod quarantine;
mod record_file;
mod registry;
mod registry_log;
mod retention;
mod select;
mod sim_fs;
mod state;
mod stats;
mod tombstones;
mod wal;

pub use cardinality::{Cardinality, RejectedSeries};
pub use check::{CheckFinding, CheckProgress, CheckReport, CheckedPart, check, check_with};
pub use chronoxide_model::{
    Exemplar, Histogram, Labels, LabelsError, Matcher, MatcherError, Metadata, MetricType,
    RejectReason, Rejection, Sample, SampleColumns, SeriesSet, SeriesSource, TimeRange, WriteBatch,
    WriteOutcome,
};
pub use clock::{Clock, ManualClock, SystemClock};
pub use database::{Database, DeleteOutcome, PartitionStats, ReplayProgress, ReplayedFiles};
pub use error::{Error, Result};
pub use exemplars::SeriesExemplars;
pub use fs::{DirEntry, Fs, FsFile, FsLock, Map, RealFs};
pub use options::{Durability, Options};
pub use part::{
    CodingShare, ColumnCache, Finding, LabelReader, Part, PartHeader, PartSummary, PartWriter,
    Samples,
};
pub use select::{Selection, SelectionIter, Series};
pub use sim_fs::{SimFault, SimFs, SimLoss};
pub use state::SavedState;
pub use stats::{Stats, Timings};
