//! The workload that the benches share: recorded scrapes where they are at hand, a seeded synthetic set otherwise.
//!
//! Recorded scrapes are read from `CHRONOXIDE_CAPTURE`, or from `../shared/data/capture.bin.zst` beside the
//! repository. One second apart, 30 minutes long; [`Workload::every`] thins them out.

mod capture;
mod cluster;
mod dashboard;
mod otlp;
mod replay;
mod sender;
mod synthetic;
mod target;
pub mod wire;
mod workload;

pub use cluster::cluster_labels;
pub use dashboard::{DASHBOARD_QUERIES, DashboardSeries, dashboard_series};
pub use otlp::OtlpRequest;
pub use replay::{Recording, Replay};
pub use sender::{REQUEST_SERIES, Sender, Version};
pub use target::Target;
pub use workload::{Job, Workload};
