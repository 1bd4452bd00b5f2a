//! Clients that others have written, against the real binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chronoxide_tests::{
    Answer, PrometheusServer, RemoteWriteSample, Server, free_port, program_output, python_clients,
    query, query_range, remote_write_body, wait_until,
};
use serde_json::{Value, json};

/// The step of all samples here.
const STEP_MS: i64 = 15_000;

/// A server with an hour of three series, and the time of their newest samples.
struct Stage {
    server: Server,
    newest_ms: i64,
    folder: tempfile::TempDir,
}

fn stage() -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(
        &folder.path().join("data"),
        free_port(),
        &["--self-metrics.interval", "off"],
    );
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let newest_ms = i64::try_from(now.as_millis()).unwrap() / STEP_MS * STEP_MS;
    let mut samples = Vec::new();
    for step in (0..240).rev() {
        let timestamp_ms = newest_ms - step * STEP_MS;
        let index = (240 - step) as f64;
        let mut push = |labels, value| {
            samples.push(RemoteWriteSample {
                labels,
                timestamp_ms,
                value,
            });
        };
        push(
            vec![
                ("__name__", "requests_total"),
                ("code", "200"),
                ("job", "shop"),
            ],
            index * 3.0,
        );
        push(
            vec![
                ("__name__", "requests_total"),
                ("code", "500"),
                ("job", "shop"),
            ],
            index,
        );
        push(
            vec![("__name__", "temperature_celsius"), ("room", "lab")],
            20.0 + (index / 7.0).sin(),
        );
    }
    let body = remote_write_body(&samples);
    let pushed = server.push(&body).unwrap();
    assert_eq!(pushed.status, 204, "{}", pushed.text);
    Stage {
        server,
        newest_ms,
        folder,
    }
}

/// Says that a test has nothing to test with.
#[expect(clippy::print_stderr, reason = "whoever runs the tests should know")]
fn skipped(reason: &str) {
    let required = std::env::var_os("PEERS").is_some_and(|peers| peers == "require");
    assert!(!required, "PEERS=require: {reason}");
    eprintln!("skipped: {reason}");
}

fn promtool(arguments: &[&str]) -> Option<String> {
    program_output(Command::new("promtool").args(arguments))
        .map(|output| output.unwrap_or_else(|text| panic!("promtool {arguments:?}: {text}")))
}

#[test]
fn promtool_asks_and_is_answered() {
    let stage = stage();
    let url = stage.server.url();
    let time = (stage.newest_ms / 1000).to_string();
    let flag = format!("--time={time}");
    let Some(instant) = promtool(&[
        "query",
        "instant",
        &flag,
        &url,
        "sum by (code) (requests_total)",
    ]) else {
        return skipped("promtool is not installed");
    };
    assert_eq!(
        instant.lines().collect::<Vec<_>>(),
        [
            format!("{{code=\"200\"}} => 720 @[{time}]"),
            format!("{{code=\"500\"}} => 240 @[{time}]")
        ]
    );
    let (start, end) = (
        format!("--start={}", stage.newest_ms / 1000 - 30),
        format!("--end={time}"),
    );
    let range = promtool(&[
        "query",
        "range",
        &start,
        &end,
        "--step=15s",
        &url,
        "requests_total{code=\"500\"}",
    ]);
    let times: Vec<String> = (0..3)
        .map(|step| {
            format!(
                "{} @[{}]",
                238 + step,
                stage.newest_ms / 1000 - 30 + step * 15
            )
        })
        .collect();
    assert_eq!(
        range.unwrap().lines().collect::<Vec<_>>(),
        [
            "requests_total{code=\"500\", job=\"shop\"} =>",
            &times[0],
            &times[1],
            &times[2]
        ]
    );
    let series = promtool(&[
        "query",
        "series",
        "--match=temperature_celsius",
        &start,
        &end,
        &url,
    ]);
    assert_eq!(
        series.unwrap().trim(),
        "{__name__=\"temperature_celsius\", room=\"lab\"}"
    );
    let labels = promtool(&["query", "labels", &start, &end, &url, "code"]).unwrap();
    assert_eq!(labels.lines().collect::<Vec<_>>(), ["200", "500"]);
    let json = promtool(&["query", "instant", "-o", "json", &flag, &url, "time()"]).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&json).unwrap(),
        json!([stage.newest_ms / 1000, time])
    );
}

