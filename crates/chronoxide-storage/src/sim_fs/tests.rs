use super::*;

fn path(text: &str) -> PathBuf {
    PathBuf::from(text)
}

fn synced_file(disk: &SimFs, name: &str, content: &[u8]) -> Box<dyn FsFile> {
    disk.create_dir_all(&path("/d")).unwrap();
    let file = disk.create_new(&path(name)).unwrap();
    file.append(content).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(&path("/d")).unwrap();
    file
}

#[test]
fn a_power_cut_keeps_what_was_synced_and_any_part_of_the_rest() {
    let (mut whole, mut none, mut other) = (0, 0, 0);
    for seed in 0..200 {
        let disk = SimFs::new(seed);
        let file = synced_file(&disk, "/d/f", &[1; 700]);
        file.append(&[2; 3000]).unwrap();
        disk.power_cut();
        let left = disk.read(&path("/d/f")).unwrap();
        assert_eq!(left[..700], [1; 700], "seed {seed}");
        assert!(left.len() <= 3700);
        match left.len() {
            700 => none += 1,
            3700 if left[700..].iter().all(|&byte| byte == 2) => whole += 1,
            _ => other += 1,
        }
        assert!(file.append(b"x").is_err(), "the handle is dead");
    }
    assert!(
        whole > 10 && none > 10 && other > 10,
        "{whole} {none} {other}"
    );
}

#[test]
fn names_that_were_not_synced_may_be_lost() {
    let (mut there, mut gone) = (0, 0);
    for seed in 0..100 {
        let disk = SimFs::new(seed);
        synced_file(&disk, "/d/old", b"old");
        let file = disk.create_new(&path("/d/tmp")).unwrap();
        file.append(b"new").unwrap();
        file.sync_data().unwrap();
        disk.rename(&path("/d/tmp"), &path("/d/old")).unwrap();
        assert_eq!(disk.read(&path("/d/old")).unwrap(), b"new");
        disk.power_cut();
        match &*disk.read(&path("/d/old")).unwrap() {
            b"new" => there += 1,
            b"old" => gone += 1,
            left => panic!("{left:?}"),
        }
    }
    assert!(there > 10 && gone > 10, "{there} {gone}");
}

#[test]
fn a_failed_sync_loses_data_that_the_next_sync_does_not_bring_back() {
    let mut lost = 0;
    for seed in 0..50 {
        let disk = SimFs::new(seed);
        let file = synced_file(&disk, "/d/f", b"a");
        file.append(&[2; 1000]).unwrap();
        disk.fail_at(disk.operation_count(), SimFault::Io, false);
        assert!(file.sync_data().is_err());
        assert_eq!(disk.fault_hits(), 1);
        file.append(b"z").unwrap();
        file.sync_data().unwrap();
        assert_eq!(disk.len(&path("/d/f")).unwrap(), 1002);
        disk.power_cut();
        let left = disk.read(&path("/d/f")).unwrap();
        assert_eq!((left[0], left[left.len() - 1]), (b'a', b'z'));
        lost += u32::from(left[1..].contains(&0));
    }
    assert!(lost > 10, "{lost}");
}

#[test]
fn a_full_disk_takes_part_of_a_write() {
    let disk = SimFs::new(1);
    let file = synced_file(&disk, "/d/f", b"abc");
    disk.set_capacity(5);
    let error = file.append(b"defg").unwrap_err();
    assert!(error.is_out_of_space());
    assert_eq!(disk.read(&path("/d/f")).unwrap(), b"abcde");
    disk.set_capacity(100);
    file.append(b"f").unwrap();
    assert_eq!(disk.free_space(&path("/d")).unwrap(), 94);
}

#[test]
fn writing_over_bytes_takes_no_room_and_may_be_lost_sector_by_sector() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..50 {
        let disk = SimFs::new(seed);
        let file = synced_file(&disk, "/d/f", &[b'a'; 2048]);
        disk.set_capacity(2050);
        file.write_at(&[b'b'; 1024], 1024).unwrap();
        file.write_at(b"cc", 2048).unwrap();
        assert!(file.write_at(b"ccc", 2048).unwrap_err().is_out_of_space());
        disk.power_cut();
        let left = disk.read(&path("/d/f")).unwrap();
        assert!(left[..1024].iter().all(|byte| *byte == b'a'), "seed {seed}");
        lost += u32::from(left[1024] == b'a');
        kept += u32::from(left[1024] == b'b');
    }
    assert!(lost > 5 && kept > 5, "{lost} lost, {kept} kept");
}

#[test]
fn after_the_cut_nothing_works_until_the_power_is_back() {
    let disk = SimFs::new(1);
    let file = synced_file(&disk, "/d/f", b"abc");
    disk.cut_power_at(disk.operation_count() + 1);
    file.append(b"d").unwrap();
    assert!(!disk.is_off());
    assert!(file.append(b"e").is_err() && disk.is_off());
    assert!(disk.read(&path("/d/f")).is_err());
    disk.power_cut();
    assert!(disk.read(&path("/d/f")).unwrap().starts_with(b"abc"));
}

#[test]
fn locks_end_with_their_holder_or_the_process() {
    let disk = SimFs::new(1);
    let lock = disk.lock_exclusive(&path("/LOCK")).unwrap();
    assert!(lock.is_some());
    assert!(disk.lock_exclusive(&path("/LOCK")).unwrap().is_none());
    disk.kill_process();
    let second = disk.lock_exclusive(&path("/LOCK")).unwrap();
    drop(lock);
    assert!(second.is_some());
    assert!(disk.lock_exclusive(&path("/LOCK")).unwrap().is_none());
    drop(second);
    assert!(disk.lock_exclusive(&path("/LOCK")).unwrap().is_some());
}

#[test]
fn one_seed_makes_one_outcome() {
    let run = || {
        let disk = SimFs::new(42);
        let file = synced_file(&disk, "/d/f", b"abc");
        for at in 0..20_u8 {
            file.append(&[at; 300]).unwrap();
        }
        disk.power_cut();
        disk.read(&path("/d/f")).unwrap()
    };
    assert_eq!(run(), run());
}
