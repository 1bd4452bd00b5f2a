//! Running the binary.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A command that inherits no setting from the environment.
pub(crate) fn chronoxide() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chronoxide"));
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CHRONOXIDE_"))
    {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs the binary to its end, which must come within half a minute.
pub(crate) fn run(arguments: &[&str]) -> Output {
    run_command(chronoxide().args(arguments))
}

/// Like [`run`], for a command with more than arguments.
pub(crate) fn run_command(command: &mut Command) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("the command does not end: {:?}", texts(&output));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// The texts of an ended run: standard output, standard error.
pub(crate) fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// A server in a process of its own, killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: String,
    /// The block printed at the start.
    pub(crate) start_block: String,
}

impl Process {
    /// Starts a server that keeps its data in `data`, and waits until it is ready.
    pub(crate) fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut child = chronoxide()
            .args([
                "--storage.path",
                data.to_str().unwrap(),
                "--http.listen",
                "127.0.0.1:0",
                "--otlp.http.listen",
                "off",
                "--otlp.grpc.listen",
                "off",
            ])
            .args([
                "--self-metrics.interval",
                "off",
                "--storage.min-free",
                "1MiB",
            ])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut start_block = String::new();
        while !start_block.contains("  try ") {
            if output.read_line(&mut start_block).unwrap() == 0 {
                let mut reason = String::new();
                child
                    .stderr
                    .take()
                    .unwrap()
                    .read_to_string(&mut reason)
                    .unwrap();
                panic!("the server did not start: {start_block}{reason}");
            }
        }
        let listen = start_block
            .lines()
            .find_map(|line| line.trim().strip_prefix("listen"))
            .unwrap();
        let address = listen.trim().to_owned();
        Self {
            child,
            address,
            start_block,
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for the end, at most half a minute.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the process does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut log = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        (status, log)
    }

    /// Writes `name` with `value` at `timestamp_ms`; whether it was acknowledged.
    pub(crate) fn write(&self, name: &str, timestamp_ms: i64, value: f64) -> bool {
        let mut body = Vec::new();
        let message = message(name, timestamp_ms, value);
        // A snappy block of one literal: length, tag, bytes.
        body.extend([message.len() as u8, 60 << 2, (message.len() - 1) as u8]);
        body.extend(message);
        ureq::post(format!("http://{}/api/v1/write", self.address))
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "snappy")
            .send(&body[..])
            .is_ok_and(|response| response.status() == 204)
    }

    /// Whether the server still takes queries.
    pub(crate) fn is_ready(&self) -> bool {
        ureq::get(format!("http://{}/-/ready", self.address))
            .call()
            .is_ok()
    }

    /// The body of a GET.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut response = ureq::get(format!("http://{}{path}", self.address))
            .call()
            .unwrap();
        response.body_mut().read_to_string().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One sample of a series without further labels, as remote write 1.0, below 128 bytes.
fn message(name: &str, timestamp_ms: i64, value: f64) -> Vec<u8> {
    let mut label = vec![0x0a, 8];
    label.extend(b"__name__");
    label.extend([0x12, name.len() as u8]);
    label.extend(name.as_bytes());
    let mut sample = vec![0x09];
    sample.extend(value.to_bits().to_le_bytes());
    sample.push(0x10);
    let mut rest = timestamp_ms as u64;
    while rest >= 0x80 {
        sample.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    sample.push(rest as u8);
    let mut series = vec![0x0a, label.len() as u8];
    series.extend(label);
    series.extend([0x12, sample.len() as u8]);
    series.extend(sample);
    let mut message = vec![0x0a, series.len() as u8];
    message.extend(series);
    message
}

/// A port that nothing listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The time of day in Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    i64::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_millis(),
    )
    .unwrap()
}

/// Arguments that serve `data` on ports that nobody else has.
pub(crate) fn serve_arguments(data: &Path) -> [&str; 10] {
    [
        "--http.listen",
        "127.0.0.1:0",
        "--otlp.http.listen",
        "off",
        "--otlp.grpc.listen",
        "off",
        "--log.level",
        "error",
        "--storage.path",
        data.to_str().unwrap(),
    ]
}
