//! Panics amid a change of state: the process ends. Each test runs itself again in a process of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

const IN_CHILD: &str = "CHRONOXIDE_TEST_ABORTS";

/// Runs `scene` in a child process, which has to die by its own hand and not by the failure of the test there.
fn assert_aborts(test: &str, scene: impl FnOnce()) {
    if std::env::var_os(IN_CHILD).is_some() {
        // A panic that comes out as such lets the child end well, which the parent takes for the failure it is.
        let _ = catch_unwind(AssertUnwindSafe(scene));
        return;
    }
    let name = format!("database::tests::aborts::{test}");
    let output = Command::new(std::env::current_exe().expect("it runs"))
        .args(["--exact", &name, "--nocapture"])
        .env(IN_CHILD, "1")
        .output()
        .expect("it can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("running 1 test"), "{text}");
    assert!(!output.status.success(), "it went on: {text}");
}

#[test]
fn a_panic_of_a_storage_thread_ends_the_process() {
    assert_aborts("a_panic_of_a_storage_thread_ends_the_process", || {
        let mut db = Place::new().open(Options::default());
        db.workers.spawn_job(&db.engine, |_| panic!("on purpose"));
        db.workers.stop(&db.engine);
    });
}

/// A clock that panics when told to.
#[derive(Debug, Default)]
struct BrokenClock {
    broken: AtomicBool,
}

impl Clock for BrokenClock {
    fn now_ms(&self) -> i64 {
        assert!(!self.broken.load(Ordering::Relaxed), "on purpose");
        START_MS
    }
}

#[test]
fn a_panic_amid_a_write_ends_the_process() {
    assert_aborts("a_panic_amid_a_write_ends_the_process", || {
        let clock = Arc::new(BrokenClock::default());
        let disk = Arc::new(SimFs::new(0));
        let of_db = Arc::clone(&clock) as Arc<dyn Clock>;
        let db = Database::open_quiet(Path::new("/db"), Options::default(), disk, of_db)
            .expect("it opens");
        clock.broken.store(true, Ordering::Relaxed);
        let written = catch_unwind(AssertUnwindSafe(|| {
            write_one(&db, &series("a"), START_MS, 1.0);
        }));
        clock.broken.store(false, Ordering::Relaxed);
        assert!(written.is_err(), "the clock was asked");
    });
}
