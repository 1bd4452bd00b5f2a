//! What all parts of one running query share: its source, limits and annotations.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chronoxide_model::SeriesSource;

use crate::annotations::{Annotation, Annotations};
use crate::engine::Cancellation;
use crate::eval::{Shared, Steps};
use crate::plan::Position;
use crate::{Error, QueryStats};

/// One running query.
pub(crate) struct Query<'q> {
    /// Where series come from.
    pub(crate) source: &'q dyn SeriesSource,
    /// The steps of the whole query.
    pub(crate) steps: Steps,
    /// The end as asked for, which may lie after the last step.
    pub(crate) end_ms: i64,
    /// The step as asked for; 0 for an instant query.
    pub(crate) step_ms: i64,
    /// How many threads the query may use for its series.
    pub(crate) threads: usize,
    /// How far an instant selector looks back.
    pub(crate) lookback_ms: i64,
    /// Counts samples.
    pub(crate) meter: Arc<Meter>,
    /// Stops the query from outside.
    pub(crate) cancellation: Cancellation,
    /// How long the query may run, and until when that is.
    pub(crate) deadline: Option<(Duration, Instant)>,
    /// Expressions that stand more than once.
    pub(crate) shared: Shared<'q>,
    /// Warnings and infos so far.
    pub(crate) annotations: Mutex<Annotations>,
}

impl fmt::Debug for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("steps", &self.steps)
            .field("meter", &self.meter)
            .finish_non_exhaustive()
    }
}

impl Query<'_> {
    /// Stops a query that is cancelled or past its time; to be called in every loop over series.
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

    /// How often anything was noted.
    pub(crate) fn annotation_count(&self) -> u64 {
        self.annotations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count()
    }

    /// Notes `annotation` about the expression at `position`.
    pub(crate) fn annotate(&self, annotation: Annotation, position: Position) {
        self.annotations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(annotation, position);
    }
}

/// Counts the samples of a query and refuses more than its limit at once.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: u64,
    held: AtomicU64,
    peak: AtomicU64,
    read: AtomicU64,
    series: AtomicU64,
}

impl Meter {
    /// A meter that refuses to hold more than `limit` samples at once.
    pub(crate) const fn new(limit: u64) -> Self {
        Self {
            limit,
            held: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            read: AtomicU64::new(0),
            series: AtomicU64::new(0),
        }
    }

    /// Counts `samples` as held.
    ///
    /// # Errors
    /// [`Error::TooManySamples`] past the limit; nothing is counted then.
    pub(crate) fn hold(&self, samples: u64) -> Result<(), Error> {
        if samples > self.limit {
            return Err(Error::TooManySamples { limit: self.limit });
        }
        let held = self.held.fetch_add(samples, Ordering::Relaxed) + samples;
        self.peak.fetch_max(held, Ordering::Relaxed);
        if held > self.limit {
            self.release(samples);
            return Err(Error::TooManySamples { limit: self.limit });
        }
        Ok(())
    }

    /// Refuses steps of which a single series without gaps would pass the limit.
    ///
    /// # Errors
    /// [`Error::TooManySamples`].
    pub(crate) const fn check_steps(&self, steps: Steps) -> Result<(), Error> {
        if steps.count as u64 > self.limit {
            return Err(Error::TooManySamples { limit: self.limit });
        }
        Ok(())
    }

    /// Takes back what [`Meter::hold`] counted.
    pub(crate) fn release(&self, samples: u64) {
        self.held.fetch_sub(samples, Ordering::Relaxed);
    }

    /// Counts `series` selected.
    pub(crate) fn select(&self, series: u64) {
        self.series.fetch_add(series, Ordering::Relaxed);
    }

    /// Counts `samples` read from the source.
    pub(crate) fn read(&self, samples: u64) {
        self.read.fetch_add(samples, Ordering::Relaxed);
    }

    /// What was counted.
    pub(crate) fn stats(&self) -> QueryStats {
        QueryStats {
            series: self.series.load(Ordering::Relaxed),
            samples: self.read.load(Ordering::Relaxed),
            peak_samples: self.peak.load(Ordering::Relaxed),
        }
    }
}
