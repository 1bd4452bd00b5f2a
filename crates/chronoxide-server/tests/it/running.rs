//! A server in this process, and ways to talk to it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use chronoxide_server::{Config, Server, Settings};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::wire;

/// A server with a data directory of its own; both end with it.
pub(crate) struct Running {
    runtime: Runtime,
    server: Option<Server>,
    directory: TempDir,
    pub(crate) address: String,
    /// Where OTLP/HTTP has a port of its own; empty when it has none.
    pub(crate) otlp_address: String,
    /// Where OTLP/gRPC has a port of its own; empty when it has none.
    pub(crate) grpc_address: String,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: String,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The data of a successful answer.
    pub(crate) fn data(&self) -> Value {
        assert_eq!(
            (self.status, self.header("content-type")),
            (200, "application/json"),
            "{}",
            self.body
        );
        let mut json = self.json();
        assert_eq!(json["status"], "success");
        json["data"].take()
    }

    /// Type and text of an error answer.
    pub(crate) fn error(&self) -> (String, String) {
        let json = self.json();
        assert_eq!(json["status"], "error");
        let text = |key: &str| json[key].as_str().unwrap().to_owned();
        (text("errorType"), text("error"))
    }
}

impl Running {
    /// A server with default settings that does not store its own metrics.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::start_in(directory, settings)
    }

    pub(crate) fn start_in(directory: TempDir, settings: &[(&str, &str)]) -> Self {
        let runtime = Runtime::new().unwrap();
        let config = config(&directory.path().join("data"), settings);
        let server = runtime.block_on(Server::start(config)).unwrap();
        let address = server.address().to_string();
        let text = |address: Option<std::net::SocketAddr>| {
            address.map_or_else(String::new, |address| address.to_string())
        };
        let otlp_address = text(server.otlp_address());
        let grpc_address = text(server.grpc_address());
        Self {
            runtime,
            server: Some(server),
            directory,
            address,
            otlp_address,
            grpc_address,
        }
    }

    /// Ends the server cleanly and gives the directory back.
    pub(crate) fn stop(mut self) -> TempDir {
        let server = self.server.take().unwrap();
        self.runtime.block_on(server.shutdown()).unwrap();
        std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap())
    }

    /// Where the data directory is.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn get(&self, path_and_query: &str) -> Answer {
        answer(agent().get(self.url(path_and_query)).call())
    }

    pub(crate) fn get_with(&self, path_and_query: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = agent().get(self.url(path_and_query));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.call())
    }

    /// POSTs a form.
    pub(crate) fn post_form(&self, path_and_query: &str, form: &str) -> Answer {
        let request = agent().post(self.url(path_and_query));
        answer(
            request
                .header("content-type", "application/x-www-form-urlencoded")
                .send(form),
        )
    }

    /// PUTs a form.
    pub(crate) fn put_form(&self, path_and_query: &str, form: &str) -> Answer {
        let request = agent().put(self.url(path_and_query));
        answer(
            request
                .header("content-type", "application/x-www-form-urlencoded")
                .send(form),
        )
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        post(&self.url(path), headers, body)
    }

    /// POSTs to the port that OTLP/HTTP has of its own.
    pub(crate) fn post_otlp(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        post(
            &format!("http://{}{path}", self.otlp_address),
            headers,
            body,
        )
    }

    /// Runs an instant query and gives its data.
    pub(crate) fn query(&self, text: &str, time_ms: i64) -> Value {
        let time = time_ms as f64 / 1000.0;
        self.get(&format!(
            "/api/v1/query?query={}&time={time}",
            escaped(text)
        ))
        .data()
    }

    /// Writes series by remote write and demands that all is taken.
    pub(crate) fn write(&self, series: &[wire::Series]) {
        let answer = self.post("/api/v1/write", &wire::V1_HEADERS, &wire::v1_body(series));
        assert_eq!(answer.status, 204, "{}", answer.body);
    }

    /// Sends bytes as they are and reads until the server closes.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn url(&self, path_and_query: &str) -> String {
        format!("http://{}{path_and_query}", self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            // A failing test has its own message; one about shutdown would hide it.
            let _ = self.runtime.block_on(server.shutdown());
        }
    }
}

/// A configuration for a server on a free port.
pub(crate) fn config(data: &Path, settings: &[(&str, &str)]) -> Config {
    let mut all = Settings::default();
    all.set("storage.path", data.to_str().unwrap()).unwrap();
    all.set("http.listen", "127.0.0.1:0").unwrap();
    all.set("otlp.http.listen", "off").unwrap();
    all.set("otlp.grpc.listen", "off").unwrap();
    all.set("self-metrics.interval", "off").unwrap();
    all.set("storage.min-free", "1MiB").unwrap();
    for (key, value) in settings {
        all.set(key, *value).unwrap();
    }
    Config::new(&all).unwrap()
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .into()
}

fn post(url: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut request = agent().post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request.send(body))
}

fn answer(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let response = result.unwrap();
    let (parts, mut body) = response.into_parts();
    let bytes = body.read_to_vec().unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&bytes).into_owned(),
        bytes,
    }
}

/// `text` as it may stand in a query string.
pub(crate) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// The time of day in Unix milliseconds, cut to the second so that texts of it are short.
pub(crate) fn now_ms() -> i64 {
    i64::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    )
    .unwrap()
        * 1000
}
