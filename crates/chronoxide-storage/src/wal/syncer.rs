//! The thread that syncs the log every so often.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::Shared;
use crate::abort::AbortOnPanic;
use crate::{Error, Result};

/// A thread that syncs until it is stopped.
#[derive(Debug)]
pub(super) struct Syncer {
    stop: Arc<Stop>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Syncer {
    pub(super) fn start<T: Send + 'static>(
        shared: &Arc<Shared<T>>,
        interval: Duration,
    ) -> Result<Self> {
        let stop = Arc::new(Stop::default());
        let (stop_of_thread, shared) = (Arc::clone(&stop), Arc::clone(shared));
        let thread = std::thread::Builder::new()
            .name("chronoxide-wal-sync".to_owned())
            .spawn(move || {
                let _whole = AbortOnPanic::of("syncing the write-ahead log");
                while !stop_of_thread.wait(interval) {
                    if let Err(error) = shared.sync() {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "could not sync the write-ahead log; writes are refused until that works"
                        );
                    }
                }
            })
            .map_err(|error| Error::InvalidArgument {
                what: "durability interval",
                reason: format!("its thread cannot be started: {error}"),
            })?;
        Ok(Self {
            stop,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Ends the thread and waits for it.
    pub(super) fn stop(&self) {
        *self.stop.stopped.lock() = true;
        self.stop.changed.notify_all();
        if let Some(thread) = self.thread.lock().take() {
            // A panic of the thread has been printed; there is nothing left to do about it.
            let _ = thread.join();
        }
    }
}

impl Stop {
    /// Waits for `interval` or the end; whether it is the end.
    fn wait(&self, interval: Duration) -> bool {
        let mut stopped = self.stopped.lock();
        if !*stopped {
            self.changed.wait_for(&mut stopped, interval);
        }
        *stopped
    }
}
