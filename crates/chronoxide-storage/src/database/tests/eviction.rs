//! Idle series leave the registry while others are written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::{DirEntry, FsFile, FsLock, Map};

/// A disk that stops before a checkpoint of the registry is created, until it is told to go on.
#[derive(Debug)]
struct StoppingFs {
    disk: Arc<dyn Fs>,
    stopped: Mutex<Sender<()>>,
    go_on: Mutex<Receiver<()>>,
}

impl Fs for StoppingFs {
    fn create_new(&self, path: &Path) -> Result<Box<dyn FsFile>> {
        let is_checkpoint = path.parent().is_some_and(|dir| dir.ends_with("registry"))
            && path.extension().is_some_and(|extension| extension == "tmp");
        if is_checkpoint {
            self.stopped.lock().send(()).expect("the test waits");
            let waited = self.go_on.lock().recv_timeout(Duration::from_secs(60));
            waited.expect("writes go on meanwhile");
        }
        self.disk.create_new(path)
    }

    fn create_log(&self, path: &Path) -> Result<Box<dyn FsFile>> {
        self.disk.create_log(path)
    }

    fn open_append(&self, path: &Path) -> Result<Box<dyn FsFile>> {
        self.disk.open_append(path)
    }

    fn open_read(&self, path: &Path) -> Result<Box<dyn FsFile>> {
        self.disk.open_read(path)
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        self.disk.read(path)
    }

    fn map(&self, path: &Path) -> Result<Map> {
        self.disk.map(path)
    }

    fn len(&self, path: &Path) -> Result<u64> {
        self.disk.len(path)
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        self.disk.exists(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.disk.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> Result<()> {
        self.disk.hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.disk.remove(path)
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.disk.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        self.disk.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.disk.sync_dir(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<DirEntry>> {
        self.disk.list(dir)
    }

    fn lock_exclusive(&self, path: &Path) -> Result<Option<Box<dyn FsLock>>> {
        self.disk.lock_exclusive(path)
    }

    fn free_space(&self, dir: &Path) -> Result<u64> {
        self.disk.free_space(dir)
    }
}

#[test]
fn known_and_new_series_are_written_while_the_registry_is_checkpointed() {
    let place = Place::new();
    let (stopped, has_stopped) = channel();
    let (go_on, may_go_on) = channel();
    let fs = Arc::new(StoppingFs {
        disk: Arc::new(place.disk.process()),
        stopped: Mutex::new(stopped),
        go_on: Mutex::new(may_go_on),
    });
    let clock = Arc::clone(&place.clock) as Arc<dyn Clock>;
    let db = Database::open_quiet(place.path(), Options::default(), fs, clock).unwrap();
    for name in ["idle", "known"] {
        write_one(&db, &series(name), START_MS, 1.0);
    }
    db.flush().unwrap();
    place.clock.advance(2 * 3600 * 1000);
    let now_ms = START_MS + 2 * 3600 * 1000;
    write_one(&db, &series("known"), now_ms, 2.0);
    std::thread::scope(|scope| {
        let eviction = scope.spawn(|| db.engine.evict_idle_series());
        has_stopped
            .recv_timeout(Duration::from_secs(60))
            .expect("a checkpoint begins");
        write_one(&db, &series("known"), now_ms + 1, 3.0);
        write_one(&db, &series("new"), now_ms + 1, 4.0);
        go_on.send(()).expect("the disk waits");
        assert_eq!(eviction.join().expect("it ends").unwrap(), 1);
    });
    let expected = [
        (series("idle"), vec![(START_MS, 1.0)]),
        (
            series("known"),
            vec![(START_MS, 1.0), (now_ms, 2.0), (now_ms + 1, 3.0)],
        ),
        (series("new"), vec![(now_ms + 1, 4.0)]),
    ];
    assert_eq!(read_floats(&db), expected);
    assert_eq!(db.stats().series, 2);
    drop(db);
    place.disk.power_cut();
    assert_eq!(read_floats(&place.open(Options::default())), expected);
}

#[test]
fn series_come_go_and_come_back_while_others_write() {
    const ROUNDS: i64 = 150;
    let place = Place::new();
    let options = Options {
        series_idle: Duration::from_secs(60),
        ..Options::default()
    };
    let db = place.open(options.clone());
    let is_over = AtomicBool::new(false);
    let start_ms = START_MS - ROUNDS * 60_000;
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let (db, clock) = (&db, &place.clock);
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let mut batch = WriteBatch::new();
                        // One that is always there, one of each round, one that comes back now and then.
                        for name in [
                            "all".to_owned(),
                            format!("r{round}"),
                            format!("b{}", round % 7),
                        ] {
                            let name = format!("w{writer}_{name}");
                            batch.push(series(&name), start_ms + round * 1000, round as f64);
                        }
                        db.write(&batch).expect("the disk works");
                        clock.advance(20_000);
                    }
                })
            })
            .collect();
        let (db, is_over) = (&db, &is_over);
        let upkeep = scope.spawn(move || {
            while !is_over.load(Ordering::Acquire) {
                db.flush().expect("the disk works");
                db.engine.evict_idle_series().expect("the disk works");
            }
        });
        let all_wrote = writers.into_iter().all(|writer| writer.join().is_ok());
        is_over.store(true, Ordering::Release);
        assert!(all_wrote && upkeep.join().is_ok());
    });
    let expect = |db: &Database| {
        let found = read_floats(db);
        assert_eq!(found.len() as i64, 2 * (1 + ROUNDS + 7));
        for (labels, samples) in found {
            let name = labels.get("__name__").unwrap_or_default();
            let (_, kind) = name.split_once('_').unwrap_or_default();
            let rounds: Vec<i64> = match kind.split_at(1) {
                ("a", _) => (0..ROUNDS).collect(),
                ("r", round) => vec![round.parse().unwrap()],
                (_, rest) => (rest.parse().unwrap()..ROUNDS).step_by(7).collect(),
            };
            let rounds = rounds.into_iter();
            let expected: Vec<_> = rounds
                .map(|round| (start_ms + round * 1000, round as f64))
                .collect();
            assert_eq!(samples, expected, "{name}");
        }
    };
    expect(&db);
    assert!(db.stats().series_evicted_total > 0, "{:?}", db.stats());
    db.abandon();
    expect(&place.open(options));
}
