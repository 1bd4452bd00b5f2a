//! What all parts of one running query share: its source, limits and annotations.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chronoxide_model::SeriesSource;

use crate::Error;
use crate::annotations::{Annotation, Annotations};
use crate::eval::{Helpers, Meter, Shared, Steps, Stop};
use crate::plan::Position;
use crate::syntax::Features;

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
    /// Threads that all queries of the engine share.
    pub(crate) helpers: &'q Helpers,
    /// How far an instant selector looks back.
    pub(crate) lookback_ms: i64,
    /// Counts samples.
    pub(crate) meter: Arc<Meter>,
    /// What ends the query from outside.
    pub(crate) stop: Stop,
    /// Expressions that stand more than once.
    pub(crate) shared: Shared<'q>,
    /// What of the language is on.
    pub(crate) features: Features,
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
        self.stop.check()
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