/// The values of a recording rule for the past, which promtool asks for range by range.
#[test]
fn promtool_fills_in_a_rule_for_the_past() {
    let stage = stage();
    let rules = stage.folder.path().join("rules.yml");
    let text = "groups:\n- name: shop\n  interval: 1m\n  rules:\n  - record: job:requests:sum\n    \
                expr: sum by (job) (requests_total)\n";
    fs::write(&rules, text).unwrap();
    let blocks = stage.folder.path().join("blocks").display().to_string();
    let end = stage.newest_ms / 60_000 * 60;
    let [start, end, url, output] = [
        format!("--start={}", end - 120),
        format!("--end={end}"),
        format!("--url={}", stage.server.url()),
        format!("--output-dir={blocks}"),
    ];
    let rules = rules.display().to_string();
    let command = ["tsdb", "create-blocks-from", "rules"];
    let arguments = [&command[..], &[&start, &end, &url, &output, &rules]].concat();
    if promtool(&arguments).is_none() {
        return skipped("promtool is not installed");
    }
    // What dumps takes the blocks for a whole database.
    fs::create_dir(stage.folder.path().join("blocks/wal")).unwrap();
    let dumped = promtool(&["tsdb", "dump", &blocks]).unwrap();
    // Each group is evaluated at an offset of its own.
    let lines: Vec<&str> = dumped.lines().collect();
    assert!(lines.len() >= 2, "{dumped}");
    for line in lines {
        let at_ms: i64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        // 3 + 1 requests a step of 15 seconds.
        let index = 240 - (stage.newest_ms - at_ms / STEP_MS * STEP_MS) / STEP_MS;
        let expected = format!(
            "{{__name__=\"job:requests:sum\", job=\"shop\"}} {} {at_ms}",
            index * 4
        );
        assert_eq!(line, expected);
    }
}

#[test]
fn prometheus_answers_from_what_it_reads_here() {
    let stage = stage();
    let config = format!(
        "remote_read:\n  - url: {}/api/v1/read\n    read_recent: true\n",
        stage.server.url()
    );
    let Some(prometheus) = PrometheusServer::start(stage.folder.path(), &config, &[]) else {
        return skipped("prometheus is not installed");
    };
    let end = stage.newest_ms as f64 / 1000.0;
    for expression in [
        "requests_total",
        "sum by (job) (rate(requests_total[5m]))",
        "temperature_celsius{room=~\"l.b\"}",
        "requests_total{code!=\"200\"}",
        "temperature_celsius offset 5m",
        "absent(none)",
    ] {
        let sorted = |answer: Answer| {
            assert_eq!(answer.status, 200, "{expression}: {}", answer.text);
            let mut result = answer.body["data"]["result"].as_array().unwrap().clone();
            result.sort_by_key(|series| series["metric"].to_string());
            result
        };
        let ours = query_range(&stage.server.url(), expression, end - 1800.0, end, 60.0).unwrap();
        let theirs = query_range(prometheus.url(), expression, end - 1800.0, end, 60.0).unwrap();
        let (ours, theirs) = (sorted(ours), sorted(theirs));
        assert!(!ours.is_empty(), "{expression}");
        assert_eq!(theirs, ours, "{expression}");
    }
    let federated = Answer::get(
        &format!("{}/federate", stage.server.url()),
        &[("match[]", "requests_total")],
    );
    assert_eq!(federated.unwrap().text.lines().count(), 3);
}

#[test]
fn streamed_chunks_are_those_of_prometheus_byte_for_byte() {
    let stage = stage();
    let arguments = ["--web.enable-remote-write-receiver"];
    let Some(prometheus) = PrometheusServer::start(stage.folder.path(), "", &arguments) else {
        return skipped("prometheus is not installed");
    };
    // So few samples, and so far from where Prometheus begins a block, that both have them in one chunk.
    let block_ms = 2 * 3_600_000;
    let start_ms = stage.newest_ms / block_ms * block_ms - block_ms + 60_000;
    let samples: Vec<RemoteWriteSample<'_>> = (0..100)
        .map(|step| RemoteWriteSample {
            labels: vec![("__name__", "probe"), ("room", "lab")],
            timestamp_ms: start_ms + step * STEP_MS + step * step % 7,
            value: match step % 10 {
                0 => f64::NAN,
                1..=4 => (step as f64).sqrt(),
                _ => step as f64,
            },
        })
        .collect();
    let body = remote_write_body(&samples);
    for base in [prometheus.url(), &stage.server.url()] {
        assert_eq!(
            post(&format!("{base}/api/v1/write"), &body).0,
            204,
            "{base}"
        );
    }
    let request = read_request(start_ms, stage.newest_ms, &[("__name__", "probe")]);
    let ours = chunks(&stage.server.url(), &request);
    assert_eq!(ours.len(), 1);
    assert_eq!(ours[0].0.0, start_ms);
    assert_eq!(chunks(prometheus.url(), &request), ours);
}

/// A snappy-compressed request for streamed chunks.
fn read_request(start_ms: i64, end_ms: i64, labels: &[(&str, &str)]) -> Vec<u8> {
    let mut query = vec![0x08];
    push_varint(&mut query, start_ms as u64);
    query.push(0x10);
    push_varint(&mut query, end_ms as u64);
    for (name, value) in labels {
        let mut matcher = Vec::new();
        push_bytes(&mut matcher, 2, name.as_bytes());
        push_bytes(&mut matcher, 3, value.as_bytes());
        push_bytes(&mut query, 3, &matcher);
    }
    let mut message = Vec::new();
    push_bytes(&mut message, 1, &query);
    push_bytes(&mut message, 2, &[1]);
    snap::raw::Encoder::new().compress_vec(&message).unwrap()
}

fn push_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

