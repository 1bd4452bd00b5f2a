//! Endpoints that take samples in.
//!
//! `intake` is the way of a request of either protocol: `body` reads it, as far as
//! there is `request_memory`, `write_turns` says when it goes on, `encoding`
//! decompresses it (into `spare_buffers`), `commit` stores it where waiting harms nobody, `error` says what went wrong. `remote_write` and `otlp`
//! are what the protocols differ in.
//! `import` reads text of any length, line by line.

mod body;
mod commit;
mod encoding;
mod error;
mod import;
mod intake;
mod otlp;
mod remote_write;
mod request_memory;
mod spare_buffers;
mod write_turns;

pub(crate) use body::{BodyError, read};
pub(crate) use encoding::declared_by_snappy;
pub(crate) use import::{import_json, import_text, import_text_labelled};
pub(crate) use otlp::{
    Health as GrpcHealth, Receiver as OtlpReceiver, evict_idle_streams, grpc_routes,
    preflight as otlp_preflight, refuse_signal as refuse_otlp_signal, unknown_service,
    write as write_otlp,
};
pub(crate) use remote_write::write;
pub(crate) use request_memory::{HeldMemory, RequestMemory};
pub(crate) use spare_buffers::SpareBuffers;
pub(crate) use write_turns::WriteTurns;
