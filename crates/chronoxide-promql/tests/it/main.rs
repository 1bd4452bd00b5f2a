//! The engine through its public interface.

mod deep_queries;
