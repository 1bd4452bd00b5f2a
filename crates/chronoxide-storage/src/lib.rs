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
//!
//! The names at the root are what reading and writing takes. [`histogram`] has what native histograms are made of,
//! [`status`] what an operator wants to see, [`mod@check`] verifies a directory, and [`system`] is for tests with a clock
//! and a disk of their own.

mod abort;
mod cardinality;
mod catalog;
pub mod check;
mod churn;
mod clock;
mod compaction;
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

pub use chronoxide_model::{
    Exemplar, Histogram, Labels, LabelsError, Matcher, MatcherError, Metadata, MetricType,
    RejectReason, Rejection, Sample, SampleColumns, SeriesSet, SeriesSource, TimeRange, WriteBatch,
    WriteOutcome,
};
pub use database::{Database, DeleteOutcome};
pub use error::{Error, Result};
pub use exemplars::SeriesExemplars;
pub use options::{Durability, Options};
pub use select::{Selection, SelectionIter, Series};
pub use state::SavedState;
pub use stats::Stats;

pub(crate) use cardinality::{Cardinality, RejectedSeries};
pub(crate) use clock::{Clock, SystemClock};
pub(crate) use fs::{DirEntry, Fs, FsFile, FsLock, Map, RealFs};
#[cfg(test)]
pub(crate) use {
    clock::ManualClock,
    sim_fs::{SimFault, SimFs},
};

/// The parts of native histograms, for those who write them.
pub mod histogram {
    pub use chronoxide_model::{
        BucketCounts, BucketSpan, CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Histogram,
        HistogramCounts,
    };
}

/// How a database is doing: what [`Database`] tells those who operate it, beside its [`Stats`].
pub mod status {
    pub use crate::cardinality::{Cardinality, RejectedSeries};
    pub use crate::database::{PartitionStats, ReplayProgress, ReplayedFiles};
    pub use crate::stats::Timings;
}

/// What a database stands on: files and a clock. [`Database::open_with`](crate::Database::open_with) takes others than
/// the machine's, such as a disk that fails and a clock that stands still.
pub mod system {
    pub use crate::clock::{Clock, ManualClock, SystemClock};
    pub use crate::fs::{DirEntry, Fs, FsFile, FsLock, Map, RealFs};
    pub use crate::sim_fs::{SimFault, SimFs, SimLoss};
}

/// What benches measure by itself. It is no part of the interface, and changes with any release.
#[doc(hidden)]
pub mod internals {
    pub use crate::compaction::{FAN_IN, MergeOptions, Packing, merge};
    pub use crate::part::{
        ColumnCache, Finding, LabelReader, Part, PartHeader, PartSummary, PartWriter, Samples,
    };
}
