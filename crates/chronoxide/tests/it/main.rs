//! Storage and PromQL together: what must hold for any query, shown by generated ones.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on panics, and says with which seed"
)]

mod comparison;
mod data;
mod embedder;
mod layouts;
mod query_text;
mod steps;
mod summaries;
