//! Where the texts of requests are read: in their turn, with memory for it, and never on a thread that serves connections.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use chronoxide_promql::QueryMemory as _;
use chronoxide_storage::{Database, Options};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::codegen::Service as _;

use crate::config::{Config, Settings};
use crate::router::router;
use crate::state::ServerState;

/// Requests whose text is no query and no selector, which is known once it has been read.
const UNREADABLE: [(&str, &str); 12] = [
    ("GET", "/api/v1/query?query=up%7B"),
    (
        "GET",
        "/api/v1/query_range?query=up%7B&start=0&end=1&step=1",
    ),
    ("GET", "/api/v1/format_query?query=up%7B"),
    ("GET", "/api/v1/parse_query?query=up%7B"),
    ("GET", "/api/v1/query_exemplars?query=up%7B"),
    ("GET", "/api/v1/series?match[]=up%7B"),
    ("GET", "/api/v1/labels?match[]=up%7B"),
    ("GET", "/api/v1/label/job/values?match[]=up%7B"),
    ("GET", "/federate?match[]=up%7B"),
    ("GET", "/api/v1/export?match[]=up%7B"),
    ("GET", "/api/v1/rules?match[]=up%7B"),
    ("POST", "/api/v1/admin/tsdb/delete_series?match[]=up%7B"),
];

/// A server of one thread, and one more for what may block.
struct Small {
    runtime: Runtime,
    state: Arc<ServerState>,
    router: Router,
    _directory: tempfile::TempDir,
}

impl Small {
    fn start() -> Self {
        let mut settings = Settings::default();
        settings.set("http.admin-api", "on").unwrap();
        settings.set("query.max-concurrency", "1").unwrap();
        let config = Config::new(&settings).unwrap();
        let state = Arc::new(ServerState::new(config, "here".to_owned()));
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(directory.path(), Options::default()).unwrap();
        state.set_database(Arc::new(database));
        let (_, stopped) = watch::channel(false);
        Self {
            runtime: Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(1)
                .build()
                .unwrap(),
            router: router(Arc::clone(&state), &stopped),
            state,
            _directory: directory,
        }
    }

    fn ask(&self, method: &str, path: &str) -> JoinHandle<Response> {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).unwrap();
        let answer = self.router.clone().call(request);
        self.runtime.spawn(async { answer.await.unwrap() })
    }

    /// Lets everything run that can.
    fn settle(&self) {
        self.runtime.block_on(async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        });
    }

    fn check_health(&self) {
        let answer = self.runtime.block_on(self.ask("GET", "/-/healthy"));
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
}

#[test]
fn texts_are_read_on_threads_that_may_block() {
    let server = Small::start();
    for (method, path) in UNREADABLE {
        let (release, released) = mpsc::channel::<()>();
        let blocker = server
            .runtime
            .spawn_blocking(move || released.recv().unwrap());
        let asked = server.ask(method, path);
        server.settle();
        assert!(!asked.is_finished(), "{path} was read between connections");
        server.check_health();
        release.send(()).unwrap();
        server.runtime.block_on(blocker).unwrap();
        let answer = server.runtime.block_on(asked).unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
    }
}

#[test]
fn texts_are_read_where_there_is_memory_for_it() {
    let server = Small::start();
    let memory = &server.state.query_memory;
    let all = memory.limit_bytes();
    assert!(memory.take(all));
    for (method, path) in UNREADABLE {
        let answer = server.runtime.block_on(server.ask(method, path));
        let status = answer.unwrap().status();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    memory.give_back(all);
    for (method, path) in UNREADABLE {
        let answer = server.runtime.block_on(server.ask(method, path));
        assert_eq!(answer.unwrap().status(), StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(memory.held_bytes(), 0, "{path}");
    }
}

#[test]
fn texts_are_read_in_their_turn() {
    let server = Small::start();
    for (method, path) in UNREADABLE {
        let query = server.state.query_turn(Duration::ZERO);
        let query = server.runtime.block_on(query).unwrap();
        let lookup = server.state.lookup_turn(Duration::ZERO);
        let lookup = server.runtime.block_on(lookup).unwrap();
        let asked = server.ask(method, path);
        server.settle();
        assert!(!asked.is_finished(), "{path} was read out of turn");
        drop((query, lookup));
        let answer = server.runtime.block_on(asked).unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
    }
}
