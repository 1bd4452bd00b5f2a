//! PromQL over any [`SeriesSource`](chronoxide_model::SeriesSource).
//!
//! [`Engine`] takes the text of a query through three stages: *lower* (text to a typed [`plan`], where parse and type
//! errors end, with their position), *plan* (which samples each selector needs) and *eval* (columns: each series over
//! all steps at once). Semantics are Prometheus 3's. There is no HTTP here and no storage; types of the parser
//! underneath do not leave the crate.
//!
//! ```
//! use chronoxide_model::SeriesSource;
//! use chronoxide_promql::{Engine, Error, QueryOptions, Value};
//!
//! fn up_count(source: &dyn SeriesSource, now_ms: i64) -> Result<Value, Error> {
//!     let answer = Engine::default().instant(source, "count(up == 1)", now_ms, &QueryOptions::default())?;
//!     Ok(answer.value)
//! }
//! ```

mod annotations;
mod engine;
mod error;
mod eval;
mod function;
mod functions;
mod histogram;
mod kahan;
mod lower;
#[cfg(test)]
mod memory_source;
pub mod plan;
pub mod syntax;
mod value;

pub use engine::{
    Cancellation, Engine, EngineOptions, QueryMemory, QueryOptions, QueryProgress, RangeTimes,
};
pub use error::Error;
pub use function::{Arity, Function};
pub use histogram::{IncompatibleBuckets, InvalidHistogram, MergeNotes, TrimSide};
pub use lower::{
    LowerOptions, lower, lower_tree, parse_selector, parse_selector_with, selectors_of,
};
pub use syntax::Regexes;
pub use value::{
    Answer, FloatHistogram, InstantSample, Point, QueryStats, QueryTimings, RangeSeries, Value,
};
