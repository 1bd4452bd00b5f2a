//! Joining the parts of a partition, so that reads touch few of them and chunks are long.
//!
//! [`plan`], [`plan_resting`] and [`plan_closed`] decide, as pure functions of what is known about the parts; [`merge`]
//! does it.

mod dictionary;
mod merge;
mod plan;
mod series;

pub use crate::part::Packing;
pub use merge::{MergeOptions, merge};
pub(crate) use merge::{Merged, merge_without};
pub use plan::FAN_IN;
pub(crate) use plan::{MergeTask, plan, plan_closed, plan_resting};
