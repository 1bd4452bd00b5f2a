//! Figures of the engine that need a process of their own: memory for each active series, and time to start again.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command answers on its standard output"
)]

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

use chronoxide_benches::{cluster_labels as labels, wire};
use chronoxide_model::{Matcher, TimeRange};
use chronoxide_storage::{Database, Durability, Options};

type Failure = Box<dyn std::error::Error>;

const USAGE: &str =
    "usage: engine-figures series-memory SERIES\n       engine-figures restart SAMPLES SERIES";

/// Series of one request.
const REQUEST_SERIES: usize = 5000;

const INTERVAL_MS: i64 = 15_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["series-memory", series] => count(series).and_then(series_memory),
        ["restart", samples, series] => {
            count(samples).and_then(|samples| restart(samples, count(series)?))
        }
        ["fill", path, samples, series] => {
            count(samples).and_then(|samples| fill(Path::new(path), samples, count(series)?))
        }
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn count(text: &str) -> Result<usize, Failure> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("{text:?} is no number above 0").into()),
        Ok(count) => Ok(count),
    }
}

/// Writes one scrape of all series as an agent would, so that the engine sees the wire's own keys.
fn scrape(database: &Database, series: usize, time_ms: i64) -> Result<(), Failure> {
    let mut message = Vec::new();
    for start in (0..series).step_by(REQUEST_SERIES) {
        message.clear();
        for number in start..series.min(start + REQUEST_SERIES) {
            let value = (number % 997) as f64 + (time_ms / INTERVAL_MS % 1013) as f64;
            wire::push_series(&wire::labels(&labels(number)), time_ms, value, &mut message);
        }
        let decoded = chronoxide_remote_write::v1::decode(&message)?;
        let outcome = database.write(&decoded.batch)?;
        if outcome.samples_rejected > 0 {
            return Err(format!("samples were refused: {:?}", outcome.rejections).into());
        }
    }
    Ok(())
}

fn series_memory(series: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let options = Options {
        series_max: u32::MAX,
        durability: Durability::Interval(Duration::from_secs(1)),
        ..Options::default()
    };
    let database = Database::open(folder.path().join("data"), options)?;
    let before = resident_bytes("RssAnon")?;
    let now_ms = now_ms()?;
    let show = |what: &str| -> Result<(), Failure> {
        let stats = database.stats();
        let anonymous = resident_bytes("RssAnon")?.saturating_sub(before);
        println!(
            "{what:<28} {:>6.1} MiB anonymous, {:>6.1} B a series; registry {:>6.1}, head {:>6.1} B a series",
            anonymous as f64 / f64::from(1 << 20),
            anonymous as f64 / series as f64,
            stats.registry_bytes as f64 / series as f64,
            stats.head_bytes as f64 / series as f64,
        );
        Ok(())
    };
    for round in 0..4 {
        scrape(&database, series, now_ms - (4 - round) * INTERVAL_MS)?;
        show(&format!("after scrape {}", round + 1))?;
    }
    database.flush()?;
    show("after a flush")?;
    database.compact()?;
    show("after a merge")?;
    println!(
        "peak of resident memory      {:>6.1} MiB",
        resident_bytes("VmHWM")? as f64 / f64::from(1 << 20)
    );
    Ok(())
}

/// Fills a database in a process that ends without closing it, and opens it.
fn restart(samples: usize, series: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("data");
    let filled = Command::new(std::env::current_exe()?)
        .arg("fill")
        .arg(&path)
        .args([samples.to_string(), series.to_string()])
        .status()?;
    if !filled.success() {
        return Err("the database could not be filled".into());
    }
    let started = Instant::now();
    let database = Database::open(&path, options())?;
    let opened = started.elapsed();
    let last = labels(series - 1);
    let matchers: Vec<Matcher> = last
        .iter()
        .map(|(name, value)| Matcher::equal(name, value))
        .collect();
    let now_ms = now_ms()?;
    let range = TimeRange::last(Duration::from_secs(30 * 24 * 3600), now_ms);
    let found = database
        .select(&matchers, range)?
        .into_iter()
        .next()
        .ok_or("the last series is lost")??;
    let answered = started.elapsed();
    let stats = database.stats();
    println!(
        "{samples} samples of {series} series: open {:.3} s, first answer {:.3} s ({} samples of one series); replayed \
         {} samples from {:.1} MiB of log",
        opened.as_secs_f64(),
        answered.as_secs_f64(),
        found.samples().len(),
        stats.replayed_samples,
        stats.wal_bytes as f64 / f64::from(1 << 20),
    );
    Ok(())
}

fn options() -> Options {
    Options {
        series_max: u32::MAX,
        ..Options::default()
    }
}

fn fill(path: &Path, samples: usize, series: usize) -> Result<(), Failure> {
    let database = Database::open(path, options())?;
    let scrapes = samples.div_ceil(series) as i64;
    let start_ms = now_ms()? - scrapes * INTERVAL_MS;
    for round in 0..scrapes {
        scrape(&database, series, start_ms + round * INTERVAL_MS)?;
    }
    // As if killed: nothing is flushed or closed.
    std::process::exit(0)
}

fn now_ms() -> Result<i64, Failure> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(i64::try_from(since.as_millis())?)
}

/// A line of `/proc/self/status`, in bytes.
fn resident_bytes(name: &str) -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB"));
    let kilobytes = kilobytes.ok_or("the system does not tell resident memory")?;
    Ok(kilobytes.trim().parse::<u64>()? * 1024)
}
