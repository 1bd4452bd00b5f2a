use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn files_and_directories_are_for_their_owner_only() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/b");
    RealFs.create_dir_all(&dir).unwrap();
    RealFs.create_dir_all(&dir).unwrap();
    let file = RealFs.create_new(&dir.join("f")).unwrap();
    file.append(b"one").unwrap();
    file.append(b"two").unwrap();
    file.sync_data().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("f")), 0o600);
    assert_eq!(RealFs.read(&dir.join("f")).unwrap(), b"onetwo");
    assert_eq!(&*RealFs.map(&dir.join("f")).unwrap(), b"onetwo");
    let mut two = [0; 3];
    file.read_exact_at(&mut two, 3).unwrap();
    assert_eq!(&two, b"two");
    assert!(RealFs.create_new(&dir.join("f")).is_err());
    assert_eq!(
        RealFs.list(&dir).unwrap(),
        [DirEntry {
            name: "f".to_owned(),
            is_dir: false
        }]
    );
    assert!(RealFs.free_space(&dir).unwrap() > 0);
}

#[test]
fn a_log_is_written_over_and_beyond_its_end_and_nothing_else_is() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("log");
    let log = RealFs.create_log(&path).unwrap();
    log.write_at(b"one00000", 0).unwrap();
    log.write_at(b"two", 3).unwrap();
    log.write_at(b"three", 6).unwrap();
    log.sync_data().unwrap();
    assert_eq!(RealFs.read(&path).unwrap(), b"onetwothree");
    assert!(log.append(b"x").is_err(), "it would go to the beginning");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let error = RealFs.create_log(&path).unwrap_err();
    assert!(error.to_string().contains("create"), "{error}");
    let file = RealFs.create_new(&root.path().join("file")).unwrap();
    file.append(b"one").unwrap();
    assert!(file.write_at(b"x", 0).is_err(), "it would go to the end");
}

#[test]
fn a_lock_is_held_until_it_is_dropped() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("LOCK");
    let held = RealFs.lock_exclusive(&path).unwrap();
    assert!(held.is_some());
    assert!(RealFs.lock_exclusive(&path).unwrap().is_none());
    drop(held);
    assert!(RealFs.lock_exclusive(&path).unwrap().is_some());
}

#[test]
fn failures_name_operation_and_path() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("absent");
    let error = RealFs.read(&path).unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("read"));
    assert!(error.to_string().contains("absent"));
    assert_eq!(&*Map::copied(vec![1, 2]), [1, 2]);
}
