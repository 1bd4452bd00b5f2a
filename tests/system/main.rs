//! The whole system: the real binary, real peers, spoken to over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that panics says what failed"
)]

mod agent;
mod alerts;
mod clients;
mod collector;
mod dashboards;
mod kill;
mod newest;
mod page;
mod rust_sdk;
mod sdks;
mod service;
