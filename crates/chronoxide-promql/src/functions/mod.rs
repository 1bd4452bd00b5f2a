//! What the functions compute.

pub(crate) mod absent;
pub(crate) mod arctangent;
pub(crate) mod calendar;
mod changes;
mod extended;
mod extremes;
pub(crate) mod histogram;
pub(crate) mod info;
mod instant_rate;
pub(crate) mod label;
mod logarithm;
mod made_value;
pub(crate) mod math;
pub(crate) mod notes;
mod over_time;
pub(crate) mod quantile;
pub(crate) mod range;
mod rate;
mod reduction;
mod regression;
pub(crate) mod scalar;
mod side_by_side;
mod smoothing;
pub(crate) mod sort;
mod sorted_window;
pub(crate) mod time;

pub(crate) use extended::edges::{Edges, interpolate as interpolate_float};
pub(crate) use extended::histogram::interpolate as interpolate_histogram;
pub(crate) use made_value::MadeValue;
