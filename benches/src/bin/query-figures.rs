//! What each query of a dashboard costs over 1 h, 6 h and 24 h, and how soon queries end that nobody waits for any more.
//!
//! ```text
//! query-figures fill FOLDER 5000 1500 merged    1,500 minutes of 5,000 series, the parts of a day merged
//! query-figures ask FOLDER 10                   all queries ten times, on one thread
//! query-figures ask FOLDER 10 1 'count(up)' 24  one query, a number or a text, over 24 hours
//! query-figures cancel FOLDER                   long queries, cancelled after a while
//! ```
//!
//! `fill` may leave the parts as they come (`parts`), as they are on the day that is being written, or the samples in the log
//! and so in the head (`head`). `ask` gives the least
//! time of so many repetitions but the first, the CPU time they took on the average, and a checksum of the answer, to
//! compare two builds by. Under `valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*ask_once*'` it is what
//! two repetitions take more than one that a query costs once its caches are warm.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command answers on its standard output"
)]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chronoxide_benches::{DASHBOARD_QUERIES, dashboard_series};
use chronoxide_model::{Matcher, Sample, TimeRange, WriteBatch};
use chronoxide_promql::syntax::Features;
use chronoxide_promql::{Answer, Engine, EngineOptions, QueryOptions, RangeTimes, Value};
use chronoxide_storage::{Database, Durability, Options};
use rand::SeedableRng;
use rand::rngs::StdRng;

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: query-figures fill FOLDER SERIES MINUTES merged|parts|head\n       \
                     query-figures ask FOLDER TIMES [THREADS [QUERY [HOURS]]]\n       \
                     query-figures cancel FOLDER [QUERY]";

