//! What all requests share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chronoxide_promql::{Cancellation, Engine, EngineOptions};
use chronoxide_storage::status::ReplayProgress;
use chronoxide_storage::{Database, Stats};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::active_queries::ActiveQueries;
use crate::config::Config;
use crate::error::ApiError;
use crate::ingest::{GrpcHealth, OtlpReceiver, RequestMemory, SpareBuffers, WriteTurns};
use crate::lately::SlowestQueries;
use crate::log_limit::LogLimit;
use crate::query_memory::SharedQueryMemory;
use crate::self_metrics::{Family, MemoryUse, Metrics};

/// How long a query waits for its turn.
const QUEUE_WAIT_MAX: Duration = Duration::from_secs(10);

/// How long a write waits for its turn. Senders wait for an answer for 30 s or longer.
const WRITE_TURN_WAIT: Duration = Duration::from_secs(10);

/// How long a write waits for others to give memory back.
const REQUEST_MEMORY_WAIT: Duration = Duration::from_secs(5);

/// Exports and remote reads that may be under way at once; each holds a stretch of the samples of one series.
const STREAMS_MAX: usize = 10;

/// Imports that may be under way at once; each holds a batch.
const IMPORTS_MAX: usize = 4;

/// Queries that may wait at once, and lookups.
const QUEUE_MAX: usize = 100;

/// Of so many queries that may run at once, one lookup may: lookups are short, and must not crowd out queries.
const QUERIES_PER_LOOKUP: usize = 4;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct ServerState {
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
    pub(crate) engine: Engine,
    pub(crate) request_memory: RequestMemory,
    pub(crate) otlp: OtlpReceiver,
    pub(crate) grpc_health: GrpcHealth,
    /// Writes that may be decoded and committed at once.
    pub(crate) writes: WriteTurns,
    pub(crate) spare_buffers: SpareBuffers,
    /// Log lines about writes that storage refused.
    pub(crate) write_failures: LogLimit,
    /// Log lines about requests that could not be read, or not now.
    pub(crate) write_refusals: LogLimit,
    /// Log lines about samples that were refused for good.
    pub(crate) write_rejections: LogLimit,
    /// Queries that are being evaluated.
    pub(crate) active_queries: ActiveQueries,
    /// Queries that took long lately.
    pub(crate) slowest_queries: SlowestQueries,
    /// What queries hold, and answers that are being sent.
    pub(crate) query_memory: Arc<SharedQueryMemory>,
    queries: Turns,
    lookups: Turns,
    administration: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    imports: Arc<Semaphore>,
    /// How far the data directory is, while it is being opened.
    pub(crate) replay: ReplayProgress,
    /// Set when the data directory is open.
    database: OnceLock<Arc<Database>>,
    stopping: AtomicBool,
    instance: String,
    started_ms: i64,
}

impl ServerState {
    pub(crate) fn new(config: Config, instance: String) -> Self {
        let memory = config.memory();
        let query_memory = Arc::new(SharedQueryMemory::new(memory.query_bytes()));
        let concurrency = config.query_concurrency;
        let engine = Engine::new(EngineOptions {
            lookback: config.lookback,
            samples_max: config.query_samples_max,
            memory_max: config
                .query_memory_max
                .unwrap_or_else(|| memory.query_bytes() / 2),
            memory: Some(Arc::clone(&query_memory) as _),
            trees_bytes_max: memory.tree_bytes_max(),
            timeout: config.query_timeout,
            features: config.promql_features,
            ..EngineOptions::default()
        });
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            metrics: Metrics::default(),
            engine,
            otlp: OtlpReceiver::new(&config),
            grpc_health: GrpcHealth::default(),
            request_memory: RequestMemory::new(
                config
                    .ingest_memory_bytes
                    .unwrap_or_else(|| config.memory().request_bytes()),
                REQUEST_MEMORY_WAIT,
            ),
            // Most of a write is waiting for the disk, together with the others of its group.
            writes: WriteTurns::new((2 * cores).max(16), WRITE_TURN_WAIT),
            spare_buffers: SpareBuffers::default(),
            write_failures: LogLimit::default(),
            write_refusals: LogLimit::default(),
            write_rejections: LogLimit::default(),
            active_queries: ActiveQueries::default(),
            slowest_queries: SlowestQueries::default(),
            query_memory,
            queries: Turns::new(concurrency),
            lookups: Turns::new(concurrency.div_ceil(QUERIES_PER_LOOKUP)),
            administration: Arc::new(Semaphore::new(1)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            imports: Arc::new(Semaphore::new(IMPORTS_MAX)),
            replay: ReplayProgress::new(),
            database: OnceLock::new(),
            stopping: AtomicBool::new(false),
            instance,
            started_ms: unix_ms(),
            config,
        }
    }

    /// All own metrics of this moment.
    pub(crate) fn collect_metrics(&self, stats: Option<&Stats>) -> Vec<Family> {
        let mut families = self.metrics.collect(stats);
        families.extend(MemoryUse::families(self, stats));
        families.extend(self.otlp.families());
        families
    }

    /// The database, once it is open and until the server stops.
    pub(crate) fn database(&self) -> Option<&Arc<Database>> {
        self.database.get().filter(|_| !self.is_stopping())
    }

    /// The database, or the answer that there is none.
    pub(crate) fn ready_database(&self) -> Result<Arc<Database>, ApiError> {
        self.database()
            .cloned()
            .ok_or_else(|| ApiError::unavailable(self.unready_reason()))
    }

