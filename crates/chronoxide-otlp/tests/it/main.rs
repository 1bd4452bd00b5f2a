//! Requests in, series out.

mod deltas;
mod hostile;
mod points;
mod request;
