//! Export and import: every sample out and in again.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::running::{Answer, Running, escaped, now_ms};
use crate::wire::{Series, series};

const T: i64 = 1_700_000_000_000;
const ALL: &str = "/api/v1/export?match[]=%7B__name__!%3D%22%22%7D";

fn server() -> Running {
    Running::start_with(&[("retention.time", "100y")])
}

fn import(server: &Running, path: &str, body: &[u8]) -> Answer {
    server.post(path, &[], body)
}

fn counts(answer: &Answer) -> [u64; 4] {
    ["lines", "lines-wrong", "samples", "samples-rejected"].map(|name| {
        let text = answer.header(&format!("x-chronoxide-import-{name}"));
        text.parse().unwrap_or_else(|_| panic!("{name}: {text:?}"))
    })
}

#[test]
fn a_whole_store_comes_back_bit_for_bit() {
    let from = server();
    let odd = [
        0x7ff0_0000_0000_0002,
        0x7ff8_0000_0000_0001,
        0xfff8_0000_0000_0007,
        1,
    ];
    let many = Series {
        samples: (0..120_000)
            .map(|index| (T + index * 15, (index as f64).sqrt()))
            .collect(),
        ..series(&[("__name__", "many")], 0, 0.0)
    };
    let special = Series {
        samples: [
            0.0,
            -0.0,
            1e300,
            5e-324,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.1,
        ]
        .into_iter()
        .chain(odd.map(f64::from_bits))
        .enumerate()
        .map(|(index, value)| (T + index as i64, value))
        .collect(),
        ..series(
            &[("__name__", "special"), ("a b", "\"\\\n\u{1F600}")],
            0,
            0.0,
        )
    };
    from.write(&[many, special]);
    let exported = from.get(ALL);
    assert_eq!(
        (exported.status, exported.header("content-type")),
        (200, "application/stream+json; charset=utf-8")
    );
    assert!(
        exported.body.lines().count() > 3,
        "long series take several lines"
    );
    let to = server();
    let answer = import(&to, "/api/v1/import", &exported.bytes);
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    let lines = exported.body.lines().count() as u64;
    assert_eq!(counts(&answer), [lines, 0, 120_011, 0]);
    assert_eq!(to.get(ALL).body, exported.body);
}

