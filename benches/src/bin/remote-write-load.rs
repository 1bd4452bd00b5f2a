//! Sends the same remote-write bodies to one or more servers, one scrape after the other, and says what was sent.
//!
//! The series are the workload's, once for each instance, with labels as a cluster gives them: twelve at least. Each
//! instance starts at another place of the recording, so that instances do not repeat one another, and goes on past its
//! end without repeating it (`Replay`). Scrapes come at random a few milliseconds too early or too late.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command answers on its standard output"
)]

use std::process::ExitCode;
use std::time::SystemTime;

use chronoxide_benches::{Recording, Replay, Target, Workload, wire};
use chronoxide_model::{Labels, is_stale_marker};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

type Failure = Box<dyn std::error::Error>;

/// Labels that a series has at least.
const LABELS_MIN: usize = 12;

/// Largest deviation of a scrape from its time, in milliseconds.
const JITTER_MS: i64 = 5;

/// Headers of remote write 1.0.
const HEADERS: [(&str, &str); 2] = [
    ("Content-Encoding", "snappy"),
    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
];

#[derive(Debug)]
struct Arguments {
    series: usize,
    scrapes: usize,
    interval_seconds: usize,
    series_per_request: usize,
    age_seconds: usize,
    addresses: Vec<String>,
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut parsed = Self {
            series: 5000,
            scrapes: 40,
            interval_seconds: 15,
            series_per_request: 5000,
            age_seconds: 0,
            addresses: Vec::new(),
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(format!("{name} needs a value"))?;
            match name.as_str() {
                "--series" => parsed.series = value.parse()?,
                "--scrapes" => parsed.scrapes = value.parse()?,
                "--interval" => parsed.interval_seconds = value.parse()?,
                "--series-per-request" => parsed.series_per_request = value.parse()?,
                "--age" => parsed.age_seconds = value.parse()?,
                "--to" => parsed.addresses.push(value),
                _ => return Err(format!("unknown argument {name}").into()),
            }
        }
        let counts = [
            parsed.series,
            parsed.scrapes,
            parsed.interval_seconds,
            parsed.series_per_request,
        ];
        if counts.contains(&0) || parsed.addresses.is_empty() {
            return Err(
                "usage: remote-write-load --to HOST:PORT [--to HOST:PORT]... [--series N] [--scrapes N] \
                 [--interval SECONDS] [--series-per-request N], all above 0; [--age SECONDS], how long ago the last \
                 scrape was"
                    .into(),
            );
        }
        Ok(parsed)
    }
}

/// Of the jitter, and of what comes after the recording's end.
const SEED: u64 = 0x5eed;

