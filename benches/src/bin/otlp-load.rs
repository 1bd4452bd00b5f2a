//! Sends the same OTLP requests, in protobuf and gzip, to one or more servers, and says what was sent.
//!
//! Every client has instances of a service of its own and sends for all of them, scrape after scrape; each request goes
//! to each server in turn.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command answers on its standard output"
)]

use std::io::Write;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use chronoxide_benches::{OtlpRequest, Target};
use flate2::Compression;
use flate2::write::GzEncoder;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Metrics of an instance, and points of a metric.
const METRICS: usize = 10;

#[derive(Clone, Debug)]
struct Arguments {
    series: usize,
    scrapes: usize,
    interval_seconds: i64,
    points: usize,
    instances_per_request: usize,
    clients: usize,
    delta: bool,
    /// Address and path of each server.
    servers: Vec<(String, String)>,
}

const USAGE: &str = "usage: otlp-load --to HOST:PORT/PATH [--to HOST:PORT/PATH]... [--series N] [--scrapes N] \
                     [--interval SECONDS] [--points-per-metric N] [--instances-per-request N] [--clients N] \
                     [--temporality cumulative|delta]; all above 0";

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut parsed = Self {
            series: 100_000,
            scrapes: 20,
            interval_seconds: 15,
            points: 50,
            instances_per_request: 10,
            clients: 1,
            delta: false,
            servers: Vec::new(),
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(format!("{name} needs a value"))?;
            match name.as_str() {
                "--series" => parsed.series = value.parse()?,
                "--scrapes" => parsed.scrapes = value.parse()?,
                "--interval" => parsed.interval_seconds = value.parse()?,
                "--points-per-metric" => parsed.points = value.parse()?,
                "--instances-per-request" => parsed.instances_per_request = value.parse()?,
                "--clients" => parsed.clients = value.parse()?,
                "--temporality" => {
                    parsed.delta = match value.as_str() {
                        "delta" => true,
                        "cumulative" => false,
                        _ => return Err(format!("unknown temporality {value}").into()),
                    }
                }
                "--to" => {
                    let (address, path) = value.split_once('/').ok_or(USAGE)?;
                    parsed
                        .servers
                        .push((address.to_owned(), format!("/{path}")));
                }
                _ => return Err(format!("unknown argument {name}\n{USAGE}").into()),
            }
        }
        let counts = [
            parsed.series,
            parsed.scrapes,
            parsed.points,
            parsed.instances_per_request,
            parsed.clients,
        ];
        if counts.contains(&0) || parsed.interval_seconds < 1 || parsed.servers.is_empty() {
            return Err(USAGE.into());
        }
        Ok(parsed)
    }

    /// Instances of one client.
    fn instances(&self) -> usize {
        (self.series / (METRICS * self.points * self.clients)).max(1)
    }
}

/// What was sent, and how long each server took for it.
#[derive(Debug, Default)]
struct Sent {
    points: usize,
    requests: usize,
    bytes: usize,
    busy: Vec<Duration>,
}

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let start_ms =
        now.as_millis() as i64 - arguments.scrapes as i64 * arguments.interval_seconds * 1000;
    let started = Instant::now();
    let sent = thread::scope(|scope| {
        let clients = (0..arguments.clients)
            .map(|client| scope.spawn(move || send_all(arguments, client, start_ms)))
            .collect::<Vec<_>>();
        let joined = clients.into_iter().map(|client| {
            client
                .join()
                .map_err(|_| Failure::from("a client panicked"))?
        });
        joined.collect::<Result<Vec<Sent>, Failure>>()
    })?;
    let sum = |figure: fn(&Sent) -> usize| sent.iter().map(figure).sum::<usize>();
    let instances = arguments.instances() * arguments.clients;
    println!("series {}", instances * METRICS * arguments.points);
    println!("samples {}", sum(|sent| sent.points));
    println!("requests {}", sum(|sent| sent.requests));
    println!("bytes {}", sum(|sent| sent.bytes));
    println!("elapsed {:.3}", started.elapsed().as_secs_f64());
    for (index, (address, _)) in arguments.servers.iter().enumerate() {
        let busy: Duration = sent.iter().map(|sent| sent.busy[index]).sum();
        println!("seconds {address} {:.3}", busy.as_secs_f64());
    }
    Ok(())
}

fn send_all(arguments: &Arguments, client: usize, start_ms: i64) -> Result<Sent, Failure> {
    let mut targets = Vec::new();
    for (address, path) in &arguments.servers {
        targets.push(Target::connect(
            address,
            path,
            &[("Content-Encoding", "gzip")],
        )?);
    }
    let mut sent = Sent::default();
    let (instances, interval_ms) = (arguments.instances(), arguments.interval_seconds * 1000);
    for scrape in 1..=arguments.scrapes {
        for first in (0..instances).step_by(arguments.instances_per_request) {
            let request = OtlpRequest {
                first_instance: client * instances + first,
                instances: arguments.instances_per_request.min(instances - first),
                metrics: METRICS,
                points: arguments.points,
                start_ms,
                time_ms: start_ms + scrape as i64 * interval_ms,
                delta_ms: arguments.delta.then_some(interval_ms),
            };
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&request.encode())?;
            let body = encoder.finish()?;
            for target in &mut targets {
                target.send(&body)?;
            }
            sent.points += request.point_count();
            sent.requests += 1;
            sent.bytes += body.len();
        }
    }
    sent.busy = targets.iter().map(Target::busy).collect();
    Ok(sent)
}
