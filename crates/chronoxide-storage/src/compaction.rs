//! Joining the parts of a partition, so that reads touch few of them and chunks are long.
//!
//! [`plan`] and [`plan_closed`] decide, as pure functions of what is known about the parts; [`merge`] does it.

mod dictionary;
mod merge;
mod plan;
mod series;

pub use crate::part::Packing;
pub(crate) use merge::merge_without;
pub use merge::{MergeOptions, merge};
pub use plan::{FAN_IN, MergeTask, plan, plan_closed};
