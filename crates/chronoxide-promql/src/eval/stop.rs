//! What ends a query from outside.

use std::time::{Duration, Instant};

use crate::Error;
use crate::engine::Cancellation;

/// Whether a query is to go on. The default goes on for ever.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    cancellation: Cancellation,
    /// How long the query may run, and until when that is.
    deadline: Option<(Duration, Instant)>,
}

/// So many numbers are worked on without a look, which takes far below a millisecond.
const BLOCK: usize = 1 << 16;

impl Stop {
    pub(crate) const fn new(
        cancellation: Cancellation,
        deadline: Option<(Duration, Instant)>,
    ) -> Self {
        Self {
            cancellation,
            deadline,
        }
    }

    /// Stops a query that is cancelled or past its time.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::Timeout`].
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.cancellation.is_cancelled() {
            return Err(Error::Cancelled);
        }
        match self.deadline {
            Some((limit, deadline)) if Instant::now() >= deadline => Err(Error::Timeout { limit }),
            _ => Ok(()),
        }
    }

    /// [`Stop::check`] in loops, of which `index` is one turn: looks every now and then.
    ///
    /// # Errors
    /// As [`Stop::check`].
    #[inline]
    pub(crate) fn check_turn(&self, index: usize) -> Result<(), Error> {
        if index % BLOCK == BLOCK - 1 {
            self.check()?;
        }
        Ok(())
    }

    /// `values` piece by piece, with a look after each but the last.
    pub(crate) fn blocks<'v, T>(
        &'v self,
        values: &'v [T],
    ) -> impl Iterator<Item = Result<&'v [T], Error>> + 'v {
        values.chunks(BLOCK).enumerate().map(|(index, block)| {
            if index > 0 {
                self.check()?;
            }
            Ok(block)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_query_ends_within_a_long_run_of_numbers() {
        let cancellation = Cancellation::new();
        let stop = Stop::new(cancellation.clone(), None);
        let numbers = vec![0_u8; 3 * BLOCK];
        let mut blocks = stop.blocks(&numbers);
        assert_eq!(blocks.next().unwrap().unwrap().len(), BLOCK);
        assert!(blocks.next().unwrap().is_ok());
        cancellation.cancel();
        assert!(matches!(blocks.next(), Some(Err(Error::Cancelled))));
    }

    #[test]
    fn a_query_past_its_time_says_how_long_it_had() {
        let limit = Duration::from_secs(3);
        let stop = Stop::new(Cancellation::new(), Some((limit, Instant::now())));
        assert!(matches!(stop.check(), Err(Error::Timeout { limit: told }) if told == limit));
    }
}
