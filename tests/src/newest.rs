//! The newest Prometheus, built by Go from `tests/peers/prometheus`, and the instrumented program of the same module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::process::{Process, free_port, wait_until};

/// Paths of the programs that Go built.
#[derive(Clone, Debug)]
pub struct NewestPeers {
    prometheus: PathBuf,
    server: PathBuf,
    target: PathBuf,
}

/// A running target: a program with classic and native histograms, counters, exemplars.
#[derive(Debug)]
pub struct Target {
    _process: Process,
    port: u16,
}

/// A running Prometheus of the newest kind, which remote-writes version 2.
#[derive(Debug)]
pub struct NewestPrometheus {
    process: Process,
    port: u16,
}

impl NewestPeers {
    /// The programs, built once for all tests, which takes minutes the first time and seconds when they are there;
    /// nothing where Go is not installed.
    ///
    /// # Panics
    /// When Go is there and cannot build them.
    #[must_use]
    pub fn built() -> Option<&'static Self> {
        static BUILT: OnceLock<Option<NewestPeers>> = OnceLock::new();
        BUILT.get_or_init(Self::build).as_ref()
    }

    fn build() -> Option<Self> {
        let version = Command::new("go")
            .arg("version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !version.is_ok_and(|status| status.success()) {
            return None;
        }
        let folder = folder();
        let build = |package: &str, name: &str| {
            let program = folder.join(name);
            let status = Command::new("go")
                .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/prometheus"))
                // Without service discovery of clouds, which is most of what there is to compile.
                .args(["build", "-p", "2", "-tags", "remove_all_sd", "-o"])
                .arg(&program)
                .arg(package)
                .status();
            assert!(
                status.expect("go runs").success(),
                "go could not build {package}"
            );
            program
        };
        Some(Self {
            prometheus: build(
                "github.com/prometheus/prometheus/cmd/prometheus",
                "prometheus",
            ),
            server: build("./server", "server"),
            target: build("./target", "target"),
        })
    }
}

/// Where the programs are kept: `target/peers`, beside the profiles.
fn folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    // target/<profile>/deps/<test>
    let target = test.ancestors().nth(3);
    target
        .expect("tests lie in target/<profile>/deps")
        .join("peers")
}

impl Target {
    /// Starts the target and waits until it answers; being asked for that does not count as a scrape.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn start(folder: &Path, peers: &NewestPeers) -> Self {
        let port = free_port();
        let mut command = Command::new(&peers.target);
        command.arg(format!("-listen=127.0.0.1:{port}"));
        let process = Process::start(&mut command, &folder.join("target.log"));
        let process = process.expect("the target starts");
        let url = format!("http://127.0.0.1:{port}/-/healthy");
        let answered = wait_until(Duration::from_secs(20), || ureq::get(&url).call().ok());
        assert!(answered.is_some(), "the target answers");
        Self {
            _process: process,
            port,
        }
    }
}

impl NewestPrometheus {
    /// Starts an agent that scrapes `target` every second as job `target` and remote-writes all that it has to `server`.
    /// Agents of this version have no metadata to send.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_agent(folder: &Path, peers: &NewestPeers, target: &Target, server: &str) -> Self {
        let data = folder.join("newest-data");
        Self::start(
            &peers.prometheus,
            folder,
            target,
            server,
            |command, port| {
                command
                    .arg("--agent")
                    .arg("--enable-feature=exemplar-storage,st-storage")
                    .arg(format!("--storage.agent.path={}", data.display()))
                    .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                    .arg("--config.file");
            },
        )
    }

    /// Starts what servers are made of, to do as the agent does and send metadata too.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_server(folder: &Path, peers: &NewestPeers, target: &Target, server: &str) -> Self {
        let data = folder.join("newest-data");
        Self::start(&peers.server, folder, target, server, |command, port| {
            command
                .arg(format!("-data={}", data.display()))
                .arg(format!("-listen=127.0.0.1:{port}"))
                .arg("-config");
        })
    }

    /// Starts `program` with the arguments that `arguments` adds, which end with the flag for the configuration.
    fn start(
        program: &Path,
        folder: &Path,
        target: &Target,
        server: &str,
        arguments: impl FnOnce(&mut Command, u16),
    ) -> Self {
        let config = folder.join("newest.yml");
        fs::write(&config, config_text(target.port, server)).expect("the configuration is written");
        let port = free_port();
        let mut command = Command::new(program);
        arguments(&mut command, port);
        let process = Process::start(command.arg(config), &folder.join("newest.log"));
        Self {
            process: process.expect("Prometheus starts"),
            port,
        }
    }

    /// The value of one of its own metrics, summed over its label sets; nothing when it has no such metric or
    /// does not answer.
    #[must_use]
    pub fn own_metric(&self, name: &str) -> Option<f64> {
        let url = format!("http://127.0.0.1:{}/metrics", self.port);
        let mut response = ureq::get(url).call().ok()?;
        let text = response.body_mut().read_to_string().ok()?;
        let lines = text
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.reduce(|sum, value| sum + value)
    }

    /// What it has logged.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }
}

/// With a single shard all that was scraped earlier arrives earlier.
fn config_text(target: u16, server: &str) -> String {
    format!(
        "global:\n  scrape_interval: 1s\n  scrape_protocols: [PrometheusProto]\n  scrape_native_histograms: true\n\
         scrape_configs:\n  - job_name: target\n    static_configs:\n      - targets: ['127.0.0.1:{target}']\n\
         remote_write:\n  - url: {server}/api/v1/write\n    protobuf_message: io.prometheus.write.v2.Request\n\
         \x20   send_exemplars: true\n    send_native_histograms: true\n    queue_config:\n      max_shards: 1\n\
         \x20     batch_send_deadline: 500ms\n      min_backoff: 30ms\n      max_backoff: 500ms\n"
    )
}
