//! `kill -9` again and again: every acknowledged sample is there afterwards.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chronoxide_tests::{Answer, RemoteWriteSample, Server, free_port, remote_write_body};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const KILLS: usize = 50;
const SEED: u64 = 0x5eed_0001;
const LOADERS: usize = 2;
/// Samples a request.
const BATCH: i64 = 500;
/// Samples of one series; then the next one begins, so that kills meet series being made, too.
const SERIES_SAMPLES: i64 = 5000;
/// So little memory that the head is flushed all the time, and kills meet parts being written and logs being dropped.
const LITTLE_MEMORY: &[&str] = &["--memory.limit=16MiB"];

/// Highest acknowledged number of each loader.
type Acknowledged = Arc<Mutex<BTreeMap<usize, i64>>>;

/// Sends numbered samples, one after another, and writes down what was acknowledged. A batch is repeated until it is.
struct Loader {
    name: usize,
    url: String,
    base_ms: i64,
    acknowledged: Acknowledged,
    stop: Arc<AtomicBool>,
}

impl Loader {
    fn run(self) {
        let mut next = 0;
        while !self.stop.load(Ordering::Relaxed) {
            if self.send(next) {
                next += BATCH;
                self.acknowledged
                    .lock()
                    .unwrap()
                    .insert(self.name, next - 1);
            } else {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// Whether the batch that begins at number `first` was acknowledged.
    fn send(&self, first: i64) -> bool {
        let loader = self.name.to_string();
        let run = (first / SERIES_SAMPLES).to_string();
        let samples: Vec<RemoteWriteSample<'_>> = (first..first + BATCH)
            .map(|number| RemoteWriteSample {
                labels: vec![("__name__", "numbers"), ("loader", &loader), ("run", &run)],
                timestamp_ms: self.base_ms + number,
                value: number as f64,
            })
            .collect();
        let answer = ureq::post(&self.url)
            .config()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .header("Content-Type", "application/x-protobuf")
            .header("Content-Encoding", "snappy")
            .send(remote_write_body(&samples).as_slice());
        match answer {
            Ok(answer) if answer.status() == 204 => true,
            Ok(answer) => {
                assert!(
                    answer.status().as_u16() >= 500,
                    "a good batch was refused for good: {}",
                    answer.status()
                );
                false
            }
            Err(_) => false,
        }
    }
}

fn start_loaders(
    url: &str,
    base_ms: i64,
    acknowledged: &Acknowledged,
    stop: &Arc<AtomicBool>,
) -> Vec<JoinHandle<()>> {
    (0..LOADERS)
        .map(|name| {
            let loader = Loader {
                name,
                url: format!("{url}/api/v1/write"),
                base_ms,
                acknowledged: Arc::clone(acknowledged),
                stop: Arc::clone(stop),
            };
            std::thread::spawn(move || loader.run())
        })
        .collect()
}

/// Numbers that one query asks for: how many are sent depends on the machine, and the server has little memory.
const ASKED_AT_ONCE: usize = 100_000;

/// The numbers of `loader` from `first` on that the server has, with their values; one lies at each millisecond.
fn stored(server: &Server, base_ms: i64, loader: usize, first: i64) -> BTreeMap<i64, f64> {
    let end = (base_ms + first + ASKED_AT_ONCE as i64 - 1) as f64 / 1000.0;
    let query = format!("numbers{{loader=\"{loader}\"}}[{ASKED_AT_ONCE}ms]");
    let parameters = [("query", query.as_str()), ("time", &format!("{end:.3}"))];
    let answer = Answer::get(&format!("{}/api/v1/query", server.url()), &parameters).unwrap();
    let series = answer.body["data"]["result"].as_array().cloned();
    let series = series.unwrap_or_else(|| panic!("no answer: {}", answer.text));
    let pairs = series
        .iter()
        .flat_map(|series| series["values"].as_array().into_iter().flatten());
    pairs
        .map(|pair| {
            let number = (pair[0].as_f64().unwrap() * 1000.0).round() as i64 - base_ms;
            (number, pair[1].as_str().unwrap().parse().unwrap())
        })
        .collect()
}

/// Numbers of `acknowledged` that the server does not have, or has with another value.
fn missing(server: &Server, base_ms: i64, acknowledged: &BTreeMap<usize, i64>) -> Vec<String> {
    let mut missing = Vec::new();
    for (loader, last) in acknowledged {
        let mut found = BTreeMap::new();
        for first in (0..=*last).step_by(ASKED_AT_ONCE) {
            found.extend(stored(server, base_ms, *loader, first));
        }
        for number in 0..=*last {
            if found.get(&number) != Some(&(number as f64)) {
                missing.push(format!(
                    "loader {loader} number {number}: {:?}",
                    found.get(&number)
                ));
            }
        }
    }
    missing
}

/// The value of one of the server's own metrics; 0 where it has none.
fn own_metric(server: &Server, name: &str) -> f64 {
    let answer = Answer::get(&format!("{}/metrics", server.url()), &[]).unwrap();
    let line = answer
        .text
        .lines()
        .find(|line| line.split(' ').next() == Some(name));
    line.map_or(0.0, |line| {
        line.rsplit(' ').next().unwrap().parse().unwrap()
    })
}

#[test]
fn no_acknowledged_sample_is_lost_to_kill_9() {
    println!("seed {SEED:#x}, {KILLS} kills");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let port = free_port();
    let mut random = StdRng::seed_from_u64(SEED);
    let now_ms = i64::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_millis(),
    )
    .unwrap();
    // An hour ago, so that no number reaches into the future.
    let base_ms = now_ms - 3_600_000;
    let mut server = Server::start_with(&data, port, LITTLE_MEMORY);
    let acknowledged = Acknowledged::default();
    let stop = Arc::new(AtomicBool::new(false));
    let loaders = start_loaders(&server.url(), base_ms, &acknowledged, &stop);
    let (mut flushes, mut compactions) = (0.0, 0.0);
    for kill in 0..KILLS {
        std::thread::sleep(Duration::from_millis(random.random_range(1..300)));
        flushes += own_metric(&server, "chronoxide_flushes_total");
        compactions += own_metric(&server, "chronoxide_compactions_total");
        server.kill();
        if kill % 5 == 4 {
            // Once more while it starts up.
            let mut starting = Server::spawn(&data, port, LITTLE_MEMORY).unwrap();
            std::thread::sleep(Duration::from_millis(random.random_range(1..60)));
            starting.kill();
        }
        let before = acknowledged.lock().unwrap().clone();
        server = Server::start_with(&data, port, LITTLE_MEMORY);
        if kill % 10 == 9 {
            let missing = missing(&server, base_ms, &before);
            assert!(
                missing.is_empty(),
                "after kill {kill}: {} missing, first {:?}",
                missing.len(),
                missing[0]
            );
        }
    }
    stop.store(true, Ordering::Relaxed);
    for loader in loaders {
        loader.join().unwrap();
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    let total: i64 = acknowledged.values().map(|last| last + 1).sum();
    assert!(
        total > i64::try_from(KILLS).unwrap() * BATCH,
        "the loaders hardly got through: {total}"
    );
    let missing = missing(&server, base_ms, &acknowledged);
    assert!(
        missing.is_empty(),
        "{} of {total} missing, first {:?}",
        missing.len(),
        missing[0]
    );
    println!(
        "{KILLS} kills, {total} samples acknowledged, 0 missing, {flushes} flushes, {compactions} compactions"
    );
    assert!(flushes > 0.0, "no kill met a server that had flushed");
    server.stop();
    let check = std::process::Command::new(Server::binary())
        .arg("check")
        .arg(&data)
        .output()
        .unwrap();
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stdout)
    );
}
