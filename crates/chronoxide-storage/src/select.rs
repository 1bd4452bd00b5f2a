//! Reading: which series satisfy the matchers, and their samples from the head and the parts as one.

mod found_series;
mod gather;
mod many;
mod matching;
mod merge;
mod selection;
mod stretches;

pub(crate) use found_series::FoundCache;
pub(crate) use matching::{Held, View};
pub(crate) use merge::{ColumnsEnd, Overlay};
pub use selection::{Selection, SelectionIter, Series};
