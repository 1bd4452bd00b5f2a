//! The web page: its types, its parts without a browser, and the whole in one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chronoxide_tests::{RemoteWriteSample, Server, query, remote_write_body, wait_until};
use serde_json::{Value, json};

/// Where the build of the server has laid out the page's sources and installed its packages, with the tests beside
/// them; nothing, and a line that says why, where this machine cannot run them.
fn workshop() -> Option<&'static Path> {
    static WORKSHOP: OnceLock<Option<PathBuf>> = OnceLock::new();
    WORKSHOP.get_or_init(find_workshop).as_deref()
}

fn find_workshop() -> Option<PathBuf> {
    let target = Server::binary().ancestors().nth(2)?;
    let workshop = target.join("ui");
    if !workshop.join("node_modules/playwright-core").is_dir() {
        println!("skipped: the build had no npm, or WEB_UI=off");
        return None;
    }
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/chronoxide-server/ui");
    std::fs::create_dir_all(workshop.join("test")).unwrap();
    for file in ["tsconfig.json", "test/unit.ts", "test/browser.ts"] {
        std::fs::copy(ui.join(file), workshop.join(file)).unwrap();
    }
    Some(workshop)
}

fn node(workshop: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("node");
    command.args(arguments).current_dir(workshop);
    command
        .output()
        .expect("node runs, as it did for the build")
}

/// Runs node and demands success.
fn check(workshop: &Path, arguments: &[&str]) -> String {
    let output = node(workshop, arguments);
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(
        output.status.success(),
        "node {arguments:?}:\n{}",
        text.concat()
    );
    text.concat()
}

/// Makes one file that node runs of a test and what it imports.
fn bundle_test(workshop: &Path, name: &str) -> String {
    let bundled = format!("test/{name}.mjs");
    let (source, out) = (format!("test/{name}.ts"), format!("--outfile={bundled}"));
    check(
        workshop,
        &[
            "node_modules/esbuild/bin/esbuild",
            &source,
            "--bundle",
            "--platform=node",
            "--format=esm",
            "--packages=external",
            "--log-level=warning",
            &out,
        ],
    );
    bundled
}

#[test]
fn the_page_has_no_type_errors() {
    let Some(workshop) = workshop() else { return };
    check(workshop, &["node_modules/typescript/bin/tsc", "--noEmit"]);
}

#[test]
fn the_parts_of_the_page_pass_their_tests() {
    let Some(workshop) = workshop() else { return };
    let bundled = bundle_test(workshop, "unit");
    let output = check(workshop, &["--test", &bundled]);
    assert!(
        output.contains("# fail 0") && !output.contains("# pass 0"),
        "{output}"
    );
}

#[test]
fn the_page_works_in_a_browser() {
    let Some(workshop) = workshop() else { return };
    let Some(browser) = browser() else {
        println!("skipped: chromium is not installed");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--self-metrics.interval", "1s"];
    let data = folder.path().join("data");
    let port = chronoxide_tests::free_port();
    let mut server = Server::start_with(&data, port, &arguments);
    // Into the future, as far as is taken: a slow machine needs minutes for the browser, and data must not end meanwhile.
    let end_ms = unix_ms() + 8 * 60_000;
    write_temperatures(&server, end_ms - 24 * HOUR_MS);
    // Stopping flushes, so that there is a partition to show.
    server.stop();
    let server = Server::start_with(&data, port, &arguments);
    write_temperatures(&server, end_ms);
    write_answers(&server, end_ms);
    write_payloads(&server, end_ms);
    write_markup(&server, end_ms);
    write_refused(&server);
    // The page shows rates of the server's own metrics, which take two scrapes.
    let scraped = wait_until(Duration::from_secs(30), || {
        let count = "min(count_over_time(chronoxide_ingest_samples_total[1m]))";
        query(&server.url(), count)
            .ok()?
            .single()
            .filter(|count| *count >= 3.0)
    });
    assert!(scraped.is_some(), "own metrics are stored");

    let bundled = bundle_test(workshop, "browser");
    let shots = workshop.with_file_name("screenshots");
    let shots = shots
        .to_str()
        .expect("the target directory has a name in UTF-8");
    let output = check(workshop, &[&bundled, &server.url(), shots, browser]);
    println!("{output}screenshots: {shots}");
    assert!(output.contains(" steps passed"), "{output}");
}

fn browser() -> Option<&'static str> {
    let known = [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ];
    known.into_iter().find(|path| Path::new(path).exists())
}

const HOUR_MS: i64 = 3_600_000;

/// Time between two samples.
const INTERVAL_MS: i64 = 15_000;

fn unix_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// Two hours of three constant gauges.
fn write_temperatures(server: &Server, end_ms: i64) {
    let rooms = [("attic", 21.5), ("cellar", 12.25), ("kitchen", 19.0)];
    let samples: Vec<_> = times(end_ms, 2 * HOUR_MS)
        .flat_map(|timestamp_ms| {
            rooms.map(|(room, value)| RemoteWriteSample {
                labels: vec![("__name__", "fleet_temperature_celsius"), ("room", room)],
                timestamp_ms,
                value,
            })
        })
        .collect();
    push(server, &samples);
}