#[test]
fn exports_are_narrowed_and_compressed() {
    let server = server();
    server.write(&[
        series(&[("__name__", "x"), ("a", "1")], T, 1.0),
        series(&[("__name__", "x"), ("a", "2")], T + 5_000, 2.0),
        series(&[("__name__", "y")], T, 3.0),
    ]);
    let lines = |path: &str| {
        let answer = server.get(path);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    };
    let first = "{\"metric\":{\"__name__\":\"x\",\"a\":\"1\"},\"values\":[1],\"timestamps\":[1700000000000]}\n";
    assert_eq!(lines("/api/v1/export?match[]=x&end=1700000000"), first);
    assert_eq!(
        lines("/api/v1/export?match[]=x&match[]=x%7Ba%3D%221%22%7D")
            .lines()
            .count(),
        2
    );
    assert_eq!(
        server
            .post_form("/api/v1/export", "match[]=y")
            .body
            .lines()
            .count(),
        1
    );
    assert_eq!(lines("/api/v1/export?match[]=none"), "");
    for path in [
        "/api/v1/export",
        "/api/v1/export?match[]=%7B%7D",
        "/api/v1/export?match[]=x&start=2&end=1",
    ] {
        assert_eq!(server.get(path).status, 400, "{path}");
    }
    let request = "GET /api/v1/export?match[]=x&end=1700000000 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n";
    let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    assert!(
        head.contains("content-encoding: gzip") && head.contains("transfer-encoding: chunked"),
        "{head}"
    );
    let start = bytes
        .windows(2)
        .position(|window| window == [0x1f, 0x8b])
        .unwrap();
    let mut text = String::new();
    // What follows the compressed bytes is the end of the last piece.
    GzDecoder::new(&bytes[start..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, first);
}

#[test]
fn wrong_lines_are_told_with_their_numbers_and_the_others_are_kept() {
    let server = server();
    let text = "# TYPE up gauge\nup{job=\"a\"} 1 1700000000000\nup{job=} 2\n\nup{job=\"b\"} 3 1700000000000\nup one";
    let answer = import(&server, "/api/v1/import/prometheus", text.as_bytes());
    assert_eq!(answer.status, 400);
    assert_eq!(counts(&answer), [6, 2, 2, 0]);
    let (kind, message) = answer.error();
    assert_eq!(kind, "bad_data");
    assert_eq!(
        message,
        "2 of 6 lines and 0 samples were not taken, 2 samples are stored\n\
         line 3: column 8: expected a label value in quotes, found \"} 2\"\n\
         line 6: column 4: expected a number, found \"one\""
    );
    let stored = server.get("/api/v1/series?match[]=up").data();
    assert_eq!(stored.as_array().unwrap().len(), 2);
    let json_lines = "{\"metric\":{\"__name__\":\"j\"},\"values\":[1],\"timestamps\":[1700000000000]}\nnonsense\n";
    let answer = import(&server, "/api/v1/import", json_lines.as_bytes());
    assert_eq!((answer.status, counts(&answer)), (400, [2, 1, 1, 0]));
    assert!(
        answer.error().1.contains("line 2: no JSON line"),
        "{}",
        answer.body
    );
}

#[test]
fn samples_that_storage_refuses_are_told_by_series() {
    let server = Running::start();
    let text = format!("old 1 1000\nnew 2 {}\n", now_ms());
    let answer = import(&server, "/api/v1/import/prometheus", text.as_bytes());
    assert_eq!((answer.status, counts(&answer)), (400, [2, 0, 1, 1]));
    assert!(
        answer.error().1.contains("\nold: too_old: "),
        "{}",
        answer.body
    );
}

#[test]
fn expositions_bring_times_metadata_and_labels_of_the_request() {
    let server = server();
    let path = "/prometheus/api/v1/import/prometheus?timestamp=1700000000500&extra_label=site%3Dwest&extra_label=job%3Dimport";
    let answer = import(&server, path, b"# HELP up Whether.\n# TYPE up gauge\nup{job=\"a\"} 1\nup{job=\"b\",x=\"y\"} 2 1700000000000\n");
    assert_eq!((answer.status, counts(&answer)), (204, [4, 0, 2, 0]));
    let found = server.get(&format!(
        "/api/v1/export?match[]={}",
        escaped("up{site=\"west\",job=\"import\"}")
    ));
    assert_eq!(
        found.body,
        "{\"metric\":{\"__name__\":\"up\",\"job\":\"import\",\"site\":\"west\"},\"values\":[1],\"timestamps\":[1700000000500]}\n\
         {\"metric\":{\"__name__\":\"up\",\"job\":\"import\",\"site\":\"west\",\"x\":\"y\"},\"values\":[2],\"timestamps\":[1700000000000]}\n"
    );
    assert_eq!(
        server.get("/api/v1/metadata?metric=up").data(),
        json!({"up": [{"type": "gauge", "help": "Whether.", "unit": ""}]})
    );
    let path = "/api/v1/import/prometheus/metrics/job/push/instance@base64/YS9i";
    assert_eq!(import(&server, path, b"pushed 1 1700000000000").status, 204);
    assert_eq!(
        server.get("/api/v1/series?match[]=pushed").data(),
        json!([{"__name__": "pushed", "instance": "a/b", "job": "push"}])
    );
    for path in [
        "/api/v1/import/prometheus?extra_label=x",
        "/api/v1/import/prometheus?timestamp=soon",
        "/api/v1/import/prometheus/metrics/job",
    ] {
        assert_eq!(import(&server, path, b"x 1").status, 400, "{path}");
    }
}

#[test]
fn open_metrics_is_told_by_its_content_type() {
    let server = server();
    let headers = [(
        "content-type",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )];
    let text = b"# TYPE foo counter\nfoo_total 17 1700000000.25 # {trace_id=\"abc\"} 1 1700000000\n# EOF\nfoo_total 18\n";
    let answer = server.post("/api/v1/import/prometheus", &headers, text);
    assert_eq!((answer.status, counts(&answer)), (400, [4, 1, 1, 0]));
    assert!(
        answer
            .error()
            .1
            .ends_with("line 4: the line stands after # EOF"),
        "{}",
        answer.body
    );
    let found = server.get("/api/v1/export?match[]=foo_total").body;
    assert!(
        found.contains("\"values\":[17],\"timestamps\":[1700000000250]"),
        "{found}"
    );
}

#[test]
fn gzip_is_read_and_what_is_none_is_refused() {
    let server = server();
    let compressed = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let gzip = [("content-encoding", "gzip")];
    let mut text = String::new();
    for index in 0..50_000 {
        text.push_str(&format!("zipped{{n=\"{index}\"}} {index} 1700000000000\n"));
    }
    let answer = server.post(
        "/api/v1/import/prometheus",
        &gzip,
        &compressed(text.as_bytes()),
    );
    assert_eq!(
        (answer.status, counts(&answer)),
        (204, [50_000, 0, 50_000, 0])
    );
    let mut cut = compressed(b"cut{a=\"b\"} 1 1700000000000\n");
    cut.truncate(cut.len() - 5);
    for body in [&b"no gzip"[..], &cut] {
        let answer = server.post("/api/v1/import/prometheus", &gzip, body);
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(
            answer.error().1.contains("the body is no gzip"),
            "{}",
            answer.body
        );
    }
    let answer = server.post("/api/v1/import", &[("content-encoding", "br")], b"");
    assert_eq!(answer.status, 400);
}

#[test]
fn pages_cannot_import() {
    let server = server();
    for path in ["/api/v1/import", "/api/v1/import/prometheus"] {
        let answer = server.post(path, &[("origin", "http://evil.example")], b"x 1");
        assert_eq!(answer.status, 403, "{path}");
        assert_eq!(server.get(path).status, 405, "{path}");
    }
    assert_eq!(
        server.get("/api/v1/label/__name__/values").data(),
        json!([])
    );
}

#[test]
fn a_line_beyond_the_bound_is_passed_over() {
    let server = server();
    let mut text = vec![b'a'; 11 << 20];
    text.extend_from_slice(b"\nshort 1 1700000000000\n");
    let answer = import(&server, "/api/v1/import/prometheus", &text);
    assert_eq!((answer.status, counts(&answer)), (400, [2, 1, 1, 0]));
    assert!(
        answer
            .error()
            .1
            .contains("line 1: longer than 10485760 bytes"),
        "{}",
        answer.body
    );
}

#[test]
fn a_body_that_is_cut_short_leaves_no_half_line() {
    let server = server();
    let whole = "a 1 1700000000000\n".repeat(5);
    for (promised, sent) in [
        (1000, format!("{whole}cut 12")),
        (1000, "cut 12".to_owned()),
    ] {
        let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
        let head = format!(
            "POST /api/v1/import/prometheus?timestamp=1700000000000 HTTP/1.1\r\nHost: x\r\n\
             Content-Length: {promised}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        drop(stream);
    }
    let names = || server.get("/api/v1/label/__name__/values").data();
    // What was complete is stored; how long that takes is up to the machine.
    let stored = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        names() == json!(["a"])
    });
    assert!(stored, "{}", names());
    assert_eq!(names(), json!(["a"]));
}

#[test]
fn metadata_may_be_limited_by_metric() {
    let server = Running::start();
    for kind in ["counter", "gauge"] {
        let text = format!("# TYPE m {kind}\n# HELP m of {kind}\nm 1\n# TYPE n gauge\nn 1\n");
        let answer = server.post("/api/v1/import/prometheus", &[], text.as_bytes());
        assert!(answer.status < 300, "{}", answer.body);
    }
    let types = |parameters: &str| {
        let data = server.get(&format!("/api/v1/metadata?{parameters}")).data();
        data.as_object()
            .unwrap()
            .values()
            .map(|types| types.as_array().unwrap().len())
            .collect::<Vec<_>>()
    };
    assert_eq!(types(""), [2, 1]);
    assert_eq!(types("limit_per_metric=1"), [1, 1]);
    assert_eq!(types("limit_per_metric=0"), [2, 1]);
    assert_eq!(types("limit=1&limit_per_metric=1"), [1]);
}
