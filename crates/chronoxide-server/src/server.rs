//! Starting, serving, and coming to an end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use chronoxide_storage::{Database, Durability, Options};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tower_layer::Layer as _;

use crate::config::{Config, DurabilityMode};
use crate::error::{Error, Result};
use crate::host::{host_name, own_instance};
use crate::ingest::evict_idle_streams;
use crate::raw_query::RawQuery;
use crate::router::{otlp_router, router};
use crate::self_metrics::Scraper;
use crate::stall::StallTimeout;
use crate::state::ServerState;

/// How long a connection may take to send a request's head, idle time between requests included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// How long a client may leave an answer untouched.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection may be silent; while a query runs its client is, so longer where queries may take longer.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// How long shutdown waits for a query whose client is gone.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long an HTTP/2 connection may be silent before its client is asked whether it is still there; within
/// [`PING_TIMEOUT`] it has to answer. So that clients behind routers that forget connections are not waited for, and their
/// connections are not forgotten.
const PING_INTERVAL: Duration = Duration::from_secs(60);

/// How long a client may take to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Streams that one HTTP/2 connection may have open.
const STREAMS_MAX: u32 = 100;

/// A running server.
///
/// Dropping it leaves its tasks to the runtime; call [`Server::shutdown`] to end them and to close the database.
#[derive(Debug)]
pub struct Server {
    state: Arc<ServerState>,
    address: SocketAddr,
    otlp_address: Option<SocketAddr>,
    grpc_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    acceptors: Vec<JoinHandle<()>>,
    /// What goes on beside requests.
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Listens, opens the data directory and serves.
    ///
    /// While the data directory is being opened the server already answers: 503 to everything but `/-/healthy` and
    /// `/metrics`. When this returns, the server is ready.
    ///
    /// # Errors
    /// When an address is taken or the data directory cannot be used.
    pub async fn start(config: Config) -> Result<Self> {
        let listen = |source| Error::Listen {
            address: config.http_listen,
            source,
        };
        let listener = TcpListener::bind(config.http_listen)
            .await
            .map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let otlp = listen_otlp(config.otlp_http_listen, |address, source| {
            Error::ListenOtlp { address, source }
        });
        let otlp = otlp.await?;
        let grpc = listen_otlp(config.otlp_grpc_listen, |address, source| {
            Error::ListenGrpc { address, source }
        });
        let grpc = grpc.await?;
        let otlp_address = otlp.as_ref().map(|(_, address)| *address);
        let grpc_address = grpc.as_ref().map(|(_, address)| *address);
        let instance = own_instance(address, &host_name());
        let state = Arc::new(ServerState::new(config, instance));
        let (stop, stopped) = watch::channel(false);
        let places = connection_places(&state.config);
        state.grpc_health.set(false).await;
        let mut doors = vec![(listener, router(Arc::clone(&state), &stopped))];
        for (listener, _) in [otlp, grpc].into_iter().flatten() {
            doors.push((listener, otlp_router(Arc::clone(&state), &stopped)));
        }
        let acceptors = doors.into_iter().map(|(listener, router)| {
            let (state, places) = (Arc::clone(&state), Arc::clone(&places));
            tokio::spawn(accept(listener, router, state, places, stopped.clone()))
        });
        let acceptors = acceptors.collect();
        let mut server = Self {
            state,
            address,
            otlp_address,
            grpc_address,
            stop,
            acceptors,
            tasks: Vec::new(),
        };
        match server.open_database().await {
            Ok(database) => {
                server.state.set_database(Arc::new(database));
                server.state.grpc_health.set(true).await;
            }
            Err(error) => {
                server.end_tasks().await;
                return Err(error);
            }
        }
        if let Some(interval) = server.state.config.self_metrics_interval {
            let scraper = Scraper::new(Arc::clone(&server.state), interval);
            server
                .tasks
                .push(tokio::spawn(scraper.run(stopped.clone())));
        }
        let evicting = evict_idle_streams(Arc::clone(&server.state), stopped);
        server.tasks.push(tokio::spawn(evicting));
        tracing::info!(address = %server.address, "ready");
        Ok(server)
    }

