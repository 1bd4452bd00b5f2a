//! What the functions compute.

pub(crate) mod absent;
pub(crate) mod calendar;
mod changes;
mod extended;
pub(crate) mod histogram;
mod instant_rate;
pub(crate) mod label;
pub(crate) mod math;
mod notes;
mod over_time;
pub(crate) mod quantile;
pub(crate) mod range;
mod rate;
mod regression;
pub(crate) mod scalar;
mod smoothing;
pub(crate) mod sort;
pub(crate) mod time;
