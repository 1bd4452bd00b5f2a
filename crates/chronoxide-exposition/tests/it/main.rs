//! The corpus of the fuzz target, in ordinary tests.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod corpus;
