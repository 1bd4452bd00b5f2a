//! The real binary, running.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::process::{Process, free_port, wait_until};

/// A running `chronoxide`.
#[derive(Debug)]
pub struct Server {
    process: Process,
    port: u16,
}

/// What a push came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// HTTP status.
    pub status: u16,
    /// The body of the answer.
    pub text: String,
}

impl Server {
    /// The binary, built if need be.
    ///
    /// # Panics
    /// When it cannot be built.
    #[must_use]
    pub fn binary() -> &'static Path {
        binary()
    }

    /// Starts the binary on `data`, on a port of its own, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready; the message has its output.
    #[must_use]
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, free_port(), &[])
    }

    /// Starts the binary on `data` and `port` with `arguments` besides, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready; the message has its output.
    #[must_use]
    pub fn start_with(data: &Path, port: u16, arguments: &[&str]) -> Self {
        let mut server = Self::spawn(data, port, arguments).expect("the binary starts");
        if let Err(output) = server.wait_ready() {
            panic!("the server did not become ready:\n{output}");
        }
        server
    }

    /// Starts the binary and does not wait.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(data: &Path, port: u16, arguments: &[&str]) -> io::Result<Self> {
        let log = data.with_extension("log");
        let mut command = Command::new(binary());
        command
            .arg("--storage.path")
            .arg(data)
            .arg("--http.listen")
            .arg(format!("127.0.0.1:{port}"))
            .args(["--otlp.http.listen", "off", "--otlp.grpc.listen", "off"]);
        command.args(arguments);
        Ok(Self {
            process: Process::start(&mut command, &log)?,
            port,
        })
    }

    /// Waits until the server says that it is ready.
    ///
    /// # Errors
    /// With its output, when it ends instead or takes longer than half a minute.
    pub fn wait_ready(&mut self) -> Result<(), String> {
        let url = format!("{}/-/ready", self.url());
        let ready = wait_until(Duration::from_secs(30), || {
            if let Ok(Some(_)) = self.process.exit_status() {
                return Some(false);
            }
            ureq::get(&url).call().ok().map(|_| true)
        });
        if ready == Some(true) {
            Ok(())
        } else {
            Err(self.process.output())
        }
    }

    /// Where the API is, without a final slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port of the main listener.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What the server has logged so far, earlier runs on the same data included.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Ends the server with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Ends the server with SIGTERM.
    ///
    /// # Panics
    /// When it does not end, or not with success.
    pub fn stop(&mut self) {
        let status = self
            .process
            .terminate(Duration::from_secs(30))
            .expect("the server ends after SIGTERM");
        assert!(
            status.success(),
            "the server ended with {status}:\n{}",
            self.output()
        );
    }

    /// Pushes a remote-write body.
    ///
    /// # Errors
    /// When no answer comes at all.
    pub fn push(&self, body: &[u8]) -> Result<Push, ureq::Error> {
        let mut response = ureq::post(format!("{}/api/v1/write", self.url()))
            .config()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .header("Content-Type", "application/x-protobuf")
            .header("Content-Encoding", "snappy")
            .send(body)?;
        let status = response.status().as_u16();
        Ok(Push {
            status,
            text: response.body_mut().read_to_string()?,
        })
    }
}

/// The binary beside the running test, built first so that it is never an old one.
///
/// # Panics
/// When it cannot be built.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let test = std::env::current_exe().expect("a test has a path");
        let profile = test
            .parent()
            .and_then(Path::parent)
            .expect("tests lie in target/<profile>/deps");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        build.args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            "chronoxide-cli",
            "--target-dir",
        ]);
        build.arg(
            profile
                .parent()
                .expect("a profile lies in the target directory"),
        );
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(
            build.status().expect("cargo runs").success(),
            "the binary does not build"
        );
        profile.join("chronoxide")
    })
}
