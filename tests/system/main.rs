//! The whole system, spoken to over HTTP.
