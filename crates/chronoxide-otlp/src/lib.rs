//! OTLP metrics requests to write batches: pure functions of bytes and their own state.
