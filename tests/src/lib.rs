//! Tools for the system tests: the real binary as a process, its peers as processes, the protocols they speak.

mod answer;
mod body;
mod collector;
mod newest;
mod peers;
mod process;
mod sdk;
mod server;

pub use answer::{Answer, VectorSample, query, query_range};
pub use body::{LabelPair, RemoteWriteSample, remote_write_body};
pub use collector::{Collector, Destinations};
pub use newest::{NewestPeers, NewestPrometheus, Target};
pub use peers::{Agent, NodeExporter, PrometheusServer, program_output};
pub use process::{Process, free_port, wait_until};
pub use sdk::{Sdk, python_clients};
pub use server::{Push, Server};
