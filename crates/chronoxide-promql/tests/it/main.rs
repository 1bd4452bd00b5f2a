//! The engine through its public interface.

mod deep_queries;
mod fuzz_corpus;
mod memory;