/// The contents of all fields of a message that are bytes, or numbers, under their number.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>, u64)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        if key & 7 == 0 {
            found.push((key >> 3, Vec::new(), varint(&mut bytes)));
        } else {
            let length = usize::try_from(varint(&mut bytes)).unwrap();
            found.push((key >> 3, bytes[..length].to_vec(), 0));
            bytes = &bytes[length..];
        }
    }
    found
}

/// Time range and bytes of all chunks that a server streams.
fn chunks(base: &str, request: &[u8]) -> Vec<((i64, i64), Vec<u8>)> {
    let (status, answer) = post(&format!("{base}/api/v1/read"), request);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    let mut rest = &answer[..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let length = usize::try_from(varint(&mut rest)).unwrap();
        let frame = &rest[4..4 + length];
        rest = &rest[4 + length..];
        for (_, series, _) in fields(frame).iter().filter(|(number, ..)| *number == 1) {
            for (_, chunk, _) in fields(series).iter().filter(|(number, ..)| *number == 2) {
                let members = fields(chunk);
                let number = |wanted: u64| {
                    let member = members.iter().find(|(number, ..)| *number == wanted);
                    member.map_or(0, |(_, _, content)| *content as i64)
                };
                assert_eq!(number(3), 1, "chunks of floats");
                let data = members.iter().find(|(number, ..)| *number == 4);
                found.push(((number(1), number(2)), data.unwrap().1.clone()));
            }
        }
    }
    found
}

fn post(url: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut response = ureq::post(url)
        .config()
        .http_status_as_error(false)
        .build()
        .header("Content-Type", "application/x-protobuf")
        .header("Content-Encoding", "snappy")
        .header("X-Prometheus-Remote-Write-Version", "0.1.0")
        .header("X-Prometheus-Remote-Read-Version", "0.1.0")
        .send(body)
        .unwrap();
    let status = response.status().as_u16();
    (status, response.body_mut().read_to_vec().unwrap())
}

/// The directory that cargo builds into.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}

fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("peers")
        .join(name)
}

#[test]
fn clients_in_python_are_answered() {
    let mut command = match python_clients() {
        Ok(command) => command,
        Err(reason) => return skipped(&reason),
    };
    let stage = stage();
    command
        .arg(stage.server.url())
        .arg((stage.newest_ms / 1000).to_string());
    let told = program_output(&mut command)
        .unwrap()
        .unwrap_or_else(|text| panic!("{text}"));
    assert!(told.contains("all answered"), "{told}");
}

#[test]
fn the_editor_of_prometheus_completes_from_here() {
    let modules = target().join("ui/node_modules");
    if !modules.join("@prometheus-io/codemirror-promql").exists() {
        return skipped(
            "the packages of the web page are not installed; build with WEB_UI=require",
        );
    }
    let stage = stage();
    let mut command = Command::new("node");
    command
        .arg(peer("node/complete.cjs"))
        .arg(stage.server.url())
        .env("NODE_PATH", &modules);
    let Some(output) = program_output(&mut command) else {
        return skipped("node is not installed");
    };
    let told: Value =
        serde_json::from_str(&output.unwrap_or_else(|text| panic!("{text}"))).unwrap();
    assert_eq!(
        told["metricNames"],
        json!(["requests_total", "temperature_celsius"])
    );
    assert_eq!(told["labelNames"], json!(["__name__", "code", "job"]));
    assert_eq!(told["labelValues"], json!(["200", "500"]));
    assert_eq!(told["jobsOf500"], json!(["shop"]));
    assert_eq!(told["jobsOf404"], json!([]));
    assert_eq!(told["flags"], "5m");
    assert!(
        told["completions"]
            .as_array()
            .unwrap()
            .contains(&json!("temperature_celsius")),
        "{told}"
    );
}

#[test]
fn an_export_of_one_server_is_the_import_of_another() {
    let stage = stage();
    let export = |server: &Server| {
        let url = format!("{}/api/v1/export", server.url());
        Answer::get(&url, &[("match[]", "{__name__!=\"\"}")])
            .unwrap()
            .text
    };
    let exported = export(&stage.server);
    assert_eq!(exported.lines().count(), 3);
    let other = Server::start_with(
        &stage.folder.path().join("other"),
        free_port(),
        &["--self-metrics.interval", "off"],
    );
    let (status, _) = post_text(&format!("{}/api/v1/import", other.url()), &exported);
    assert_eq!(status, 204);
    assert_eq!(export(&other), exported);
    let seen = wait_until(Duration::from_secs(5), || {
        query(&other.url(), "count({__name__!=\"\"})")
            .unwrap()
            .single()
    });
    assert_eq!(seen, Some(3.0));
    fs::write(stage.folder.path().join("export.jsonl"), exported).unwrap();
}

fn post_text(url: &str, body: &str) -> (u16, String) {
    let mut response = ureq::post(url)
        .config()
        .http_status_as_error(false)
        .build()
        .send(body)
        .unwrap();
    let status = response.status().as_u16();
    (status, response.body_mut().read_to_string().unwrap())
}
