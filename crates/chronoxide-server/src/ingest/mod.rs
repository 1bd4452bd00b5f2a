//! Endpoints that take samples in.

mod body;
mod commit;
mod otlp;
mod remote_write;

pub(crate) use body::{BodyError, HeldMemory, RequestMemory, read};
pub(crate) use otlp::{
    Receiver as OtlpReceiver, refuse_signal as refuse_otlp_signal, write as write_otlp,
};
pub(crate) use remote_write::write;
