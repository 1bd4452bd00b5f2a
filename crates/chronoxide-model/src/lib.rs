//! The nouns every chronoxide crate shares.
//!
//! Labels, samples, native histograms, matchers and time ranges; [`WriteBatch`], the one thing that crosses into
//! storage; and [`SeriesSource`], the one trait that queries read through. There is no I/O here, no protocol and no
//! byte of any file.
//!
//! ```
//! use chronoxide_model::{Labels, Matcher};
//!
//! let labels = Labels::from_pairs([("__name__", "up"), ("job", "node")])?;
//! assert_eq!(labels.to_string(), r#"up{job="node"}"#);
//! assert!(Matcher::regex("job", "n.de|api")?.matches(labels.get("job").unwrap_or("")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod histogram;
mod labels;
mod matcher;
mod metadata;
mod outcome;
mod sample;
mod series_key;
mod source;
mod time;

pub use batch::{BatchSeries, Exemplar, WriteBatch};
pub use histogram::{
    BucketCounts, BucketSpan, CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Histogram, HistogramCounts,
};
pub use labels::{Labels, LabelsBuilder, LabelsError, METRIC_NAME};
pub use matcher::{Matcher, MatcherError, MatcherOp, RegexError, ValueWalk, anchored_regex};
pub use metadata::{Metadata, MetricType};
pub use outcome::{RejectReason, Rejection, WriteOutcome};
pub use sample::{STALE_MARKER, STALE_MARKER_BITS, Sample, is_stale_marker};
pub use series_key::{CanonicalKey, HashKeys, KeyEncoding, SeriesKey, describe_pairs};
pub use source::{Reduction, SampleColumns, SeriesSet, SeriesSource, SourceError};
pub use time::{TimeRange, TimeRangeError};
