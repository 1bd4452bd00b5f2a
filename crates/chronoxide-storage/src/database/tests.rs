//! The whole database, without its threads: tests say when it flushes and merges.

#![allow(
    clippy::print_stderr,
    reason = "tests of crashes and damage tell how much they tried"
)]

mod aborts;
mod admission;
mod basics;
mod checks;
mod churn;
mod concurrency;
mod crash;
mod damage;
mod deletes;
mod eviction;
mod exemplars;
mod fixture;
mod hashed_batches;
mod layout;
mod limits;
mod merging;
mod model;
mod month;
mod pauses;
mod repeats;
mod retention;
mod selected_again;
mod snapshot_dirs;
mod snapshots;
mod starts;
mod state;
mod stretches;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::{ManualClock, SimFs};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// 2023-11-14 22:13:20 UTC.
const START_MS: i64 = 1_700_000_000_000;

/// How much of a costly test to do: what the environment says, as it does before anything lands, or else `default`.
fn effort(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("it is a number"))
}

impl Database {
    /// Opens a database whose threads do not run.
    fn open_quiet(
        path: &Path,
        options: Options,
        fs: Arc<dyn Fs>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let engine = Arc::new(Engine::open(
            path,
            options,
            fs,
            clock,
            &ReplayProgress::new(),
        )?);
        engine.take_series_in();
        Ok(Self {
            engine,
            workers: Workers::default(),
        })
    }

    /// Lets go of the database without a flush, as the end of the process would.
    fn abandon(self) {
        self.engine.close().expect("the log can be synced");
    }

    fn enforce_retention(&self) -> Result<usize> {
        self.engine.enforce_retention()
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied()).expect("the pairs are good")
}

fn series(name: &str) -> Labels {
    labels(&[("__name__", name), ("job", "test")])
}

/// A simulated disk with a database on it.
#[derive(Debug)]
struct Place {
    disk: SimFs,
    clock: Arc<ManualClock>,
}

impl Place {
    fn new() -> Self {
        Self::with_seed(0)
    }

    fn with_seed(seed: u64) -> Self {
        Self {
            disk: SimFs::new(seed),
            clock: Arc::new(ManualClock::new(START_MS)),
        }
    }

    fn path(&self) -> &'static Path {
        Path::new("/db")
    }

    fn open(&self, options: Options) -> Database {
        self.try_open(options).expect("it opens")
    }

    fn try_open(&self, options: Options) -> Result<Database> {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Database::open_quiet(self.path(), options, Arc::new(self.disk.process()), clock)
    }

    /// Files below the database's directory whose path satisfies `test`, sorted.
    fn files(&self, test: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut dirs = vec![self.path().to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in self.disk.list(&dir).expect("it is a directory") {
                let path = dir.join(&entry.name);
                if entry.is_dir {
                    dirs.push(path);
                } else if test(&path.to_string_lossy()) {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }
}

fn write_one(db: &Database, labels: &Labels, timestamp_ms: i64, value: f64) -> WriteOutcome {
    let mut batch = WriteBatch::new();
    batch.push(labels, timestamp_ms, value);
    db.write(&batch).expect("the disk works")
}

/// Series with their float samples.
type Floats = Vec<(Labels, Vec<(i64, f64)>)>;

/// The float samples of all series, in order.
fn read_floats(db: &Database) -> Floats {
    let selection = Database::select(db, &[], TimeRange::ALL).expect("it can be read");
    let read = |series: Result<crate::Series>| {
        let series = series.expect("it can be read");
        let samples = series
            .samples()
            .map(|sample| (sample.timestamp_ms, sample.value));
        (series.labels().clone(), samples.collect())
    };
    selection.into_iter().map(read).collect()
}