    /// Why there is no database.
    pub(crate) fn unready_reason(&self) -> &'static str {
        if self.is_stopping() {
            "the server is shutting down"
        } else {
            "the server is starting up"
        }
    }

    /// Lets requests reach `database` from now on.
    pub(crate) fn set_database(&self, database: Arc<Database>) {
        self.otlp.restore(&database);
        self.active_queries.write_to(&self.config.storage_path);
        // Called once, by whoever opened it.
        let _ = self.database.set(database);
    }

    /// Refuses requests from now on.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Whether the server is shutting down.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// The database, whether the server is stopping or not.
    pub(crate) fn last_database(&self) -> Option<Arc<Database>> {
        self.database.get().cloned()
    }

    /// What own series carry as `instance`.
    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// When the server started, Unix milliseconds.
    pub(crate) const fn started_ms(&self) -> i64 {
        self.started_ms
    }

    /// The time of day, Unix milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        unix_ms()
    }

    /// Waits a while for the turn of an export or a remote read.
    pub(crate) async fn stream_turn(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        turn(&self.streams, "exports and remote reads").await
    }

    /// Waits a while for the turn of an import.
    pub(crate) async fn import_turn(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        turn(&self.imports, "imports").await
    }

    /// Waits a while for the turn of a deletion or a snapshot, of which one is under way at a time.
    pub(crate) async fn administration_turn(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        turn(&self.administration, "deletions and snapshots").await
    }

    /// Waits for the turn of a query, at most `timeout` and never long.
    pub(crate) async fn query_turn(&self, timeout: Duration) -> Result<QueryTurn, ApiError> {
        self.queries.wait(&self.metrics, timeout).await
    }

    /// Waits for the turn of a lookup, at most `timeout` and never long.
    pub(crate) async fn lookup_turn(&self, timeout: Duration) -> Result<QueryTurn, ApiError> {
        self.lookups.wait(&self.metrics, timeout).await
    }
}

/// Places for work of one kind, and for some that waits.
#[derive(Debug)]
struct Turns {
    places: Arc<Semaphore>,
    queue: Semaphore,
}

impl Turns {
    fn new(places: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            queue: Semaphore::new(QUEUE_MAX),
        }
    }

    async fn wait(&self, metrics: &Metrics, timeout: Duration) -> Result<QueryTurn, ApiError> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(QueryTurn { _permit: permit });
        }
        let Ok(_place) = self.queue.try_acquire() else {
            return Err(ApiError::unavailable(
                "too many queries are waiting; try again",
            ));
        };
        let _waiting = metrics.queries_waiting.raise();
        let turn = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(timeout.min(QUEUE_WAIT_MAX), turn).await {
            Ok(Ok(permit)) => Ok(QueryTurn { _permit: permit }),
            _ => Err(ApiError::timeout("query timed out in query queue")),
        }
    }
}

/// A permit of `places`, waited for a while.
async fn turn(places: &Arc<Semaphore>, what: &str) -> Result<OwnedSemaphorePermit, ApiError> {
    let waiting = Arc::clone(places).acquire_owned();
    match tokio::time::timeout(QUEUE_WAIT_MAX, waiting).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(ApiError::unavailable(format!(
            "too many {what} are under way; try again"
        ))),
    }
}

/// Lets one query or lookup run until dropped; it goes with the query, which may outlive its client for a moment.
#[derive(Debug)]
pub(crate) struct QueryTurn {
    _permit: OwnedSemaphorePermit,
}

/// Stops a query when the request that asked for it is dropped, because the client went away.
#[derive(Debug, Default)]
pub(crate) struct CancelOnDrop(pub(crate) Cancellation);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// What is left of a time limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    started: Instant,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            started: Instant::now(),
            limit,
        }
    }

    pub(crate) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.started.elapsed())
    }
}

/// The time of day, Unix milliseconds.
pub(crate) fn unix_ms() -> i64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn state(concurrency: &str) -> ServerState {
        let mut settings = Settings::default();
        settings.set("query.max-concurrency", concurrency).unwrap();
        ServerState::new(Config::new(&settings).unwrap(), "here".to_owned())
    }

    #[tokio::test]
    async fn a_query_beyond_the_limit_waits_its_turn_and_no_longer_than_its_timeout() {
        let state = state("1");
        let first = state.query_turn(Duration::ZERO).await.unwrap();
        let refused = state
            .query_turn(Duration::from_millis(1))
            .await
            .unwrap_err();
        assert_eq!(refused, ApiError::timeout("query timed out in query queue"));
        let (second, ()) = tokio::join!(state.query_turn(Duration::from_secs(60)), async {
            drop(first)
        });
        assert!(second.is_ok());
        assert_eq!(state.metrics.queries_waiting.value(), 0);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let state = state("1");
        let _running = state.query_turn(Duration::ZERO).await.unwrap();
        let _places: Vec<_> = (0..QUEUE_MAX)
            .map(|_| state.queries.queue.try_acquire().unwrap())
            .collect();
        let refused = state.query_turn(Duration::from_secs(60)).await.unwrap_err();
        assert_eq!(
            refused,
            ApiError::unavailable("too many queries are waiting; try again")
        );
    }

    #[tokio::test]
    async fn lookups_take_no_turn_of_a_query() {
        let state = state("4");
        let lookup = state.lookup_turn(Duration::ZERO).await.unwrap();
        assert!(state.lookup_turn(Duration::ZERO).await.is_err());
        let queries: Vec<_> = (0..4)
            .map(|_| Arc::clone(&state.queries.places).try_acquire_owned())
            .collect();
        assert!(queries.iter().all(Result::is_ok));
        drop(lookup);
        assert!(state.lookup_turn(Duration::ZERO).await.is_ok());
    }

    #[test]
    fn a_dropped_request_cancels_its_query() {
        let cancel = CancelOnDrop::default();
        let seen = cancel.0.clone();
        assert!(!seen.is_cancelled());
        drop(cancel);
        assert!(seen.is_cancelled());
    }
}
