//! Queries under way: how they are listed, and what ends them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::running::{Running, escaped, now_ms};
use crate::wire::series;

/// How long a test waits for what must come; a query that went on unasked would run for minutes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A query over nothing but time that would take minutes.
const LONG: &str =
    "sum_over_time(quantile_over_time(0.5, vector(time() % 7)[20000s:1s])[20000s:1s])";

fn active(server: &Running) -> Vec<Value> {
    let data = server.get("/api/v1/status/active_queries").data();
    data.as_array().unwrap().clone()
}

fn running_gauge(server: &Running) -> String {
    let metrics = server.get("/metrics").body;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("chronoxide_queries_running "));
    line.unwrap().to_owned()
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

fn send(server: &Running, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    write!(
        stream,
        "GET /api/v1/query?query={}&time=1700000000.5 HTTP/1.1\r\nHost: x\r\n\r\n",
        escaped(text)
    )
    .unwrap();
    stream
}

#[test]
fn a_query_is_listed_while_it_runs_and_ends_with_its_client() {
    let server = Running::start_with(&[("query.timeout", "10m")]);
    assert!(active(&server).is_empty());
    let stream = send(&server, LONG);
    wait_for("the query to start", || !active(&server).is_empty());
    let listed = active(&server);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["query"], LONG);
    assert_eq!(listed[0]["kind"], "instant");
    assert_eq!(listed[0]["start"], 1_700_000_000.5);
    assert_eq!(listed[0]["step"], 0);
    assert!(listed[0]["startTime"].as_str().unwrap().contains('T'));
    assert!(listed[0]["runningMs"].is_u64());
    assert_eq!(running_gauge(&server), "1");
    let left = Instant::now();
    drop(stream);
    wait_for("the query to end", || running_gauge(&server) == "0");
    println!("ended after {:?}", left.elapsed());
    assert!(active(&server).is_empty());
}

#[test]
fn a_query_past_its_timeout_is_listed_no_more() {
    let server = Running::start();
    let answer = server.get(&format!(
        "/api/v1/query?query={}&time=1700000000&timeout=50ms",
        escaped(LONG)
    ));
    assert_eq!(answer.status, 503);
    assert_eq!(answer.error().0, "timeout");
    wait_for("the query to end", || running_gauge(&server) == "0");
    assert!(active(&server).is_empty());
}

/// What all queries and answers on their way hold, in bytes.
fn held(server: &Running) -> u64 {
    let metrics = server.get("/metrics").body;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("chronoxide_memory_used_bytes{user=\"queries\"} "));
    line.unwrap().parse::<f64>().unwrap() as u64
}

#[test]
fn an_answer_that_nobody_takes_is_held_against_the_memory_of_queries() {
    let server = Running::start();
    let now = now_ms();
    let names: Vec<String> = (0..100).map(|index| index.to_string()).collect();
    let series: Vec<_> = names
        .iter()
        .map(|name| series(&[("__name__", "x"), ("n", name)], now, 0.1))
        .collect();
    server.write(&series);
    assert_eq!(held(&server), 0);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let start = now / 1000;
    // 11,000 points of 100 series: some 25 MB, more than lies in the buffers of a connection.
    write!(
        stream,
        "GET /api/v1/query_range?query=x&start={start}&end={}&step=0.001 HTTP/1.1\r\nHost: x\r\n\r\n",
        start + 11
    )
    .unwrap();
    let mut first = [0; 1];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(running_gauge(&server), "0", "evaluation has ended");
    assert!(held(&server) > 4 << 20, "{}", held(&server));
    drop(stream);
    wait_for("the memory to come back", || held(&server) == 0);
}

#[test]
fn lookups_give_back_what_they_hold() {
    let server = Running::start();
    server.write(&[series(&[("__name__", "x")], now_ms(), 1.0)]);
    for path in [
        "/api/v1/series?match[]=x",
        "/api/v1/labels",
        "/api/v1/label/__name__/values",
        "/api/v1/metadata",
        "/api/v1/query_exemplars?query=x",
        "/federate?match[]=x",
        "/api/v1/status/tsdb",
    ] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    wait_for("the memory to come back", || held(&server) == 0);
    assert_eq!(running_gauge(&server), "0");
}
