//! Coming to an end, gently or not.

use std::time::Duration;

use crate::process::{Process, now_ms};

#[test]
fn the_start_block_says_what_runs_where() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(&directory.path().join("data"), &[]);
    let block = &server.start_block;
    assert!(
        block.starts_with(concat!("chronoxide ", env!("CARGO_PKG_VERSION"), "\n")),
        "{block}"
    );
    assert!(
        block.contains(&format!("http://{}/api/v1/write", server.address)),
        "{block}"
    );
    assert!(
        block.contains("/data (acknowledged after fdatasync)"),
        "{block}"
    );
}

#[test]
fn both_signals_end_the_server_cleanly_and_keep_its_samples() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let now = now_ms();
    for (round, name) in ["TERM", "INT"].into_iter().enumerate() {
        let server = Process::start(&data, &[]);
        assert!(server.write("kept", now + round as i64, round as f64));
        server.signal(name);
        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("shutting down"), "{log}");
    }
    let server = Process::start(&data, &[]);
    let time = (now + 1000) as f64 / 1000.0;
    let answer = server.get(&format!(
        "/api/v1/query?query=count_over_time(kept[1h])&time={time}"
    ));
    assert!(answer.contains("\"2\""), "{answer}");
}

#[test]
fn acknowledged_samples_outlive_kill() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let now = now_ms();
    let mut acknowledged = 0;
    for round in 0..3 {
        let server = Process::start(&data, &[]);
        for sample in 0..20 {
            assert!(server.write("kept", now - 100 + round * 20 + sample, 1.0));
            acknowledged += 1;
        }
        server.signal("KILL");
        server.wait();
        let server = Process::start(&data, &[]);
        let time = (now + 1000) as f64 / 1000.0;
        let answer = server.get(&format!(
            "/api/v1/query?query=count_over_time(kept[1h])&time={time}"
        ));
        assert!(answer.contains(&format!("\"{acknowledged}\"")), "{answer}");
    }
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let directory = tempfile::tempdir().unwrap();
    // A request that never ends would hold shutdown up for a minute.
    let server = Process::start(
        &directory.path().join("data"),
        &["--http.shutdown-timeout", "1m"],
    );
    let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
    let head = "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 9\r\n\r\n";
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    // The head has been read once another request on another connection is answered.
    server.get("/-/healthy");
    server.signal("TERM");
    while server.is_ready() {
        std::thread::sleep(Duration::from_millis(5));
    }
    server.signal("TERM");
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("second signal"), "{log}");
}

#[test]
fn log_lines_can_be_json() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(&directory.path().join("data"), &["--log.format", "json"]);
    server.signal("TERM");
    let (_, log) = server.wait();
    for line in log.lines() {
        assert!(
            line.starts_with("{\"timestamp\":") && line.ends_with('}'),
            "{line}"
        );
    }
    assert!(log.contains("\"message\":\"shutting down\""), "{log}");
}

#[test]
fn listening_to_the_world_is_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let port = crate::process::free_port();
    let mut child = crate::process::chronoxide()
        .args([
            "--storage.path",
            data.to_str().unwrap(),
            "--http.listen",
            &format!("0.0.0.0:{port}"),
        ])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut log, &mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        line.contains("WARN") && line.contains("without authentication"),
        "{line}"
    );
}
