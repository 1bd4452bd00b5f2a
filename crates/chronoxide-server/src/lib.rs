//! The chronoxide server: the Prometheus HTTP API, ingest endpoints, own metrics and shutdown around the engine.
//!
//! It only wires. Storage, PromQL and the protocols are crates of their own that know no network; here are the
//! sockets, the limits of what clients may ask for, JSON, and HTTP status codes. What is below blocks, so each call
//! crosses over on a thread that may.
//!
//! ```no_run
//! # async fn run() -> Result<(), chronoxide_server::Error> {
//! use chronoxide_server::{Config, Server, Settings};
//!
//! let mut settings = Settings::default();
//! settings.set("http.listen", "127.0.0.1:0")?;
//! settings.set("otlp.http.listen", "127.0.0.1:0")?;
//! let server = Server::start(Config::new(&settings)?).await?;
//! println!("http://{}/", server.address());
//! server.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! `config` turns settings into a checked [`Config`]; `server` owns sockets and tasks; `router` says which path leads
//! where; `edge` holds what is the same for every request; `api` answers, `ingest` takes in; `self_metrics` counts.

mod accept;
mod active_queries;
mod answer_bytes;
mod api;
mod client;
mod config;
mod edge;
mod error;
mod host;
mod ingest;
mod lately;
mod log_limit;
mod page;
mod query_log;
mod query_memory;
mod raw_query;
mod router;
mod self_metrics;
mod server;
mod slow_query;
mod stall;
mod state;
mod stream;

pub use config::{
    CONFIG_FILE_VARIABLE, Config, ConfigError, DurabilityMode, LogFormat, Origins, Setting,
    Settings,
};
pub use error::{Error, Result};
pub use server::Server;
