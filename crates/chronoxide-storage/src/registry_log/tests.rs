use super::*;
use crate::{ManualClock, RealFs};

pub(super) type Entries = Vec<(u32, Vec<u8>)>;

pub(super) fn open_with(
    fs: Arc<dyn Fs>,
    dir: &Path,
) -> Result<(RegistryLog, Entries, RegistryReport)> {
    let quarantine = Arc::new(Quarantine::new(
        Arc::clone(&fs),
        Arc::new(ManualClock::new(1_000_000)),
    ));
    let mut entries = Vec::new();
    let dir = dir.join("registry");
    let (log, report) = RegistryLog::open(fs, quarantine, &dir, 5, |record| {
        decode_entries(&record.plain().unwrap(), |sid, key| {
            entries.push((sid, key.to_vec()))
        })
        .expect("records hold entries");
    })?;
    Ok((log, entries, report))
}

fn open(dir: &Path) -> (RegistryLog, Entries, RegistryReport) {
    open_with(Arc::new(RealFs), dir).unwrap()
}

fn key(sid: u32) -> Vec<u8> {
    format!("\x08__name__\x06metric\x03sid{sid:08}").into_bytes()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = RealFs.list(&dir.join("registry")).unwrap();
    entries.into_iter().map(|entry| entry.name).collect()
}

#[test]
fn entries_come_back_in_order() {
    let root = tempfile::tempdir().unwrap();
    let (log, entries, _) = open(root.path());
    assert!(entries.is_empty());
    for sid in 0..20_000 {
        log.append(sid, &key(sid)).unwrap();
    }
    log.sync().unwrap();
    log.append(7, b"another").unwrap();
    log.sync().unwrap();
    drop(log);
    let (_, entries, report) = open(root.path());
    assert!(report.is_clean());
    assert_eq!(entries.len(), 20_001);
    assert_eq!(entries[19_999], (19_999, key(19_999)));
    assert_eq!(entries[20_000], (7, b"another".to_vec()));
}

#[test]
fn a_checkpoint_replaces_the_log_before_it() {
    let root = tempfile::tempdir().unwrap();
    let (log, ..) = open(root.path());
    for round in 0..3 {
        for sid in 0..5000 {
            log.append(sid, &key(sid + round)).unwrap();
        }
        let active: Entries = (0..5000).map(|sid| (sid, key(sid + round))).collect();
        log.checkpoint(|| active).unwrap();
    }
    log.append(1, b"new").unwrap();
    log.sync().unwrap();
    assert!(log.log_bytes() < 8192);
    drop(log);
    assert_eq!(names(root.path()).len(), 2, "{:?}", names(root.path()));
    let (log, entries, report) = open(root.path());
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(entries.len(), 5001);
    assert_eq!(entries[4999], (4999, key(5001)));
    assert_eq!(entries[5000], (1, b"new".to_vec()));
    log.append(2, b"newer").unwrap();
    log.sync().unwrap();
    drop(log);
    assert_eq!(open(root.path()).1.len(), 5002);
}

#[test]
fn a_log_that_a_checkpoint_covers_is_not_replayed_after_it() {
    let root = tempfile::tempdir().unwrap();
    let (log, ..) = open(root.path());
    log.append(1, b"old").unwrap();
    log.sync().unwrap();
    let segment = root.path().join("registry/00000001.log");
    let saved = std::fs::read(&segment).unwrap();
    log.checkpoint(|| [(1, b"new")]).unwrap();
    drop(log);
    // As if the process had ended before it removed the covered segment.
    for name in names(root.path())
        .iter()
        .filter(|name| name.ends_with("log"))
    {
        std::fs::remove_file(root.path().join("registry").join(name)).unwrap();
    }
    std::fs::write(&segment, saved).unwrap();
    let (_, entries, report) = open(root.path());
    assert_eq!(entries, [(1, b"new".to_vec())]);
    assert!(report.is_clean(), "{report:?}");
}

#[test]
fn a_damaged_checkpoint_gives_its_good_entries_and_is_set_aside_later() {
    let root = tempfile::tempdir().unwrap();
    let (log, ..) = open(root.path());
    let active: Entries = (0..100_000).map(|sid| (sid, key(sid))).collect();
    log.checkpoint(|| active.clone()).unwrap();
    drop(log);
    let path = root.path().join("registry/00000001.ckpt");
    let mut content = std::fs::read(&path).unwrap();
    let middle = content.len() / 4;
    content[middle] ^= 1;
    std::fs::write(&path, &content).unwrap();
    let (log, entries, report) = open(root.path());
    assert_eq!(report.damaged, std::slice::from_ref(&path));
    assert!(!entries.is_empty() && entries.len() < 100_000);
    log.checkpoint(|| active).unwrap();
    drop(log);
    assert!(
        names(root.path())
            .iter()
            .any(|name| name.starts_with("00000001.ckpt.corrupt-"))
    );
    let (_, entries, report) = open(root.path());
    assert!(report.is_clean());
    assert_eq!(entries.len(), 100_000);
}

#[test]
fn an_unfinished_checkpoint_is_removed() {
    let root = tempfile::tempdir().unwrap();
    let (log, ..) = open(root.path());
    log.append(1, b"one").unwrap();
    log.sync().unwrap();
    drop(log);
    std::fs::write(root.path().join("registry/00000001.tmp"), "half").unwrap();
    let (_, entries, report) = open(root.path());
    assert!(report.is_clean());
    assert_eq!(entries.len(), 1);
    assert_eq!(names(root.path()), ["00000001.log", "00000002.log"]);
}
