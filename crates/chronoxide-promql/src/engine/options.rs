//! Limits and defaults of queries, and how one is stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::engine::{QueryMemory, QueryProgress};
use crate::syntax::Features;

/// Limits and defaults of an [`Engine`](crate::Engine).
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// How far an instant selector looks back for a sample; 5 minutes.
    pub lookback: Duration,
    /// How many samples a query may hold at once; 50 million. A histogram counts as the floats that would take its place.
    pub samples_max: u64,
    /// How many bytes a query may hold at once, about; 1 GiB.
    pub memory_max: u64,
    /// Memory that all queries share; none, the default, for no bound on all of them together.
    pub memory: Option<Arc<dyn QueryMemory>>,
    /// How many bytes the trees of queries that were read may take, about, kept for whoever asks the same again; 2 MiB.
    pub trees_bytes_max: usize,
    /// How long a query may run; 2 minutes.
    pub timeout: Duration,
    /// The step of subqueries that state none; 1 minute.
    pub subquery_step: Duration,
    /// How many threads one query may use when it reads many samples, 1 at least; as many as the machine has cores. All
    /// queries of an engine together start at most twice as many.
    pub threads: usize,
    /// Which parts of the language that Prometheus keeps behind flags are on; all but late removal of names.
    pub features: Features,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            lookback: Duration::from_secs(300),
            samples_max: 50_000_000,
            memory_max: 1 << 30,
            memory: None,
            trees_bytes_max: 2 << 20,
            timeout: Duration::from_secs(120),
            subquery_step: Duration::from_secs(60),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            features: Features::default(),
        }
    }
}

/// The steps of a range query: `start_ms`, `start_ms + step_ms`, and so on up to `end_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeTimes {
    /// First step, Unix milliseconds.
    pub start_ms: i64,
    /// No step lies after it, Unix milliseconds.
    pub end_ms: i64,
    /// Distance of the steps, above zero.
    pub step_ms: i64,
}

/// What one query may ask for.
#[derive(Clone, Debug, Default)]
pub struct QueryOptions {
    /// Instead of the engine's lookback.
    pub lookback: Option<Duration>,
    /// A shorter time limit than the engine's; a longer one has no effect.
    pub timeout: Option<Duration>,
    /// Stops the query from another thread.
    pub cancellation: Cancellation,
    /// What the query has touched so far. It is the query's own: do not give one to two queries.
    pub progress: QueryProgress,
}

/// Stops a running query from any thread; clones stop the same one.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    /// A token that nothing has cancelled yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the query at its next look; it answers [`Error::Cancelled`](crate::Error::Cancelled).
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`Cancellation::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
