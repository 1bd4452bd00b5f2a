//! What each step on the way of a remote write costs for each sample, in CPU time; under `valgrind --tool=callgrind` in
//! instructions.
//!
//! A step includes those before it, so that differences are what one costs; `send` is the sender's part and no more. The
//! first scrape, whose series are new, is not in the figures of the steps. Under callgrind, instructions for each sample
//! are what a run has more than one with fewer scrapes; `--toggle-collect='*take_in*'` shows the way alone.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command answers on its standard output"
)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use chronoxide_benches::{REQUEST_SERIES, Sender, Version};
use chronoxide_remote_write::{Decoded, decompress_to, v1, v2};
use chronoxide_storage::{Database, Durability, Options};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

type Failure = Box<dyn std::error::Error>;

const USAGE: &str =
    "usage: intake-figures send|decompress|walk|write 1|2 SERIES SCRAPES order|shuffled";

const INTERVAL_MS: i64 = 15_000;

const SEED: u64 = 7;

/// How far a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Send,
    Decompress,
    Walk,
    Write,
}

#[derive(Debug)]
struct Arguments {
    step: Step,
    version: Version,
    series: usize,
    scrapes: usize,
    shuffled: bool,
}

impl Arguments {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let [step, version, series, scrapes, order] = arguments else {
            return Err(USAGE.into());
        };
        let (series, scrapes) = (series.parse()?, scrapes.parse()?);
        let step = match step.as_str() {
            "send" => Step::Send,
            "decompress" => Step::Decompress,
            "walk" => Step::Walk,
            "write" => Step::Write,
            _ => return Err(USAGE.into()),
        };
        let version = match version.as_str() {
            "1" => Version::V1,
            "2" => Version::V2,
            _ => return Err(USAGE.into()),
        };
        let shuffled = match order.as_str() {
            "order" => false,
            "shuffled" => true,
            _ => return Err(USAGE.into()),
        };
        if series == 0 || scrapes < 2 {
            return Err("series above 0 and at least two scrapes, please".into());
        }
        Ok(Self {
            step,
            version,
            series,
            scrapes,
            shuffled,
        })
    }
}

/// The receiver's side.
#[inline(never)]
fn take_in(
    body: &[u8],
    arguments: &Arguments,
    database: &Database,
    buffer: &mut Vec<u8>,
) -> Result<(), Failure> {
    if arguments.step == Step::Send {
        return Ok(());
    }
    let length = decompress_to(body, 64 << 20, buffer)?;
    let message = &buffer[..length];
    if arguments.step == Step::Decompress {
        black_box(message);
        return Ok(());
    }
    let decoded: Decoded<'_> = match arguments.version {
        Version::V1 => v1::decode_into(database.batch(), message, |_| true)?,
        Version::V2 => v2::decode_into(database.batch(), message, |_| true)?,
    };
    if arguments.step == Step::Walk {
        black_box(decoded.batch.sample_count());
        return Ok(());
    }
    let outcome = database.write(&decoded.batch)?;
    if !outcome.is_complete() {
        return Err(format!("samples were refused: {:?}", outcome.rejections).into());
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Arguments::parse(&arguments).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let options = Options {
        series_max: u32::MAX,
        durability: Durability::Sync,
        ..Options::default()
    };
    let database = Database::open(folder.path().join("data"), options)?;
    let sender = Sender::new(arguments.version, arguments.series);
    let mut random = StdRng::seed_from_u64(SEED);
    let mut order: Vec<usize> = (0..arguments.series).collect();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let start_ms = i64::try_from(now.as_millis())? - arguments.scrapes as i64 * INTERVAL_MS;
    let mut buffer = Vec::new();
    let (mut on_the_way, mut elsewhere) = (Duration::ZERO, Duration::ZERO);
    for scrape in 0..arguments.scrapes {
        if arguments.shuffled {
            order.shuffle(&mut random);
        }
        let time_ms = start_ms + scrape as i64 * INTERVAL_MS;
        for series in order.chunks(REQUEST_SERIES) {
            let body = sender.body(series, scrape, time_ms);
            let before = (thread_time()?, process_time()?);
            take_in(&body, arguments, &database, &mut buffer)?;
            let thread = thread_time()? - before.0;
            if scrape > 0 {
                on_the_way += thread;
                elsewhere += (process_time()? - before.1).saturating_sub(thread);
            }
        }
    }
    let before = process_time()?;
    database.flush()?;
    let flush = process_time()? - before;
    let samples = (arguments.series * (arguments.scrapes - 1)) as f64;
    let each = |time: Duration| time.as_secs_f64() * 1e9 / samples;
    println!(
        "{:?} {:?} {} series {}: {:.0} ns a sample; beside it {:.0} by other threads, {:.0} for the last flush",
        arguments.step,
        arguments.version,
        arguments.series,
        if arguments.shuffled {
            "shuffled"
        } else {
            "in order"
        },
        each(on_the_way),
        each(elsewhere),
        each(flush),
    );
    Ok(())
}

/// Time that this thread has been on a core.
fn thread_time() -> Result<Duration, Failure> {
    on_core("/proc/thread-self/schedstat")
}

/// Time that the threads there are have been on a core.
fn process_time() -> Result<Duration, Failure> {
    let mut all = Duration::ZERO;
    for task in std::fs::read_dir("/proc/self/task")? {
        let path = task?.path().join("schedstat");
        all += on_core(path.to_str().ok_or("a thread has no number")?)?;
    }
    Ok(all)
}

fn on_core(path: &str) -> Result<Duration, Failure> {
    let text = std::fs::read_to_string(path)?;
    let nanoseconds = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}