    async fn open_database(&self) -> Result<Database> {
        let path = self.state.config.storage_path.clone();
        let options = storage_options(&self.state.config);
        let opening = {
            let (path, progress) = (path.clone(), self.state.replay.clone());
            tokio::task::spawn_blocking(move || Database::open_watched(path, options, &progress))
        };
        match opening.await {
            Ok(opened) => opened.map_err(|source| Error::Open {
                path,
                source: Box::new(source),
            }),
            Err(_) => Err(Error::Panicked {
                task: "opening the data directory",
            }),
        }
    }

    /// The address that the server listens on; with port 0 in the configuration, the port that was found.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its own that OTLP/HTTP has; `None` when it has none.
    #[must_use]
    pub const fn otlp_address(&self) -> Option<SocketAddr> {
        self.otlp_address
    }

    /// The address of its own that OTLP/gRPC has; `None` when it has none.
    #[must_use]
    pub const fn grpc_address(&self) -> Option<SocketAddr> {
        self.grpc_address
    }

    /// Ends: takes no more connections, lets requests under way finish for a while, flushes and closes the database.
    ///
    /// # Errors
    /// When the database could not be closed cleanly. Acknowledged samples are in its write-ahead log all the same.
    pub async fn shutdown(mut self) -> Result<()> {
        tracing::info!("shutting down");
        self.state.stop();
        self.state.grpc_health.set(false).await;
        self.end_tasks().await;
        let path = self.state.config.storage_path.clone();
        let Some(mut database) = self.state.last_database() else {
            return Ok(());
        };
        drop(self.state);
        let closing = tokio::task::spawn_blocking(move || {
            let deadline = Instant::now() + RELEASE_TIMEOUT;
            loop {
                match Arc::try_unwrap(database) {
                    Ok(database) => return database.close(),
                    // A query may outlive its client for a moment.
                    Err(shared) if Instant::now() < deadline => database = shared,
                    Err(shared) => {
                        tracing::warn!("a query is still being evaluated; it is cut off");
                        return shared.flush();
                    }
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        match closing.await {
            Ok(closed) => closed.map_err(|source| Error::Close {
                path,
                source: Box::new(source),
            }),
            Err(_) => Err(Error::Panicked {
                task: "closing the data directory",
            }),
        }
    }

    async fn end_tasks(&mut self) {
        // Nobody listens any more if all tasks have ended already.
        let _ = self.stop.send(true);
        for task in self.acceptors.iter_mut().chain(&mut self.tasks) {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the server ended in a panic; this is a bug");
            }
        }
    }
}

/// What the configuration means to storage.
fn storage_options(config: &Config) -> Options {
    let defaults = Options::default();
    let memory = config.memory();
    Options {
        durability: match config.durability {
            DurabilityMode::Sync => Durability::Sync,
            DurabilityMode::Interval(interval) => Durability::Interval(interval),
        },
        retention: config.retention_time,
        retention_bytes: config.retention_size_bytes,
        free_bytes_min: config.min_free_bytes,
        future_limit: config.future_limit,
        labels_max: config.labels_max,
        label_name_bytes_max: config.label_name_bytes_max,
        label_value_bytes_max: config.label_value_bytes_max,
        labels_bytes_max: config.labels_bytes_max,
        cache_bytes_max: memory.cache_bytes_max() - memory.tree_bytes_max(),
        exemplar_bytes_max: config.exemplar_bytes_max(),
        exemplars_per_series_max: config.exemplars_per_series_max,
        metadata_bytes_max: memory.metadata_bytes_max(),
        series_max: config.series_limit.unwrap_or_else(|| memory.series_max()),
        series_bytes_max: Some(memory.series_bytes_max()),
        head_bytes_min: memory.head_bytes_max().min(defaults.head_bytes_min),
        head_bytes_max: memory.head_bytes_max(),
        ..defaults
    }
}

/// A listener for OTLP and where it is, unless it is turned off.
async fn listen_otlp(
    address: Option<SocketAddr>,
    error: fn(SocketAddr, std::io::Error) -> Error,
) -> Result<Option<(TcpListener, SocketAddr)>> {
    let Some(address) = address else {
        return Ok(None);
    };
    let failed = |source| error(address, source);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Some((listener, address)))
}

/// A permit for each connection that may be open, on whichever port.
fn connection_places(config: &Config) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(
        config.connections_max.min(Semaphore::MAX_PERMITS),
    ))
}

