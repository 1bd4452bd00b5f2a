//! The instants a query is evaluated at.

/// Evenly spaced instants: `start_ms`, `start_ms + step_ms`, ... `count` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Steps {
    /// The first instant, Unix milliseconds.
    pub(crate) start_ms: i64,
    /// Distance between two instants; 1 when there is only one.
    pub(crate) step_ms: i64,
    /// How many there are; a subquery without any inner instant has 0.
    pub(crate) count: usize,
}

impl Steps {
    /// The single instant `at_ms`.
    pub(crate) const fn instant(at_ms: i64) -> Self {
        Self {
            start_ms: at_ms,
            step_ms: 1,
            count: 1,
        }
    }

    /// The instants from `start_ms` on that do not pass `end_ms`; none when the end lies before the start.
    ///
    /// A step that is not positive counts as 1 ms.
    pub(crate) fn new(start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        if start_ms == end_ms {
            return Self::instant(start_ms);
        }
        let step_ms = step_ms.max(1);
        let count = if end_ms < start_ms {
            0
        } else {
            let span = i128::from(end_ms) - i128::from(start_ms);
            usize::try_from(span / i128::from(step_ms) + 1).unwrap_or(usize::MAX)
        };
        Self {
            start_ms,
            step_ms,
            count,
        }
    }

    /// Instant `index`, saturating at the end of time.
    pub(crate) const fn at(&self, index: usize) -> i64 {
        let at = self.start_ms as i128 + self.step_ms as i128 * index as i128;
        if at > i64::MAX as i128 {
            i64::MAX
        } else {
            at as i64
        }
    }

    /// The last instant; the start when there is none.
    pub(crate) const fn end_ms(&self) -> i64 {
        self.at(self.count.saturating_sub(1))
    }

    /// Whether just one instant was asked for: there may also be one between a start and an end that differ.
    pub(crate) const fn is_alone(&self) -> bool {
        self.count == 1 && self.step_ms == 1
    }

    /// Whether there is just one instant, as in an instant query.
    pub(crate) const fn is_instant(&self) -> bool {
        self.count == 1
    }

    /// All instants in order.
    pub(crate) fn iter(self) -> impl ExactSizeIterator<Item = i64> {
        let mut next = self.start_ms;
        (0..self.count).map(move |_| {
            let at = next;
            next = at.saturating_add(self.step_ms);
            at
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_instant_does_not_pass_the_end() {
        let steps = Steps::new(0, 25, 10);
        assert_eq!(steps.iter().collect::<Vec<_>>(), [0, 10, 20]);
        assert_eq!(steps.end_ms(), 20);
        assert_eq!(Steps::new(5, 4, 10).count, 0);
        assert_eq!(Steps::new(5, 5, 10), Steps::instant(5));
        assert!(Steps::new(5, 5, 10).is_alone());
        assert!(!Steps::new(5, 6, 10).is_alone());
        assert_eq!(Steps::new(5, 6, 10).count, 1);
    }

    #[test]
    fn steps_over_all_of_time_do_not_overflow() {
        let steps = Steps::new(i64::MIN, i64::MAX, i64::MAX);
        assert_eq!(steps.count, 3);
        assert_eq!(steps.at(2), i64::MAX - 1);
        assert_eq!(steps.at(9), i64::MAX);
    }
}