const INTERVAL_MS: i64 = 60_000;
const END_MS: i64 = 1_700_006_400_000;
const HOUR_MS: i64 = 3_600_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [
            "fill",
            folder,
            series,
            minutes,
            layout @ ("merged" | "parts" | "head"),
        ] => fill(Path::new(folder), series, minutes, layout),
        ["cancel", folder] => cancel(Path::new(folder), &LONG_QUERIES),
        ["cancel", folder, query] => cancel(Path::new(folder), &[query]),
        ["ask", folder, ref words @ ..] => {
            Asked::parse(words).and_then(|asked| ask(Path::new(folder), &asked))
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

fn open(folder: &Path) -> Result<Database, Failure> {
    let options = Options {
        series_max: u32::MAX,
        durability: Durability::Interval(Duration::from_secs(60)),
        retention: Duration::MAX,
        ..Options::default()
    };
    Ok(Database::open(folder, options)?)
}

fn fill(folder: &Path, count: &str, minutes: &str, layout: &str) -> Result<(), Failure> {
    let database = open(folder)?;
    let mut random = StdRng::seed_from_u64(4);
    let mut series = dashboard_series(count.parse()?);
    let mut minute_ms = END_MS - minutes.parse::<i64>()? * INTERVAL_MS;
    while minute_ms < END_MS {
        let mut batch = WriteBatch::new();
        for one in &mut series {
            batch.start_series(&one.labels);
            // Each target is scraped at a time of its own.
            let value = one.next(&mut random);
            let at_ms = minute_ms + one.scrape_offset_ms(INTERVAL_MS);
            batch.push_sample(Sample::new(at_ms, value));
        }
        database.write(&batch)?;
        minute_ms += INTERVAL_MS;
    }
    if layout != "head" {
        database.flush()?;
    }
    if layout == "merged" {
        database.compact()?;
    }
    Ok(())
}

/// Queries that take long with many series, each in another place.
const LONG_QUERIES: [&str; 6] = [
    r#"count({__name__=~".+"})"#,
    r#"count({instance=~".*7.*", __name__!=""})"#,
    r#"sum by (instance) (rate({__name__=~".+"}[5m]))"#,
    r#"topk(3, quantile_over_time(0.9, {__name__=~".+"}[1h]))"#,
    r#"max_over_time(sum by (instance) (rate({__name__=~".+"}[5m]))[30m:1m])"#,
    r#"count({__name__=~".+"} unless on (instance) (up == 0))"#,
];

/// Asks each of them in full, then again and again to cancel it a little later each time; tells how long it goes on.
fn cancel(folder: &Path, queries: &[&str]) -> Result<(), Failure> {
    const TIMES: u32 = 20;
    let database = open(folder)?;
    let end_ms = newest_ms(&database)?;
    let engine = Engine::new(EngineOptions {
        threads: 2,
        timeout: Duration::from_secs(3600),
        samples_max: u64::MAX,
        memory_max: u64::MAX,
        // Rates of all metrics at once would be the same series otherwise.
        features: Features::ALL,
        ..EngineOptions::default()
    });
    for text in queries {
        let started = Instant::now();
        black_box(ask_once(&engine, &database, text, times(24, end_ms)?)?);
        let whole = started.elapsed();
        let (mut longest, mut worst) = (Duration::ZERO, Duration::ZERO);
        for turn in 0..TIMES {
            let options = QueryOptions::default();
            let cancellation = options.cancellation.clone();
            let times = times(24, end_ms)?;
            let after = whole * turn / TIMES;
            let cancelled = std::thread::scope(|scope| {
                let asked = scope.spawn(|| {
                    let _ = black_box(engine.range(&database, text, times, &options));
                    Instant::now()
                });
                std::thread::sleep(after);
                let cancelled = Instant::now();
                cancellation.cancel();
                let ended = asked.join().map_err(|_| "a query panicked")?;
                Ok::<_, &str>(ended.saturating_duration_since(cancelled))
            })?;
            if cancelled > longest {
                (longest, worst) = (cancelled, after);
            }
        }
        println!(
            "{:9.1} ms in full, at most {:6.1} ms after it was cancelled (at {:.1} ms)  {text}",
            whole.as_secs_f64() * 1e3,
            longest.as_secs_f64() * 1e3,
            worst.as_secs_f64() * 1e3
        );
    }
    Ok(())
}

/// Which queries are asked, and how.
struct Asked {
    repeat: u32,
    threads: usize,
    /// One of the dashboard's, by number, or any other.
    query: Option<String>,
    hours: Option<u64>,
}

impl Asked {
    fn parse(words: &[&str]) -> Result<Self, Failure> {
        let word = |at: usize| words.get(at).copied();
        Ok(Self {
            repeat: word(0).unwrap_or("1").parse::<u32>()?.max(1),
            threads: word(1).unwrap_or("1").parse()?,
            query: word(2).map(str::to_owned),
            hours: word(3).map(str::parse).transpose()?,
        })
    }

    /// The queries with their numbers.
    fn queries(&self) -> Vec<(usize, &str)> {
        let all = DASHBOARD_QUERIES.into_iter().enumerate();
        match &self.query {
            None => all.collect(),
            Some(query) => match query.parse::<usize>() {
                Ok(number) => all.filter(|(index, _)| *index == number).collect(),
                Err(_) => vec![(DASHBOARD_QUERIES.len(), query)],
            },
        }
    }
}

fn ask(folder: &Path, asked: &Asked) -> Result<(), Failure> {
    let database = open(folder)?;
    let end_ms = newest_ms(&database)?;
    let engine = Engine::new(EngineOptions {
        threads: asked.threads,
        ..EngineOptions::default()
    });
    let mut logarithms = 0.0;
    let mut lines = 0_u32;
    for hours in [1, 6, 24] {
        for (index, text) in asked.queries() {
            if asked.hours.is_some_and(|only| only != hours) {
                continue;
            }
            let times = times(hours, end_ms)?;
            let checksum = checksum_of(&ask_once(&engine, &database, text, times)?);
            let mut least = Duration::MAX;
            let before = ticks()?;
            for _ in 1..asked.repeat {
                let started = Instant::now();
                black_box(ask_once(&engine, &database, text, times)?);
                least = least.min(started.elapsed());
            }
            let cpu_ms = (ticks()? - before) as f64 * 10.0 / f64::from(asked.repeat.max(2) - 1);
            let least_ms = least.as_secs_f64() * 1e3;
            logarithms += least_ms.ln();
            lines += 1;
            println!(
                "{hours:2} h {index:2} {least_ms:9.3} ms {cpu_ms:9.3} ms of CPU  {checksum:016x}  {text}"
            );
        }
    }
    let mean_ms = (logarithms / f64::from(lines.max(1))).exp();
    println!("geometric mean {mean_ms:.3} ms");
    Ok(())
}

fn times(hours: u64, end_ms: i64) -> Result<RangeTimes, Failure> {
    let hours = i64::try_from(hours)?;
    Ok(RangeTimes {
        start_ms: end_ms - hours * HOUR_MS,
        end_ms,
        step_ms: hours * HOUR_MS / 240,
    })
}

/// The first full minute after all samples: the folder may have been filled by something else.
fn newest_ms(database: &Database) -> Result<i64, Failure> {
    let up = Matcher::equal("__name__", "up");
    let mut newest = None;
    for series in database.select(&[up], TimeRange::ALL)? {
        let last = series?.samples().last().map(|sample| sample.timestamp_ms);
        newest = newest.max(last);
    }
    let newest_ms = newest.ok_or("there is no series up")?;
    Ok((newest_ms / INTERVAL_MS + 1) * INTERVAL_MS)
}

#[inline(never)]
fn ask_once(
    engine: &Engine,
    database: &Database,
    text: &str,
    times: RangeTimes,
) -> Result<Answer, Failure> {
    Ok(engine.range(database, text, times, &QueryOptions::default())?)
}

/// Changes with every bit of every value.
fn checksum_of(answer: &Answer) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let Value::Matrix(matrix) = &answer.value {
        for series in matrix {
            series.labels.to_string().hash(&mut hasher);
            for (at_ms, value) in &series.floats {
                (at_ms, value.to_bits()).hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

/// CPU time of this process so far, in hundredths of a second.
fn ticks() -> Result<u64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let number = |index: usize| -> Result<u64, Failure> {
        let field = fields.split(' ').nth(index);
        Ok(field.ok_or("a field is missing")?.parse()?)
    };
    Ok(number(11)? + number(12)?)
}
