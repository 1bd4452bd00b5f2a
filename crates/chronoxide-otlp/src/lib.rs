//! OTLP metrics requests to [`WriteBatch`](chronoxide_model::WriteBatch)es.
//!
//! Pure functions of bytes and their own state: [`translate_protobuf`] and [`translate_json`] read a request,
//! [`translate_message`] takes one that has been decoded. Names, labels and values come out as Prometheus users expect
//! them, by the rules of the OpenTelemetry specification and Prometheus' own receiver; [`Options`] has the choices.
//! There is no HTTP here, no gRPC and no storage.
//!
//! What concerns a whole request is an [`Error`]; what concerns one data point is one of the [`Refusals`], and the
//! other points go on. Deltas are added up in [`DeltaStreams`], whose changes count once a batch is stored.
//!
//! ```
//! use chronoxide_otlp::{DeltaLimits, DeltaStreams, Options, translate_json};
//!
//! let body = br#"{"resourceMetrics": [{
//!     "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "checkout"}}]},
//!     "scopeMetrics": [{"metrics": [{"name": "queue.size", "unit": "{item}", "gauge": {"dataPoints": [
//!         {"timeUnixNano": "1700000000123000000", "asInt": "7"}
//!     ]}}]}]
//! }]}"#;
//! let mut streams = DeltaStreams::new(DeltaLimits::default(), 0);
//! let translation = translate_json(body, &Options::default(), &streams, 1_700_000_000_200)?;
//! let series = translation.batch.series().next().expect("one series");
//! assert_eq!(series.key.decode()?.to_string(), r#"queue_size{job="checkout", service_name="checkout"}"#);
//! assert_eq!(series.samples[0].value, 7.0);
//! let ticket = streams.begin(translation.deltas);
//! // Once the batch is stored:
//! streams.end(ticket, true);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! How the modules fit: `walk` reads protobuf in place, `json` reads into prost's messages; `walk` and `messages` show
//! what they find as the views of `view`, and `translator` makes samples of it, with a module for each kind of data
//! point.

mod attributes;
mod buckets;
mod decode;
mod error;
mod exemplar;
mod exponential_histogram;
mod hashed;
mod histogram;
mod json;
mod label_limits;
mod label_set;
mod memory;
mod messages;
mod naming;
mod number;
mod options;
mod refusal;
mod resource;
mod series_key;
mod summary;
mod target_info;
mod temporality;
mod translation;
mod translator;
mod view;
mod walk;

pub use decode::{
    translate_json, translate_json_within, translate_message, translate_protobuf,
    translate_protobuf_within,
};
pub use error::{Error, Result};
pub use label_limits::LabelLimits;
pub use naming::{NameKind, label_name, may_be_same_metric, metric_name, unit_words};
pub use options::{DeltaMode, HistogramForm, Options, Promotion, TranslationStrategy};
pub use refusal::{RefusalReason, Refusals, RefusedMetric};
pub use temporality::{DeltaChanges, DeltaLimits, DeltaStreams, DeltaTicket};
pub use translation::{EmptyMetrics, PartialSuccess, Translation};
