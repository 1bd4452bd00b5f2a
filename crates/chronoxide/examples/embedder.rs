//! A program that keeps its own metrics: how many jobs it has done, how long they took and how much memory it has.
//!
//! It works for three seconds, asks the engine and PromQL how that went, closes the database, and finds everything
//! there when it opens it again. Without a directory it takes one that is removed at the end.
//!
//! ```text
//! cargo run -p chronoxide --example embedder [DIRECTORY]
//! ```

use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chronoxide::{Database, Labels, Matcher, Options, Point, TimeRange, Value, WriteBatch, query};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The kinds of jobs.
const KINDS: [&str; 2] = ["sort", "sum"];

fn do_job(kind: &str, input: u64) -> u64 {
    let mut numbers: Vec<u64> = (0..5_000).map(|n| (input ^ n).wrapping_mul(n)).collect();
    if kind == "sort" {
        numbers.sort_unstable();
    }
    numbers.into_iter().fold(0, u64::wrapping_add)
}

fn now_ms() -> Result<i64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64)
}

/// Memory of this process in kB, where the system tells.
fn resident_kb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let (_, rest) = status.split_once("VmRSS:")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Does jobs for 50 ms, `rounds` times, and stores after each what there is to tell about them.
fn work(db: &Database, rounds: u32) -> Result<()> {
    let memory = Labels::from_pairs([("__name__", "resident_memory_bytes")])?;
    let (mut done, mut seconds) = ([0_u64; KINDS.len()], [0.0; KINDS.len()]);
    for _ in 0..rounds {
        let tick = Instant::now();
        for input in (0..).take_while(|_| tick.elapsed() < Duration::from_millis(50)) {
            for (index, kind) in KINDS.into_iter().enumerate() {
                let begin = Instant::now();
                black_box(do_job(kind, input));
                done[index] += 1;
                seconds[index] += begin.elapsed().as_secs_f64();
            }
        }
        let (mut batch, now_ms) = (WriteBatch::new(), now_ms()?);
        for (index, kind) in KINDS.into_iter().enumerate() {
            let labels = |name| Labels::from_pairs([("__name__", name), ("kind", kind)]);
            batch.push(labels("jobs_done_total")?, now_ms, done[index] as f64);
            batch.push(labels("job_seconds_total")?, now_ms, seconds[index]);
        }
        if let Some(kb) = resident_kb() {
            batch.push(&memory, now_ms, kb * 1024.0);
        }
        // When this returns, the samples are on the disk. It may still have refused some, one by one.
        let outcome = db.write(&batch)?;
        if let Some(rejection) = outcome.rejections.first() {
            return Err(format!("samples were refused: {rejection:?}").into());
        }
    }
    Ok(())
}

/// Prints what the database knows about the last `span`.
fn report(db: &Database, span: Duration, at_ms: i64, out: &mut dyn Write) -> Result<()> {
    let counters = [Matcher::equal("__name__", "jobs_done_total")];
    for series in db.select(&counters, TimeRange::last(span, at_ms))? {
        let series = series?;
        let (labels, samples) = (series.labels(), series.samples());
        let count = samples.len();
        let last = samples.last().map_or(0.0, |sample| sample.value);
        writeln!(out, "{labels}: {count} samples, {last} at the end")?;
    }
    let window = format!("[{}ms]", span.as_millis());
    let rate = |name: &str| format!("sum by (kind) (rate({name}{window}))");
    let (done, seconds) = (rate("jobs_done_total"), rate("job_seconds_total"));
    let duration = format!("1000 * {seconds} / {done}");
    let memory = format!("max_over_time(resident_memory_bytes{window}) / 2 ^ 20");
    for (title, text) in [
        ("jobs a second", done),
        ("ms a job", duration),
        ("MiB at most", memory),
    ] {
        let Value::Vector(samples) = query(db, &text, at_ms)?.value else {
            return Err(format!("{text} is no vector").into());
        };
        for sample in samples {
            if let Point::Float(value) = sample.point {
                let kind = sample.labels.get("kind").unwrap_or("all");
                writeln!(out, "{kind:8} {value:>10.3} {title}")?;
            }
        }
    }
    Ok(())
}

/// The whole program: works for so many `rounds`, and reports from the database before and after closing it.
pub(crate) fn run(path: &Path, rounds: u32, out: &mut dyn Write) -> Result<()> {
    let start_ms = now_ms()?;
    let db = Database::open(path, Options::default())?;
    work(&db, rounds)?;
    let at_ms = now_ms()?;
    let seen = Duration::from_millis(at_ms.abs_diff(start_ms).max(1));
    report(&db, seen, at_ms, out)?;
    db.close()?;

    writeln!(out, "opened again:")?;
    let db = Database::open(path, Options::default())?;
    report(&db, seen, at_ms, out)?;
    Ok(db.close()?)
}

fn main() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let path = std::env::args_os().nth(1);
    let path = path.map_or_else(|| temporary.path().join("metrics"), Into::into);
    run(&path, 60, &mut std::io::stdout())
}
