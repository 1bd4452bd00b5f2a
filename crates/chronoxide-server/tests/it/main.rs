//! The server as clients meet it: started in this process on a port of its own, spoken to over HTTP.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod active_queries;
mod activity;
mod admin;
mod bounds;
mod compliance;
mod deltas;
mod exemplars;
mod federate;
mod grpc;
mod http;
mod lookups;
mod metadata;
mod otlp;
mod own_metrics;
mod page;
mod prefix;
mod query;
mod query_memory;
mod remote_read;
mod remote_write;
mod running;
mod sequences;
mod start_times;
mod status;
mod transfer;
mod wire;
mod wire_v2;
