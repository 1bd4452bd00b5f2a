//! Requests in, series out.

mod corpus;
mod deltas;
mod deltas_refused;
mod hostile;
mod memory;
mod points;
mod request;
