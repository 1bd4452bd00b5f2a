//! The database's threads: one flushes the head, one compacts parts and enforces retention; one puts the series that a
//! start did not wait for in place and ends.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::engine::Engine;
use super::pace::Pace;
use crate::abort::AbortOnPanic;
use crate::{Error, Result};

/// The threads of an open database. They end in [`Workers::stop`].
#[derive(Debug, Default)]
pub(super) struct Workers {
    threads: Vec<JoinHandle<()>>,
}

/// Wakes a worker, or ends it.
#[derive(Debug, Default)]
pub(super) struct Bell {
    state: Mutex<BellState>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct BellState {
    is_rung: bool,
    is_over: bool,
}

impl Bell {
    /// Wakes the worker.
    pub(super) fn ring(&self) {
        self.state.lock().is_rung = true;
        self.rung.notify_all();
    }

    /// Ends the worker.
    fn end(&self) {
        self.state.lock().is_over = true;
        self.rung.notify_all();
    }

    /// Waits until somebody rings or `timeout` has passed; `false` when the worker is to end.
    fn wait(&self, timeout: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.is_rung && !state.is_over {
            self.rung.wait_for(&mut state, timeout);
        }
        state.is_rung = false;
        !state.is_over
    }

    fn is_over(&self) -> bool {
        self.state.lock().is_over
    }
}

/// How often the workers look around without being woken.
const TICK: Duration = Duration::from_secs(1);

/// How long a worker waits after a failure before it tries again.
const RETRY: Duration = Duration::from_secs(5);

/// How often retention is enforced.
const RETENTION_INTERVAL: Duration = Duration::from_secs(60);

/// How long retention pauses when it held partitions back.
const RETENTION_PAUSE: Duration = Duration::from_secs(3600);

/// How often idle series are looked for.
const EVICTION_INTERVAL: Duration = Duration::from_secs(300);

/// How long the first deletion waits until parts are rid of what is deleted: more may follow, and merges may do it.
const CLEANING_PAUSE: Duration = Duration::from_secs(3600);

impl Workers {
    /// Starts the threads.
    pub(super) fn start(engine: &Arc<Engine>) -> Result<Self> {
        let mut workers = Self::default();
        let started = workers
            .spawn("chronoxide-flush", engine, run_flushes)
            .and_then(|()| workers.spawn("chronoxide-merge", engine, run_maintenance))
            .and_then(|()| workers.spawn("chronoxide-series", engine, Engine::take_series_in));
        if started.is_err() {
            workers.stop(engine);
        }
        started.map(|()| workers)
    }

    fn spawn(&mut self, name: &str, engine: &Arc<Engine>, job: fn(&Engine)) -> Result<()> {
        let shared = Arc::clone(engine);
        let spawned = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Without this thread the head would fill up, and every write be refused from then on.
                let _whole =
                    AbortOnPanic::of("a flush, the upkeep of parts or the taking in of series");
                job(&shared);
            });
        let thread =
            spawned.map_err(|source| Error::io("start a thread for", &engine.dir, source))?;
        self.threads.push(thread);
        Ok(())
    }

    /// Ends the threads and waits for them; what they are at is finished first.
    pub(super) fn stop(&mut self, engine: &Engine) {
        engine.flush_bell.end();
        engine.maintenance_bell.end();
        for thread in self.threads.drain(..) {
            thread.join().expect("a panic would have ended the process");
        }
    }
}

fn run_flushes(engine: &Engine) {
    let mut timeout = TICK;
    while engine.flush_bell.wait(timeout) {
        timeout = TICK;
        if engine.is_idle() {
            engine.sink.catalog.freeze_if(|_| true);
        }
        if let Err(error) = engine.flush_frozen() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not flush the head; trying again"
            );
            timeout = RETRY;
        }
    }
}

/// How much this process' merges give way to everything else; on Linux priorities are those of threads.
const MERGE_NICENESS: i32 = 10;

fn run_maintenance(engine: &Engine) {
    if let Err(error) = rustix::process::setpriority_process(None, MERGE_NICENESS) {
        tracing::debug!(error = %error, "could not lower the priority of merges");
    }
    let mut retention_due = Instant::now();
    let mut eviction_due = Instant::now() + EVICTION_INTERVAL;
    let mut cleaning_due = Instant::now() + CLEANING_PAUSE;
    let mut pace = Pace::new(Instant::now());
    let mut timeout = TICK;
    while engine.maintenance_bell.wait(timeout) {
        timeout = TICK;
        let now = Instant::now();
        let mut outcome = Ok(());
        if now >= retention_due {
            outcome = engine.enforce_retention().map(|held_back| {
                let pause = if held_back > 0 {
                    RETENTION_PAUSE
                } else {
                    RETENTION_INTERVAL
                };
                retention_due = now + pause;
            });
        }
        if now >= eviction_due {
            outcome = outcome.and(engine.evict_idle_series().map(drop));
            eviction_due = now + EVICTION_INTERVAL;
        }
        let is_resting = engine.is_resting(&mut pace);
        let stop = || engine.maintenance_bell.is_over();
        outcome = outcome.and(engine.compact_in_background(is_resting, stop));
        outcome = outcome.and(engine.forget_tombstones());
        if !engine.has_tombstones() {
            cleaning_due = now + CLEANING_PAUSE;
        } else if now >= cleaning_due {
            outcome = outcome.and(engine.clean_tombstones(|| engine.maintenance_bell.is_over()));
            cleaning_due = now + CLEANING_PAUSE;
        }
        if let Err(error) = outcome {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not tidy up parts; trying again"
            );
            timeout = RETRY;
        }
    }
}

#[cfg(test)]
impl Workers {
    /// Starts a thread with another job.
    pub(super) fn spawn_job(&mut self, engine: &Arc<Engine>, job: fn(&Engine)) {
        self.spawn("chronoxide-test", engine, job)
            .expect("a thread can be started");
    }
}
