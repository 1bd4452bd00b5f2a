//! Which of several things that forbid a join is told: the one that comes first if each step is joined by itself.

use crate::Error;

/// When something is met: step by step, at each of them first all series that must be alone in their group, then the
/// pairs, each in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    step: usize,
    is_pair: bool,
    number: usize,
}

impl Turn {
    /// Series `number` of those that must be alone, at `step`.
    pub(super) const fn one_side(step: usize, number: usize) -> Self {
        Self {
            step,
            is_pair: false,
            number,
        }
    }

    /// Pair `number` at `step`.
    pub(super) const fn pair(step: usize, number: usize) -> Self {
        Self {
            step,
            is_pair: true,
            number,
        }
    }
}

/// The first error so far.
#[derive(Debug, Default)]
pub(super) struct Failure(Option<(Turn, Error)>);

impl Failure {
    /// Takes the error met at `turn`, unless there is one that comes before.
    pub(super) fn add(&mut self, turn: Turn, error: impl FnOnce() -> Error) {
        if self.0.as_ref().is_none_or(|(first, _)| turn < *first) {
            self.0 = Some((turn, error()));
        }
    }

    /// How many of `steps` may still have an error that comes first.
    pub(super) fn steps(&self, steps: usize) -> usize {
        self.0.as_ref().map_or(steps, |(first, _)| first.step + 1)
    }

    /// At how many of `steps` pair `number` may still have an error that comes first.
    pub(super) fn steps_of_pair(&self, number: usize, steps: usize) -> usize {
        self.0.as_ref().map_or(steps, |(first, _)| {
            first.step + usize::from(Turn::pair(first.step, number) < *first)
        })
    }

    /// The error, if there is one.
    ///
    /// # Errors
    /// That one.
    pub(super) fn into_result(self) -> Result<(), Error> {
        self.0.map_or(Ok(()), |(_, error)| Err(error))
    }
}
