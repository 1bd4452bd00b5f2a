//! Requests in, series out.

mod corpus;
mod deltas;
mod hostile;
mod points;
mod request;
