//! Version, help, healthcheck, check.

use std::fs;

use crate::process::{Process, free_port, now_ms, run, texts};

#[test]
fn version_and_help_go_to_standard_output() {
    let output = run(&["--version"]);
    assert_eq!(
        (output.status.code(), texts(&output).0.as_str()),
        (
            Some(0),
            concat!("chronoxide ", env!("CARGO_PKG_VERSION"), "\n")
        )
    );
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = texts(&output).0;
    for text in [
        "--storage.path <DIR>",
        "CHRONOXIDE_STORAGE_PATH",
        "127.0.0.1:8490",
        "healthcheck",
        "check",
        "--config",
        "--otlp.http.listen <ADDRESS>",
        "CHRONOXIDE_OTLP_PROMOTE",
    ] {
        assert!(help.contains(text), "{text}\n{help}");
    }
}

#[test]
fn a_health_check_asks_the_configured_address() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(&directory.path().join("data"), &[]);
    let output = run(&["healthcheck", "--http.listen", &server.address]);
    assert_eq!(output.status.code(), Some(0), "{}", texts(&output).1);
    let nobody = format!("127.0.0.1:{}", free_port());
    let output = run(&["--http.listen", &nobody, "healthcheck"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        texts(&output)
            .1
            .contains(&format!("no answer from http://{nobody}/-/healthy"))
    );
}

#[test]
fn a_health_check_asks_below_the_prefix() {
    let directory = tempfile::tempdir().unwrap();
    let prefix = ["--http.route-prefix", "/store"];
    let server = Process::start(&directory.path().join("data"), &prefix);
    let asked = |arguments: &[&str]| {
        let listen = ["healthcheck", "--http.listen", server.address.as_str()];
        run(&[&listen[..], arguments].concat())
    };
    let output = asked(&prefix);
    assert_eq!(output.status.code(), Some(0), "{}", texts(&output).1);
    let output = asked(&[]);
    assert_eq!(output.status.code(), Some(1));
    let refused = texts(&output).1;
    assert!(refused.contains("/-/healthy answers 404"), "{refused}");
}

#[test]
fn check_finds_a_sound_directory_sound() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Process::start(&data, &[]);
    assert!(server.write("checked", now_ms(), 1.0));
    let output = run(&["check", data.to_str().unwrap()]);
    assert_eq!(
        output.status.code(),
        Some(1),
        "a directory in use cannot be checked"
    );
    server.signal("TERM");
    server.wait();
    let output = run(&["check", data.to_str().unwrap()]);
    let (stdout, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("sound"), "{stdout}");
    let part_line = stdout.lines().find(|line| line.contains(".part: sound, "));
    assert!(
        part_line.is_some_and(|line| line.ends_with(" series")),
        "{stdout}"
    );
    assert!(stdout.contains(" chunks of constants: "), "{stdout}");
    assert_eq!(stderr, "", "progress is for terminals");
}

#[test]
fn check_names_a_damaged_file() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Process::start(&data, &[]);
    for sample in 0..100 {
        assert!(server.write("checked", now_ms() - sample, sample as f64));
    }
    server.signal("TERM");
    server.wait();
    let part = files_below(&data.join("parts"))
        .into_iter()
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&part, bytes).unwrap();
    let output = run(&["check", data.to_str().unwrap()]);
    let (stdout, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{stdout}{stderr}");
    assert!(
        stdout.contains(part.file_name().unwrap().to_str().unwrap()),
        "{stdout}"
    );
    assert!(stdout.contains("wrong"), "{stdout}");
}

#[test]
fn check_of_nothing_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let output = run(&["check", missing.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(texts(&output).1.contains("missing"));
    assert!(!missing.exists());
}

fn files_below(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path))
        } else {
            files.push(path)
        }
    }
    files
}
