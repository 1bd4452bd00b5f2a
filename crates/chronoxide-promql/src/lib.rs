//! PromQL over any [`SeriesSource`](chronoxide_model::SeriesSource).
//!
//! [`Engine`] takes the text of a query through three stages: *lower* (text to a typed [`plan`], where parse and type
//! errors end, with their position), *plan* (which samples each selector needs) and *eval* (columns: each series over
//! all steps at once). Semantics are Prometheus 3's. There is no HTTP here and no storage; types of the parser
//! underneath do not leave the crate.

mod error;
mod function;
pub mod plan;
mod value;

pub use error::Error;
pub use function::Function;
pub use value::{Answer, FloatHistogram, InstantSample, Point, QueryStats, RangeSeries, Value};
