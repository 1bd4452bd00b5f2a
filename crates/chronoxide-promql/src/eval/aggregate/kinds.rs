//! Which kinds of values a group has met at each step.

use chronoxide_model::CounterResetHint;

use super::notes::Notes;
use crate::FloatHistogram;

/// What a group has met at one step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kinds {
    /// A float.
    pub(super) float: bool,
    /// A histogram.
    pub(super) histogram: bool,
    /// Histograms with exponential and with custom buckets: there is no result and nothing more is looked at.
    pub(super) incompatible: bool,
    reset: bool,
    no_reset: bool,
}

impl Kinds {
    /// Whether nothing came at the step.
    pub(super) const fn is_empty(self) -> bool {
        !self.float && !self.histogram
    }

    /// Takes note of what `histogram` says about resets.
    pub(super) fn see_hint(&mut self, histogram: &FloatHistogram) {
        self.reset |= histogram.counter_reset_hint == CounterResetHint::Reset;
        self.no_reset |= histogram.counter_reset_hint == CounterResetHint::NotReset;
    }

    /// Whether the step has a result; notes why not, and whether resets contradict each other.
    pub(super) const fn has_result(self, notes: &mut Notes<'_>) -> bool {
        if self.float && self.histogram {
            notes.mixed_kinds = true;
            return false;
        }
        if self.is_empty() || self.incompatible {
            return false;
        }
        notes.conflicting_resets |= self.reset && self.no_reset;
        true
    }
}
