//! Data directories that this build, or this user, cannot open.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::process::{Process, chronoxide, now_ms, run, run_command, serve_arguments, texts};

/// A data directory with one sample, closed cleanly.
fn make_data(data: &Path) {
    let server = Process::start(data, &[]);
    assert!(server.write("kept", now_ms(), 1.0));
    server.signal("TERM");
    let (status, log) = server.wait();
    assert!(status.success(), "{log}");
}

/// Demands that `output` is one line that begins by naming `data`, and gives it.
fn refusal(output: &Output, data: &Path) -> String {
    let (stdout, stderr) = texts(output);
    assert_eq!(output.status.code(), Some(1), "{stdout}{stderr}");
    let expected = format!(
        "chronoxide: --storage.path: cannot open data directory {}: ",
        data.display()
    );
    assert!(stderr.starts_with(&expected), "{stderr}");
    assert_eq!(
        (stdout.as_str(), stderr.lines().count()),
        ("", 1),
        "{stderr}"
    );
    stderr
}

/// All names below `directory` with the content of the files.
fn content(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.is_dir() {
            all.push((name, Vec::new()));
            all.extend(content(&path));
        } else {
            all.push((name, fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

/// The CRC32 of gzip and PNG, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1;
            crc >>= 1;
            crc ^= 0xedb8_8320 * carry;
        }
    }
    !crc
}

#[test]
fn data_of_a_newer_version_is_refused_by_both_versions_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    make_data(&data);
    let file = data.join("FORMAT");
    let mut format = fs::read(&file).unwrap();
    assert_eq!(format.len(), 48);
    assert_eq!(format[8..12], 1_u32.to_le_bytes());
    assert_eq!(
        format[44..],
        crc32(&format[..44]).to_le_bytes(),
        "the checksum is made as it is written down"
    );
    format[8..12].copy_from_slice(&2_u32.to_le_bytes());
    let crc = crc32(&format[..44]);
    format[44..].copy_from_slice(&crc.to_le_bytes());
    fs::write(&file, format).unwrap();
    let before = content(&data);

    let versions = "has format version 2, this build reads up to 1";
    let reason = refusal(&run(&serve_arguments(&data)), &data);
    assert!(
        reason.contains("FORMAT") && reason.contains(versions),
        "{reason}"
    );
    let output = run(&["check", data.to_str().unwrap()]);
    let (stdout, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{stdout}{stderr}");
    assert!(stderr.contains(versions), "{stdout}{stderr}");
    assert!(content(&data) == before, "the directory was changed");
}

#[test]
fn a_file_system_that_takes_no_directory_is_named() {
    // Even root makes no directory there: it is read-only, or its own kind of file system.
    let data = Path::new("/sys/chronoxide-data");
    if !Path::new("/sys/kernel").exists() {
        println!("skipped: there is no /sys");
        return;
    }
    let reason = refusal(&run(&serve_arguments(data)), data);
    let known = [
        "Read-only file system",
        "Operation not permitted",
        "Permission denied",
    ];
    assert!(known.iter().any(|known| reason.contains(known)), "{reason}");
}

#[test]
fn a_directory_that_may_only_be_read_is_named_and_left_alone() {
    /// Nobody's number on most systems.
    const NOBODY: u32 = 65534;
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    make_data(&data);
    let before = content(&data);
    let set_modes = |directory_mode: u32, file_mode: u32| {
        for (name, _) in &before {
            let mode = if Path::new(name).is_dir() {
                directory_mode
            } else {
                file_mode
            };
            fs::set_permissions(name, fs::Permissions::from_mode(mode)).unwrap();
        }
        for path in [&data, directory.path()] {
            fs::set_permissions(path, fs::Permissions::from_mode(directory_mode)).unwrap();
        }
    };
    set_modes(0o555, 0o444);
    let mut command = chronoxide();
    command.args(serve_arguments(&data));
    if fs::metadata(&data).unwrap().uid() == 0 {
        // Root may write whatever the modes say; a process of somebody else may not.
        command.uid(NOBODY).current_dir("/");
        let mut trial = chronoxide();
        trial.uid(NOBODY).current_dir("/").arg("--version");
        match trial.stdout(Stdio::null()).status() {
            Ok(status) if status.success() => {}
            Err(error) if error.kind() != ErrorKind::PermissionDenied => panic!("{error}"),
            other => {
                println!("skipped: cannot run as user {NOBODY}: {other:?}");
                return;
            }
        }
    }
    let output = run_command(&mut command);
    set_modes(0o755, 0o644);
    let reason = refusal(&output, &data);
    assert!(reason.contains("Permission denied"), "{reason}");
    assert!(content(&data) == before, "the directory was changed");
}
