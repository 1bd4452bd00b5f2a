//! What the command refuses, with a reason and a code other than 0.

use std::fs;
use std::net::TcpListener;

use crate::process::{Process, chronoxide, run, run_command, serve_arguments, texts};

/// Runs with arguments that cannot be followed and gives the one paragraph of the reason.
fn refused(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    let (stdout, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(stdout, "");
    stderr
}

#[test]
fn an_unknown_flag_is_named_with_a_near_one() {
    let reason = refused(&["--retention.tim", "1d"], 2);
    assert!(
        reason.contains("--retention.tim") && reason.contains("--retention.time"),
        "{reason}"
    );
}

#[test]
fn a_wrong_value_is_named_with_its_flag() {
    let reason = refused(&["--retention.time", "forever"], 2);
    assert_eq!(
        reason,
        "chronoxide: --retention.time: \"forever\" is not a duration such as 30d or 1h30m\n"
    );
    let output = run_command(chronoxide().env("CHRONOXIDE_STORAGE_DURABILITY", "hope"));
    assert_eq!(output.status.code(), Some(2));
    assert!(
        texts(&output)
            .1
            .starts_with("chronoxide: CHRONOXIDE_STORAGE_DURABILITY: \"hope\" is not sync")
    );
}

#[test]
fn unknown_keys_of_file_and_environment_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("c.toml");
    fs::write(&file, "[retention]\ntiem = \"1d\"\n").unwrap();
    let reason = refused(&["--config", file.to_str().unwrap()], 2);
    assert!(
        reason.contains("retention.tiem in ") && reason.contains("retention.time"),
        "{reason}"
    );
    let output = run_command(chronoxide().env("CHRONOXIDE_LOG_LEVLE", "info"));
    assert!(
        texts(&output)
            .1
            .contains("did you mean CHRONOXIDE_LOG_LEVEL?")
    );
}

#[test]
fn without_a_port_of_its_own_otlp_is_shown_on_the_main_one() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(&directory.path().join("data"), &[]);
    assert!(server.get("/-/ready").contains("Ready"));
    for line in [
        format!(
            "  otlp     http://{}/v1/metrics  (OTLP/HTTP)\n",
            server.address
        ),
        format!("  otlp     http://{}  (OTLP/gRPC)\n", server.address),
    ] {
        assert!(server.start_block.contains(&line), "{}", server.start_block);
    }
}

#[test]
fn a_busy_port_names_the_flag() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = directory.path().join("data");
    let reason = refused(
        &[
            "--http.listen",
            &address,
            "--storage.path",
            data.to_str().unwrap(),
        ],
        1,
    );
    assert!(
        reason.starts_with(&format!(
            "chronoxide: --http.listen: cannot listen on {address}: "
        )),
        "{reason}"
    );
    assert_eq!(reason.lines().count(), 1, "{reason}");
}

#[test]
fn a_busy_otlp_port_names_the_flag_and_the_other_way() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = directory.path().join("data");
    for (busy, other, way) in [
        (
            "--otlp.http.listen",
            "--otlp.grpc.listen",
            "off: --http.listen serves OTLP/HTTP too",
        ),
        (
            "--otlp.grpc.listen",
            "--otlp.http.listen",
            "off: --http.listen serves OTLP/gRPC and OTLP/HTTP too",
        ),
    ] {
        let data = data.to_str().unwrap();
        let arguments = ["--http.listen", "127.0.0.1:0", busy, &address, other, "off"];
        let arguments = [&arguments[..], &["--storage.path", data]].concat();
        let reason = refused(&arguments, 1);
        let expected = format!("chronoxide: {busy}: cannot listen on {address} ");
        assert!(reason.starts_with(&expected), "{reason}");
        assert!(reason.contains(way), "{reason}");
        assert_eq!(reason.lines().count(), 1, "{reason}");
    }
}

#[test]
fn a_directory_in_use_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let first = Process::start(&data, &[]);
    let reason = refused(&serve_arguments(&data), 1);
    assert!(
        reason.contains("--storage.path") && reason.contains("in use by another process"),
        "{reason}"
    );
    assert!(first.get("/-/ready").contains("Ready"));
}

#[test]
fn a_directory_with_other_things_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("thesis.odt"), "precious").unwrap();
    let path = directory.path().to_str().unwrap();
    let arguments = [
        "--http.listen",
        "127.0.0.1:0",
        "--otlp.http.listen",
        "off",
        "--otlp.grpc.listen",
        "off",
        "--log.level",
        "error",
        "--storage.path",
        path,
    ];
    let reason = refused(&arguments, 1);
    assert!(
        reason.contains("thesis.odt") && reason.contains("not a chronoxide data directory"),
        "{reason}"
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_path_that_is_a_file_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let arguments = [
        "--http.listen",
        "127.0.0.1:0",
        "--otlp.http.listen",
        "off",
        "--otlp.grpc.listen",
        "off",
        "--log.level",
        "error",
        "--storage.path",
        path,
    ];
    let reason = refused(&arguments, 1);
    assert!(
        reason.starts_with("chronoxide: --storage.path: ") && reason.contains(path),
        "{reason}"
    );
    assert_eq!(reason.lines().count(), 1, "{reason}");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let arguments = [
        "--http.listen",
        "127.0.0.1:0",
        "--otlp.http.listen",
        "off",
        "--otlp.grpc.listen",
        "off",
        "--log.level",
        "error",
        "--storage.path",
        "/proc/chronoxide-data",
    ];
    let reason = refused(&arguments, 1);
    let expected = "chronoxide: --storage.path: cannot open data directory /proc/chronoxide-data: ";
    assert!(reason.starts_with(expected), "{reason}");
}
