//! What queries and their answers hold, alone, one after the other and beside others.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::running::{Running, now_ms};
use crate::wire::series;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// With so much in all, queries have 64 MiB.
const SMALL: (&str, &str) = ("memory.limit", "256MiB");

/// A query of 11,000 steps, and how many series it has.
struct Large {
    server: Running,
    series: usize,
    start: i64,
}

impl Large {
    fn start(series_count: usize, settings: &[(&str, &str)]) -> Self {
        let server = Running::start_with(settings);
        let now = now_ms();
        let names: Vec<String> = (0..series_count).map(|index| index.to_string()).collect();
        let all: Vec<_> = names
            .iter()
            .map(|name| series(&[("__name__", "x"), ("n", name)], now, 0.1))
            .collect();
        server.write(&all);
        Self {
            server,
            series: series_count,
            start: now / 1000,
        }
    }

    fn path(&self, query: &str) -> String {
        let end = self.start + 11;
        format!(
            "/api/v1/query_range?query={query}&start={}&end={end}&step=0.001",
            self.start
        )
    }

    /// What all queries and answers on their way hold, in bytes.
    fn held(&self) -> u64 {
        let metrics = self.server.get("/metrics").body;
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("chronoxide_memory_used_bytes{user=\"queries\"} "));
        line.unwrap().parse::<f64>().unwrap() as u64
    }

    fn wait_until_nothing_is_held(&self, after: &str) {
        let started = Instant::now();
        while self.held() > 0 {
            let held = self.held();
            assert!(started.elapsed() < PATIENCE, "{held} bytes after {after}");
            std::thread::yield_now();
        }
    }
}

/// A connection that is kept.
#[derive(Debug)]
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(server: &Running) -> Self {
        Self(BufReader::new(TcpStream::connect(&server.address).unwrap()))
    }

    /// Sends a request and reads the head of the answer: its status, and how many bytes follow.
    fn ask(&mut self, method: &str, path: &str, header: &str) -> (u16, usize) {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut length = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                return (status, length);
            };
            if name == "content-length" {
                length = value.parse().unwrap();
            }
        }
    }

    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let mut body = vec![0; bytes];
        self.0.read_exact(&mut body).unwrap();
        body
    }
}

#[test]
fn a_large_query_gives_all_back_however_its_answer_ends() {
    let large = Large::start(50, &[SMALL]);
    let path = large.path("x");
    let mut connection = Connection::open(&large.server);
    for (method, header) in [
        ("GET", ""),
        ("HEAD", ""),
        ("GET", "Accept-Encoding: gzip\r\n"),
        ("GET", ""),
    ] {
        let (status, bytes) = connection.ask(method, &path, header);
        assert_eq!(status, 200);
        if method == "GET" {
            connection.take(bytes);
        }
        large.wait_until_nothing_is_held(&format!("{method} {header}"));
    }
    // Another client takes a part of it and goes.
    let mut leaving = Connection::open(&large.server);
    let (_, bytes) = leaving.ask("GET", &path, "");
    leaving.take(bytes / 4);
    assert!(large.held() > 0);
    drop(leaving);
    large.wait_until_nothing_is_held("a client that left");
    // One goes while its query is evaluated.
    let mut leaving = Connection::open(&large.server);
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    leaving.0.get_mut().write_all(request.as_bytes()).unwrap();
    drop(leaving);
    large.wait_until_nothing_is_held("a client that did not wait");
    for failing in [
        "x%2Bon()x",
        "label_replace(x,%22n%22,%221%22,%22n%22,%22.*%22)",
    ] {
        let (status, bytes) = connection.ask("GET", &large.path(failing), "");
        assert_eq!(status, 422, "{failing}");
        connection.take(bytes);
        large.wait_until_nothing_is_held(failing);
    }
}

#[test]
fn a_query_and_its_answer_need_no_more_than_the_larger_one() {
    // 1,980,180 points: 32 MB in memory, 45 MB as text, of 67 MB that there are.
    let large = Large::start(180, &[SMALL]);
    let mut connection = Connection::open(&large.server);
    for _ in 0..2 {
        let (status, bytes) = connection.ask("GET", &large.path("x"), "");
        let body = connection.take(bytes);
        let head = String::from_utf8_lossy(&body[..body.len().min(300)]);
        assert_eq!(status, 200, "{head}");
        assert!(bytes > 40_000_000, "{bytes}");
    }
    large.wait_until_nothing_is_held("the queries");
}

#[test]
fn what_never_fits_is_refused_for_good_and_says_what_to_raise() {
    for (series, settings, setting) in [
        // The evaluation, by its own limit.
        (200, &[SMALL][..], "--query.max-memory"),
        // The evaluation, which may take more than there is.
        (
            420,
            &[SMALL, ("query.max-memory", "1GiB")],
            "--memory.limit",
        ),
        // The answer.
        (
            300,
            &[SMALL, ("query.max-memory", "1GiB")],
            "--memory.limit",
        ),
    ] {
        let large = Large::start(series, settings);
        let answer = large.server.get(&large.path("x"));
        let (kind, text) = answer.error();
        assert_eq!((answer.status, kind.as_str()), (422, "execution"), "{text}");
        assert!(text.contains(setting), "{text}");
        assert_eq!(answer.header("retry-after"), "");
        let ended = large.server.get("/api/v1/status/slow_queries").data();
        assert_eq!(ended[0]["error"], text, "the query ends with its answer");
        large.wait_until_nothing_is_held(&format!("a query of {} series", large.series));
    }
}

#[test]
fn what_fits_once_others_have_ended_is_to_be_tried_again() {
    let large = Large::start(150, &[SMALL]);
    let mut slow = Connection::open(&large.server);
    let (status, bytes) = slow.ask("GET", &large.path("x"), "");
    assert_eq!(status, 200);
    let refused = large.server.get(&large.path("x"));
    let (kind, text) = refused.error();
    assert_eq!(
        (refused.status, kind.as_str()),
        (503, "unavailable"),
        "{text}"
    );
    assert_eq!(refused.header("retry-after"), "5");
    slow.take(bytes);
    large.wait_until_nothing_is_held("both");
    assert_eq!(large.server.get(&large.path("count(x)")).status, 200);
}