/// An hour of a classic histogram: of 10 answers in each interval 5 take up to 0.1 s, 3 more up to 0.5 s.
fn write_answers(server: &Server, end_ms: i64) {
    let points = points(end_ms, HOUR_MS, |interval| {
        json!({
            "count": (10 * interval).to_string(),
            "sum": 3 * interval,
            "explicitBounds": [0.1, 0.5],
            "bucketCounts": [(5 * interval).to_string(), (3 * interval).to_string(), (2 * interval).to_string()],
            "exemplars": exemplar(0.3),
        })
    });
    push_otlp(
        server,
        &json!({
            "name": "answer",
            "description": "Time to the answer.",
            "unit": "s",
            "histogram": { "aggregationTemporality": 2, "dataPoints": points },
        }),
    );
}

/// Points of a cumulative OTLP histogram, one for each interval, counted from 1. The exemplars that they come with are
/// kept for one of them only, and get its time.
fn points(end_ms: i64, length_ms: i64, point: impl Fn(i64) -> Value) -> Vec<Value> {
    let start_ms = end_ms - HOUR_MS - INTERVAL_MS;
    let nanoseconds = |ms: i64| format!("{ms}000000");
    // Some minutes ago, so that it stays within the last half hour while the browser is busy.
    let with_exemplar = end_ms - 12 * 60_000;
    (1..)
        .zip(times(end_ms, length_ms))
        .map(|(interval, timestamp_ms)| {
            let mut point = point(interval);
            point["startTimeUnixNano"] = json!(nanoseconds(start_ms));
            point["timeUnixNano"] = json!(nanoseconds(timestamp_ms));
            if timestamp_ms == with_exemplar {
                point["exemplars"][0]["timeUnixNano"] = json!(nanoseconds(timestamp_ms));
            } else {
                point["exemplars"] = json!([]);
            }
            point
        })
        .collect()
}

fn exemplar(value: f64) -> Value {
    json!([{
        "asDouble": value,
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId": "00f067aa0ba902b7",
    }])
}

fn push_otlp(server: &Server, metric: &Value) {
    let service = json!([{ "key": "service.name", "value": { "stringValue": "shop" } }]);
    let body = json!({
        "resourceMetrics": [{ "resource": { "attributes": service }, "scopeMetrics": [{ "metrics": [metric] }] }],
    });
    let mut answer = ureq::post(format!("{}/v1/metrics", server.url()))
        .header("Content-Type", "application/json")
        .send(body.to_string())
        .unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let text = answer.body_mut().read_to_string().unwrap();
    assert!(!text.contains("partialSuccess"), "{text}");
}

fn times(end_ms: i64, length_ms: i64) -> impl Iterator<Item = i64> {
    let count = length_ms / INTERVAL_MS;
    (0..=count).map(move |index| end_ms - (count - index) * INTERVAL_MS)
}

fn push(server: &Server, samples: &[RemoteWriteSample<'_>]) {
    let push = server.push(&remote_write_body(samples)).unwrap();
    assert_eq!(push.status, 204, "{}", push.text);
}

/// Half an hour of a native histogram, from an exponential histogram of OTLP.
fn write_payloads(server: &Server, end_ms: i64) {
    let points = points(end_ms, HOUR_MS / 2, |interval| {
        json!({
            "count": (6 * interval).to_string(),
            "sum": 600 * interval,
            "scale": 0,
            "zeroCount": "0",
            "positive": {
                "offset": 5,
                "bucketCounts": [interval.to_string(), (3 * interval).to_string(), (2 * interval).to_string()],
            },
            "exemplars": exemplar(100.0),
        })
    });
    push_otlp(
        server,
        &json!({
            "name": "payload.size",
            "description": "Bytes of a payload.",
            "unit": "By",
            "exponentialHistogram": { "aggregationTemporality": 2, "dataPoints": points },
        }),
    );
}

/// Half an hour of a series whose label would be more than text on a page that did not take care.
fn write_markup(server: &Server, end_ms: i64) {
    let samples: Vec<_> = times(end_ms, HOUR_MS / 2)
        .map(|timestamp_ms| RemoteWriteSample {
            labels: vec![
                ("__name__", "markup"),
                ("text", r#"<img src="x" onerror="throw 1">"#),
            ],
            timestamp_ms,
            value: 1.0,
        })
        .collect();
    push(server, &samples);
}

/// A sample that is older than retention, to be listed as refused.
fn write_refused(server: &Server) {
    let refused = RemoteWriteSample {
        labels: vec![("__name__", "refused_metric"), ("job", "old")],
        timestamp_ms: 1_000_000,
        value: 1.0,
    };
    let push = server.push(&remote_write_body(&[refused])).unwrap();
    assert_eq!(push.status / 100, 4, "{}", push.text);
}
