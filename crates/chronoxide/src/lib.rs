//! The embeddable time-series database with PromQL.
//!
//! [`Database`] stores and selects; [`query`] and [`query_range`] evaluate PromQL on it. There is no network and no async
//! runtime: for the server, see the `chronoxide` command.
//!
//! ```
//! use chronoxide::{Database, Labels, Options, Value, WriteBatch, query};
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("metrics");
//! # let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as i64;
//! let db = Database::open(path, Options::default())?;
//! let mut batch = WriteBatch::new();
//! batch.push(Labels::from_pairs([("__name__", "temperature_celsius"), ("room", "lab")])?, now_ms, 21.5);
//! batch.push(Labels::from_pairs([("__name__", "temperature_celsius"), ("room", "hall")])?, now_ms, 18.5);
//! db.write(&batch)?;
//! let answer = query(&db, "avg(temperature_celsius)", now_ms)?;
//! let Value::Vector(samples) = answer.value else { unreachable!("an aggregation is a vector") };
//! println!("{:?}", samples[0].point);
//! # assert_eq!(samples[0].point, chronoxide::Point::Float(20.0));
//! db.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/embedder.rs` is a program that keeps its own metrics with it: `cargo run -p chronoxide --example embedder`.
//!
//! The names here are what reading and writing takes. What native histograms are made of is in [`histogram`], queries
//! with limits of one's own in [`promql`]. Whoever needs more of the engine (to verify a directory, to see where series
//! come from, to test with a clock or a disk of their own) finds it in `chronoxide-storage`, whose types these are.

use std::time::Duration;

use chronoxide_promql::{Engine, QueryOptions, RangeTimes};

pub use chronoxide_promql::{
    Answer, Error as QueryError, InstantSample, Point, RangeSeries, Value,
};
pub use chronoxide_storage::histogram;
pub use chronoxide_storage::{
    Database, Durability, Error, Exemplar, Histogram, Labels, Matcher, Metadata, MetricType,
    Options, RejectReason, Rejection, Sample, Selection, Series, SeriesSource, Stats, TimeRange,
    WriteBatch, WriteOutcome,
};

/// Queries with limits of one's own, that can be watched and stopped: what [`query`] and [`query_range`] call.
pub mod promql {
    pub use chronoxide_promql::{
        Cancellation, Engine, EngineOptions, FloatHistogram, QueryMemory, QueryOptions,
        QueryProgress, QueryStats, QueryTimings, RangeTimes,
    };
}

/// The value of PromQL expression `text` at `at_ms`, Unix milliseconds, with the defaults of
/// [`EngineOptions`](promql::EngineOptions).
///
/// For other limits, or to stop a query from another thread, use a [`promql::Engine`]: this is one call on it.
///
/// # Errors
/// When the text is no query, cannot be computed, takes too long or too many samples, or `source` cannot be read.
pub fn query(source: &dyn SeriesSource, text: &str, at_ms: i64) -> Result<Answer, QueryError> {
    Engine::default().instant(source, text, at_ms, &QueryOptions::default())
}

/// The values of PromQL expression `text` from `start_ms` to `end_ms`, both included, `step` apart, as a matrix.
///
/// # Errors
/// As [`query`], and when the range ends before it starts or the step is below a millisecond.
pub fn query_range(
    source: &dyn SeriesSource,
    text: &str,
    start_ms: i64,
    end_ms: i64,
    step: Duration,
) -> Result<Answer, QueryError> {
    let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    let times = RangeTimes {
        start_ms,
        end_ms,
        step_ms,
    };
    Engine::default().range(source, text, times, &QueryOptions::default())
}

/// The code of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
