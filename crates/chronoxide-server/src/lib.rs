//! The chronoxide server: HTTP API, ingest, self-metrics and shutdown around the storage engine.