/// One instance of one job: its series as they go over the wire, and their values.
struct Instance<'a> {
    labels: Vec<Vec<u8>>,
    replay: Replay<'a>,
    phase_ms: i64,
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
    let workload = Workload::load();
    let recordings: Vec<Recording<'_>> = workload.jobs.iter().map(Recording::of).collect();
    let mut instances = instances(&workload, &recordings, arguments);
    let mut random = StdRng::seed_from_u64(SEED);
    let mut targets = Vec::new();
    for address in &arguments.addresses {
        targets.push(Target::connect(address, "/api/v1/write", &HEADERS)?);
    }
    let length = workload.jobs.iter().map(|job| job.times_ms.len()).min();
    let length = length
        .filter(|length| *length > 0)
        .ok_or("the workload is empty")?;
    let interval_ms = arguments.interval_seconds as i64 * 1000;
    let now_ms = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_millis() as i64;
    let end_ms = now_ms - arguments.age_seconds as i64 * 1000;
    let start_ms = end_ms - arguments.scrapes as i64 * interval_ms;
    let (mut samples, mut requests, mut bytes) = (0_u64, 0_u64, 0_u64);
    let mut encoder = snap::raw::Encoder::new();
    let mut message = Vec::new();
    let mut in_message = 0;
    let mut flush = |message: &mut Vec<u8>, in_message: &mut usize| -> Result<(), Failure> {
        if *in_message > 0 {
            let body = encoder.compress_vec(message)?;
            for target in &mut targets {
                target.send(&body)?;
            }
            requests += 1;
            bytes += body.len() as u64;
            message.clear();
            *in_message = 0;
        }
        Ok(())
    };
    for scrape in 0..arguments.scrapes {
        for instance in &mut instances {
            let jitter_ms = random.random_range(-JITTER_MS..=JITTER_MS);
            let time_ms = start_ms + scrape as i64 * interval_ms + instance.phase_ms + jitter_ms;
            for (series, labels) in instance.labels.iter().enumerate() {
                let value = instance.replay.value(series);
                if is_stale_marker(value) {
                    continue;
                }
                wire::push_series(labels, time_ms, value, &mut message);
                samples += 1;
                in_message += 1;
                if in_message == arguments.series_per_request {
                    flush(&mut message, &mut in_message)?;
                }
            }
            instance.replay.advance(arguments.interval_seconds);
        }
        flush(&mut message, &mut in_message)?;
    }
    let goes_on = arguments.scrapes * arguments.interval_seconds > length;
    println!(
        "source {}{}",
        workload.source,
        if goes_on {
            ", gone on without repetition"
        } else {
            ""
        }
    );
    println!(
        "series {}",
        instances
            .iter()
            .map(|instance| instance.labels.len())
            .sum::<usize>()
    );
    println!("samples {samples}\nrequests {requests}\nbytes {bytes}");
    for target in &targets {
        println!(
            "seconds {} {:.3}",
            target.address(),
            target.busy().as_secs_f64()
        );
    }
    Ok(())
}

/// As many instances of the workload's jobs as it takes.
fn instances<'a>(
    workload: &Workload,
    recordings: &'a [Recording<'a>],
    arguments: &Arguments,
) -> Vec<Instance<'a>> {
    let mut instances = Vec::new();
    let mut left = arguments.series;
    let span = arguments.scrapes * arguments.interval_seconds;
    for number in 0.. {
        for (job, recording) in workload.jobs.iter().zip(recordings) {
            let count = job.series.len().min(left);
            if count == 0 {
                return instances;
            }
            left -= count;
            let series = job.series[..count].iter();
            let length = job.times_ms.len();
            // Those that end before the recording does, start where they can.
            let starts = length.checked_sub(span).filter(|starts| *starts > 0);
            let start = number * 37 % starts.unwrap_or(length);
            let seed = SEED + instances.len() as u64;
            instances.push(Instance {
                labels: series
                    .map(|labels| wire::labels(&widened(labels, number)))
                    .collect(),
                replay: Replay::new(recording, start, seed),
                phase_ms: (instances.len() as i64 * 1009)
                    % (arguments.interval_seconds as i64 * 1000),
            });
        }
    }
    instances
}

/// The labels of a series as one of many instances has them.
fn widened(labels: &Labels, number: usize) -> Labels {
    let pod = format!(
        "exporter-{:08x}-{:05x}",
        (number as u32).wrapping_mul(0x9e37_79b9),
        number
    );
    let node = format!("node-{:04}.eu-central.example.internal", number / 8);
    let extra = [
        (
            "instance",
            format!(
                "10.{}.{}.{}:9100",
                number >> 16 & 255,
                number >> 8 & 255,
                number & 255
            ),
        ),
        ("pod", pod),
        ("node", node),
        ("namespace", format!("team-{:02}", number % 20)),
        ("cluster", "eu-central-1-production".to_owned()),
        ("container", "exporter".to_owned()),
        ("endpoint", "http-metrics".to_owned()),
        ("service", "exporter".to_owned()),
        ("region", "eu-central-1".to_owned()),
        ("environment", "production".to_owned()),
    ];
    let own = |name: &str| labels.get(name).is_some() && name != "instance";
    let mut pairs: Vec<(&str, &str)> = labels
        .iter()
        .filter(|(name, _)| *name != "instance")
        .collect();
    for (name, value) in &extra {
        if !own(name) && (pairs.len() < LABELS_MIN || matches!(*name, "instance" | "pod" | "node"))
        {
            pairs.push((name, value));
        }
    }
    Labels::from_pairs(pairs).expect("each name is there once")
}
