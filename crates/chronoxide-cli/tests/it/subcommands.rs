//! Version, help, healthcheck, check.

use crate::process::{Process, free_port, run, texts};

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
        "--config",
    ] {
        assert!(help.contains(text), "{text}\n{help}");
    }
    assert!(!help.contains("otlp"), "{help}");
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