/// Takes connections until told to stop, then waits for those that are open.
async fn accept(
    listener: TcpListener,
    router: Router,
    state: Arc<ServerState>,
    places: Arc<Semaphore>,
    mut stopped: watch::Receiver<bool>,
) {
    let idle = IDLE_TIMEOUT.max(state.config.query_timeout.saturating_mul(2));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let accepted = tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => continue,
            accepted = async { (place.await, listener.accept().await) } => accepted,
        };
        match accepted {
            (Ok(place), Ok((stream, peer))) => {
                // Answers are written whole, so waiting to join small packets only delays them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection's delay could not be turned off");
                }
                let stream = RawQuery::new(StallTimeout::new(stream, idle, STALL_TIMEOUT));
                let connection = serve(stream, peer, router.clone(), &graceful);
                let state = Arc::clone(&state);
                connections.spawn(async move {
                    let _place = place;
                    let _open = state.metrics.connections.raise();
                    connection.await;
                });
            }
            (_, Err(error)) => {
                // Mostly too many open files: give others time to close theirs.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            (Err(_), Ok(_)) => break,
        }
    }
    drop(listener);
    if tokio::time::timeout(state.config.shutdown_timeout, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests under way did not end in time and are cut off");
    }
    connections.shutdown().await;
}

/// Serves the requests of one connection.
fn serve(
    stream: RawQuery<StallTimeout<TcpStream>>,
    peer: SocketAddr,
    router: Router,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + use<> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_header_list_size(HEAD_BYTES_MAX as u32);
    // Around the router as a whole: to put it around each of its routes takes longer than most requests.
    let service = TowerToHyperService::new(Extension(ConnectInfo(peer)).layer(router));
    let connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .into_owned();
    let watched = graceful.watch(connection);
    async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, "a connection ended in an error");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::config::Settings;

    fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_server_without_its_data_answers_unavailable_but_is_healthy() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let config = Config::new(&Settings::default()).unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(ServerState::new(config, address.to_string()));
        let (_stop, stopped) = watch::channel(false);
        let places = connection_places(&state.config);
        let router = router(Arc::clone(&state), &stopped);
        runtime.spawn(accept(
            listener,
            router,
            Arc::clone(&state),
            places,
            stopped,
        ));
        for (path, status) in [
            ("/-/healthy", 200),
            ("/metrics", 200),
            ("/api/v1/status/walreplay", 200),
            ("/-/ready", 503),
            ("/api/v1/query?query=1", 503),
            ("/api/v1/labels", 503),
            ("/api/v1/metadata", 503),
            ("/api/v1/rules", 503),
            ("/api/v1/status/flags", 503),
            ("/federate", 503),
            ("/api/v1/notifications", 200),
        ] {
            let answer = get(address, path);
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{path}: {answer}"
            );
            let retry = answer.contains("retry-after: ");
            assert_eq!(
                retry,
                status == 503 && path != "/-/ready",
                "{path}: {answer}"
            );
        }
        let answer = get(address, "/api/v1/labels");
        assert!(
            answer.ends_with("\r\n\r\nService Unavailable\n"),
            "{answer}"
        );
        state.stop();
        assert!(get(address, "/-/ready").contains("x-prometheus-stopping: true"));
    }

    /// The clock leaps while nothing else is to be done, so that the minute takes no time.
    #[tokio::test(start_paused = true)]
    async fn silent_http2_clients_are_asked_and_given_up() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        const PING: u8 = 6;
        let config = Config::new(&Settings::default()).unwrap();
        let state = Arc::new(ServerState::new(config, "here".to_owned()));
        let (_stop, stopped) = watch::channel(false);
        let router = router(state, &stopped);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let stream = RawQuery::new(StallTimeout::new(stream, IDLE_TIMEOUT, STALL_TIMEOUT));
        let graceful = GracefulShutdown::new();
        let serving = tokio::spawn(serve(stream, peer, router, &graceful));
        let started = tokio::time::Instant::now();
        // The preface and settings without any.
        client
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
            .await
            .unwrap();
        let mut kinds = Vec::new();
        let mut head = [0; 9];
        while client.read_exact(&mut head).await.is_ok() {
            let length = usize::from(head[1]) << 8 | usize::from(head[2]);
            let mut payload = vec![0; length];
            client.read_exact(&mut payload).await.unwrap();
            kinds.push(head[3]);
        }
        assert!(kinds.contains(&PING), "{kinds:?}");
        serving.await.unwrap();
        let waited = started.elapsed();
        assert!(
            waited >= PING_INTERVAL && waited < IDLE_TIMEOUT,
            "{waited:?}"
        );
    }
}
