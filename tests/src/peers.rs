//! The peers that real data comes from: a node exporter, and a Prometheus agent that scrapes and remote-writes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::{Process, free_port, wait_until};

/// A running `prometheus-node-exporter`.
#[derive(Debug)]
pub struct NodeExporter {
    _process: Process,
    port: u16,
}

/// A running `prometheus` in agent mode.
#[derive(Debug)]
pub struct Agent {
    process: Process,
    port: u16,
}

/// A running `prometheus` that scrapes nothing.
#[derive(Debug)]
pub struct PrometheusServer {
    _process: Process,
    url: String,
}

/// What a program prints when it ends well, or all that it prints when it does not; `None` when it is not installed.
///
/// # Panics
/// When it is installed and cannot be run.
pub fn program_output(command: &mut Command) -> Option<Result<String, String>> {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{command:?}: {error}"),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let out = text(&output.stdout);
    Some(if output.status.success() {
        Ok(out)
    } else {
        Err(out + &text(&output.stderr))
    })
}

fn is_installed(program: &str) -> bool {
    let version = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

impl NodeExporter {
    /// Starts the exporter, if it is installed.
    ///
    /// # Panics
    /// When it is installed and does not start.
    #[must_use]
    pub fn start(folder: &Path) -> Option<Self> {
        if !is_installed("prometheus-node-exporter") {
            return None;
        }
        let port = free_port();
        let mut command = Command::new("prometheus-node-exporter");
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = Process::start(&mut command, &folder.join("node-exporter.log"))
            .expect("the exporter starts");
        let exporter = Self {
            _process: process,
            port,
        };
        let url = format!("{}/metrics", exporter.url());
        let answered = wait_until(Duration::from_secs(20), || ureq::get(&url).call().ok());
        assert!(answered.is_some(), "the exporter answers");
        Some(exporter)
    }

    /// Where the exporter listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What the exporter exposes now.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut response = ureq::get(format!("{}/metrics", self.url()))
            .call()
            .expect("the exporter answers");
        response
            .body_mut()
            .read_to_string()
            .expect("metrics are text")
    }
}

impl PrometheusServer {
    /// Starts a server with a store of its own, with `config` in its configuration file and `arguments` besides, and
    /// waits until it is ready; `None` when it is not installed.
    ///
    /// # Panics
    /// When it is installed and does not start.
    #[must_use]
    pub fn start(folder: &Path, config: &str, arguments: &[&str]) -> Option<Self> {
        if !is_installed("prometheus") {
            return None;
        }
        let file = folder.join("prometheus.yml");
        fs::write(&file, config).expect("the configuration is written");
        let url = format!("http://127.0.0.1:{}", free_port());
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("prometheus-data").display()
            ))
            .arg(format!(
                "--web.listen-address={}",
                url.trim_start_matches("http://")
            ))
            .args(arguments);
        let process = Process::start(&mut command, &folder.join("prometheus.log"))
            .expect("the server starts");
        let ready = format!("{url}/-/ready");
        let answered = wait_until(Duration::from_secs(30), || ureq::get(&ready).call().ok());
        assert!(answered.is_some(), "not ready:\n{}", process.output());
        Some(Self {
            _process: process,
            url,
        })
    }

    /// Where the API is, without a final slash.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Agent {
    /// Starts an agent that scrapes `exporter` every second as job `node` and remote-writes to `server`, if it is
    /// installed.
    ///
    /// # Panics
    /// When it is installed and does not start.
    #[must_use]
    pub fn start(folder: &Path, exporter: &NodeExporter, server: &str) -> Option<Self> {
        if !is_installed("prometheus") {
            return None;
        }
        let config = folder.join("agent.yml");
        fs::write(&config, agent_config(&exporter.address(), server))
            .expect("the agent's configuration is written");
        let port = free_port();
        let mut command = Command::new("prometheus");
        command
            .arg("--enable-feature=agent")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.agent.path={}",
                folder.join("agent-data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process =
            Process::start(&mut command, &folder.join("agent.log")).expect("the agent starts");
        Some(Self { process, port })
    }

    /// The value of one of the agent's own metrics, summed over its label sets; nothing while it does not answer.
    #[must_use]
    pub fn own_metric(&self, name: &str) -> Option<f64> {
        let mut response = ureq::get(format!("http://127.0.0.1:{}/metrics", self.port))
            .call()
            .ok()?;
        let text = response.body_mut().read_to_string().ok()?;
        let values = text
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name));
        Some(
            values
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum(),
        )
    }

    /// What the agent has logged.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }
}

fn agent_config(target: &str, server: &str) -> String {
    format!(
        "global:\n  scrape_interval: 1s\n  external_labels:\n    cluster: test\n\
         scrape_configs:\n  - job_name: node\n    static_configs:\n      - targets: ['{target}']\n\
         remote_write:\n  - url: {server}/api/v1/write\n    queue_config:\n      batch_send_deadline: 500ms\n\
         \x20     min_backoff: 30ms\n      max_backoff: 500ms\n"
    )
}
