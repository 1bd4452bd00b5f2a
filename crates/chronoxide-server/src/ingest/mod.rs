//! Endpoints that take samples in.

mod body;
mod otlp;
mod remote_write;

pub(crate) use body::{BodyError, HeldMemory, RequestMemory, read};
pub(crate) use otlp::refuse as refuse_otlp;
pub(crate) use remote_write::write;
