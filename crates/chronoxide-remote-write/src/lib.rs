//! Prometheus remote-write bodies to write batches: pure functions of bytes.
