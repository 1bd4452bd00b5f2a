//! How long writes wait while the head is flushed, idle series leave and the registry is checkpointed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::RealFs;

/// Series of one request.
const REQUEST_SERIES: usize = 500;

/// One request in this many has a series that was not there before.
const REQUESTS_PER_NEW_SERIES: usize = 8;

/// Twelve labels, as a cluster gives them.
fn labels_of(number: usize) -> Labels {
    let (pod, metric) = (number / 100, number % 100);
    let mut pairs = vec![
        (
            "__name__",
            format!("application_operation_{metric:02}_total"),
        ),
        (
            "instance",
            format!("10.{}.{}.{}:9100", pod >> 16, pod >> 8 & 255, pod & 255),
        ),
        ("pod", format!("application-{pod:08x}")),
        ("node", format!("node-{:04}.example.internal", pod / 8)),
    ];
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        pairs.push((name, format!("value-{}", pod % 5)));
    }
    Labels::from_pairs(pairs).expect("the names differ")
}

fn request(numbers: impl Iterator<Item = usize>, timestamp_ms: i64) -> WriteBatch<'static> {
    let mut batch = WriteBatch::new();
    for number in numbers {
        batch.push(labels_of(number), timestamp_ms, number as f64);
    }
    batch
}

/// Times of writes, sorted.
struct Times(Vec<Duration>);

impl Times {
    fn print(&self, what: &str) {
        let at =
            |share: f64| self.0[((self.0.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        eprintln!(
            "{what:<44} {:>6} writes: p50 {:>7.2} p99 {:>7.2} p99.9 {:>7.2} max {:>7.2} ms",
            self.0.len(),
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0)
        );
    }
}

/// Writes from two threads for as long as `meanwhile` takes, and how long each write of known series took, and each of
/// one that is new.
fn writes_during(
    db: &Database,
    series: usize,
    fresh: &AtomicUsize,
    meanwhile: impl FnOnce(),
) -> (Times, Times) {
    let is_over = AtomicBool::new(false);
    let now_ms = db.engine.clock.now_ms();
    let mut known = Vec::new();
    let mut new = Vec::new();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let is_over = &is_over;
                scope.spawn(move || {
                    let mut times = (Vec::new(), Vec::new());
                    for round in 0.. {
                        if is_over.load(Ordering::Acquire) {
                            break;
                        }
                        let start = (round * 7919 + writer * 104_729) * REQUEST_SERIES % series;
                        let numbers = start..(start + REQUEST_SERIES).min(series);
                        let is_new = round % REQUESTS_PER_NEW_SERIES == 0;
                        let extra = is_new.then(|| fresh.fetch_add(1, Ordering::Relaxed));
                        let batch = request(numbers.chain(extra), now_ms + round as i64);
                        let started = Instant::now();
                        db.write(&batch).expect("the disk works");
                        let took = started.elapsed();
                        if is_new {
                            times.1.push(took)
                        } else {
                            times.0.push(took)
                        }
                    }
                    times
                })
            })
            .collect();
        meanwhile();
        is_over.store(true, Ordering::Release);
        for writer in writers {
            let times = writer.join().expect("it ends");
            known.extend(times.0);
            new.extend(times.1);
        }
    });
    known.sort();
    new.sort();
    (Times(known), Times(new))
}

/// Prints figures of a real disk: `cargo test --release -- --ignored --nocapture pauses`, with `PAUSE_SERIES` series.
#[test]
#[ignore = "a measurement"]
fn measure_pauses_of_writes() {
    let series = std::env::var("PAUSE_SERIES").map_or(1_000_000, |text| text.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START_MS));
    let shared = Arc::clone(&clock) as Arc<dyn Clock>;
    let options = Options {
        series_max: u32::MAX,
        ..Options::default()
    };
    let db = Database::open_quiet(&dir.path().join("db"), options, Arc::new(RealFs), shared);
    let db = db.unwrap();
    let fresh = AtomicUsize::new(10 * series);
    let write_all = |numbers: std::ops::Range<usize>| {
        for start in numbers.clone().step_by(10 * REQUEST_SERIES) {
            let end = numbers.end.min(start + 10 * REQUEST_SERIES);
            db.write(&request(start..end, clock.now_ms())).unwrap();
            db.engine.flush_frozen().unwrap();
        }
    };
    write_all(0..series);
    let show = |what: &str, meanwhile: &dyn Fn()| {
        let started = Instant::now();
        let (known, new) = writes_during(&db, series / 2, &fresh, meanwhile);
        eprintln!("{what} took {:.2} s", started.elapsed().as_secs_f64());
        known.print("  known series");
        new.print("  with a new series");
    };
    show("nothing", &|| std::thread::sleep(Duration::from_secs(5)));
    show("a flush of all", &|| db.flush().unwrap());
    show("a flush of some", &|| db.flush().unwrap());
    clock.advance(2 * 3600 * 1000);
    write_all(0..series / 2);
    db.flush().unwrap();
    let _ = db.engine.flush_frozen();
    show("eviction of half of them, a checkpoint", &|| {
        let evicted = db.engine.evict_idle_series().unwrap();
        assert!(evicted >= series / 4, "{evicted}");
    });
    show("a flush after it", &|| db.flush().unwrap());
}
