//! An OpenTelemetry Collector, made by its own builder, that sends what it gets by three ways.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::process::{Process, free_port};
use crate::sdk::{installed, run, source};

/// A running Collector.
#[derive(Debug)]
pub struct Collector {
    process: Process,
    port: u16,
}

/// Where a Collector sends everything to, by each of its ways.
#[derive(Clone, Debug)]
pub struct Destinations {
    /// A server's address for OTLP/gRPC.
    pub grpc: String,
    /// A server's address for OTLP/HTTP.
    pub http: String,
    /// A server's address for remote write.
    pub remote_write: String,
}

impl Collector {
    /// Starts a Collector that sends to `destinations`.
    ///
    /// # Errors
    /// With the reason, when there is none here and none can be made.
    ///
    /// # Panics
    /// When there is one and it cannot be started.
    pub fn start(folder: &Path, destinations: &Destinations) -> Result<Self, String> {
        static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let binary = BINARY.get_or_init(build).as_ref()?;
        let port = free_port();
        let config = folder.join("collector.yaml");
        fs::write(&config, configuration(port, destinations))
            .expect("the configuration is written");
        let mut command = Command::new(binary);
        command.arg("--config").arg(&config);
        let log = folder.join("collector.log");
        let process = Process::start(&mut command, &log).expect("the Collector starts");
        Ok(Self { process, port })
    }

    /// Where the Collector takes OTLP/gRPC.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the Collector has logged.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }
}

/// Makes the Collector, which takes minutes the first time.
fn build() -> Result<PathBuf, String> {
    let source = source("collector");
    let folder = installed("collector", &source.join("builder.yaml"), |folder| {
        for file in ["builder.yaml", "go.mod", "go.sum"] {
            fs::copy(source.join(file), folder.join(file)).map_err(|error| error.to_string())?;
        }
        let mut builder = Command::new("go");
        builder.args(["tool", "builder", "--config", "builder.yaml"]);
        run(builder.current_dir(folder))
    })?;
    Ok(folder.join("build/collector"))
}

fn configuration(port: u16, destinations: &Destinations) -> String {
    let Destinations {
        grpc,
        http,
        remote_write,
    } = destinations;
    format!(
        "receivers:\n  otlp:\n    protocols:\n      grpc:\n        endpoint: 127.0.0.1:{port}\n\
         exporters:\n  otlp_grpc:\n    endpoint: {grpc}\n    compression: zstd\n    tls:\n      insecure: true\n\
         \x20 otlp_http:\n    endpoint: {http}\n    compression: zstd\n\
         \x20 prometheus_remote_write:\n    endpoint: {remote_write}/api/v1/write\n    target_info:\n      enabled: true\n\
         service:\n  telemetry:\n    metrics:\n      level: none\n  pipelines:\n    metrics:\n      receivers: [otlp]\n\
         \x20     exporters: [otlp_grpc, otlp_http, prometheus_remote_write]\n"
    )
}
