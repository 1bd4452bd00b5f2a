//! What the project's compliance suite for receivers of remote write 2.0 sends, case by case, each with the exact counts
//! that must be answered, and read back through the query API.

use serde_json::{Value, json};

use crate::bounds::assert_metric;
use crate::running::{Answer, Running, now_ms};
use crate::wire::{V1_HEADERS, V2_HEADERS, series, v1_body};
use crate::wire_v2::{Entry, IntegerHistogram, float_histogram, v2_body};

pub(crate) const HOUR_MS: i64 = 3_600_000;

/// What the three headers say: samples, histograms, exemplars.
fn written(answer: &Answer) -> [u64; 3] {
    ["samples", "histograms", "exemplars"].map(|kind| {
        let name = format!("x-prometheus-remote-write-{kind}-written");
        let text = answer.header(&name);
        text.parse().unwrap_or_else(|_| panic!("{name}: {text:?}"))
    })
}

fn send(server: &Running, entries: &[Entry]) -> Answer {
    server.post("/api/v1/write", &V2_HEADERS, &v2_body(entries))
}

/// Sends `entries` twice, as the suite does, and demands 204 and exact counts both times.
pub(crate) fn accepted(server: &Running, entries: &[Entry], expected: [u64; 3]) {
    for _ in 0..2 {
        let answer = send(server, entries);
        assert_eq!(
            (answer.status, written(&answer)),
            (204, expected),
            "{}",
            answer.body
        );
    }
}

/// Sends `entries` and demands 400, exact counts, and `reason` in the answer.
pub(crate) fn refused(server: &Running, entries: &[Entry], expected: [u64; 3], reason: &str) {
    let answer = send(server, entries);
    assert_eq!(
        (answer.status, written(&answer)),
        (400, expected),
        "{}",
        answer.body
    );
    assert!(answer.body.contains(reason), "{}", answer.body);
}

/// The value of the only series that `query` finds.
pub(crate) fn value(server: &Running, query: &str, time_ms: i64) -> Value {
    let result = server.query(query, time_ms)["result"].take();
    assert_eq!(result.as_array().unwrap().len(), 1, "{query}: {result}");
    result[0]["value"][1].clone()
}

fn up(now: i64, value: f64) -> Entry {
    Entry::named("up").sample(now, value)
}

/// Positive and negative buckets, a zero bucket: 27 observations.
pub(crate) fn basic(now: i64) -> Vec<u8> {
    IntegerHistogram {
        count: 27,
        sum: 100.0,
        zero_count: 1,
        positive: &[(0, 3), (2, 2)],
        positive_deltas: &[1, 2, 1, 3, 1],
        negative: &[(0, 2)],
        negative_deltas: &[1, 1],
        ..IntegerHistogram::default()
    }
    .encode(now)
}

pub(crate) fn custom(now: i64) -> Vec<u8> {
    IntegerHistogram {
        schema: -53,
        count: 30,
        sum: 90.0,
        positive: &[(0, 6)],
        positive_deltas: &[2, 1, 2, 3, -1, -2],
        bounds: &[0.1, 0.5, 1.0, 2.5, 5.0, 10.0],
        ..IntegerHistogram::default()
    }
    .encode(now)
}

#[test]
fn content_types_and_encodings_are_checked_before_corrupt_bodies() {
    let server = Running::start();
    let mut corrupt = v2_body(&[up(now_ms(), 1.0)]);
    corrupt[0] = b'0';
    for content_type in ["application/json", "image/png"] {
        let headers = [("content-type", content_type), V2_HEADERS[1]];
        assert_eq!(server.post("/api/v1/write", &headers, &corrupt).status, 415);
    }
    for encoding in ["gzip", "deflate"] {
        let headers = [V2_HEADERS[0], ("content-encoding", encoding)];
        assert_eq!(server.post("/api/v1/write", &headers, &corrupt).status, 415);
    }
    let answer = server.post("/api/v1/write", &V2_HEADERS, &corrupt);
    assert_eq!(
        (answer.status, written(&answer)),
        (400, [0; 3]),
        "{}",
        answer.body
    );
}

#[test]
fn single_metrics_of_every_shape_are_stored() {
    let now = now_ms();
    for (sent, read) in [
        (1.0, Some("1")),
        (f64::from_bits(0x7ff0_0000_0000_0002), None),
        (f64::NAN, Some("NaN")),
        (f64::INFINITY, Some("+Inf")),
        (f64::NEG_INFINITY, Some("-Inf")),
    ] {
        let server = Running::start();
        for labels in [
            &[("__name__", "up")][..],
            &[
                ("job", "testjob"),
                ("__name__", "up"),
                ("instance", "localhost:9090"),
            ],
            &[("__name__", "up"), ("lines", "one\ntwo\n")],
            &[
                ("instance.name", "i"),
                ("__name__", "resource.cpu.usage"),
                ("job.name", "j"),
            ],
            &[("__name__", "resource cpu usage"), ("job name", "j j")],
        ] {
            accepted(&server, &[Entry::new(labels).sample(now, sent)], [1, 0, 0]);
        }
        let found = server.query("{__name__=~\"up|resource.cpu.usage\"}", now)["result"].take();
        let found = found.as_array().unwrap();
        // A stale marker is stored, and ends the series.
        assert_eq!(found.len(), read.map_or(0, |_| 5));
        assert!(
            found
                .iter()
                .all(|series| series["value"][1] == read.unwrap()),
            "{found:?}"
        );
        refused(
            &server,
            &[Entry::new(&[("job", "x")]).sample(now, sent)],
            [0; 3],
            "missing_metric_name",
        );
        refused(
            &server,
            &[Entry::new(&[]).sample(now, sent)],
            [0; 3],
            "missing_metric_name",
        );
    }
}

#[test]
fn several_metrics_are_stored_but_for_those_without_a_name() {
    let (server, now) = (Running::start(), now_ms());
    let named = |name: &str| Entry::new(&[("job", "j"), ("__name__", name)]).sample(now, 1.0);
    let nameless = |job: &str| Entry::new(&[("job", job)]).sample(now, 1.0);
    accepted(
        &server,
        &[named("a"), named("b"), named("c"), named("d")],
        [4, 0, 0],
    );
    let all = ["w", "x", "y", "z"].map(nameless);
    refused(&server, &all, [0; 3], "4 samples refused, 0 stored");
    let mixed = [named("e"), nameless("x"), named("f"), named("g")];
    refused(&server, &mixed, [3, 0, 0], "1 samples refused, 3 stored");
    assert_eq!(value(&server, "count({job=\"j\"})", now), "7");
}

#[test]
fn version_1_is_answered_without_counts() {
    let (server, now) = (Running::start(), now_ms());
    let body = v1_body(&[
        series(&[("__name__", "a")], now, 1.0),
        series(&[("__name__", "b")], now, 1.0),
    ]);
    let headers = [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "snappy"),
    ];
    let answer = server.post("/api/v1/write", &headers, &body);
    assert_eq!(answer.status, 204);
    assert!(
        answer
            .headers
            .keys()
            .all(|name| !name.as_str().ends_with("-written"))
    );
    let mut corrupt = body;
    corrupt[0] = 0xff;
    assert_eq!(server.post("/api/v1/write", &headers, &corrupt).status, 400);
}

#[test]
fn histograms_of_every_shape_are_stored() {
    let (server, now) = (Running::start(), now_ms());
    let histogram = |name: &str, bytes: Vec<u8>| Entry::named(name).histogram(bytes);
    let positive = IntegerHistogram {
        count: 24,
        sum: 50.0,
        zero_count: 1,
        positive: &[(0, 3), (2, 2)],
        positive_deltas: &[1, 2, 1, 3, 1],
        ..IntegerHistogram::default()
    };
    let negative = IntegerHistogram {
        count: 3,
        sum: -4.0,
        negative: &[(0, 2)],
        negative_deltas: &[1, 1],
        ..IntegerHistogram::default()
    };
    let minimal = IntegerHistogram {
        count: 1,
        zero_count: 1,
        ..IntegerHistogram::default()
    };
    for (name, bytes, count) in [
        ("basic", basic(now), "27"),
        ("custom", custom(now), "30"),
        ("positive", positive.encode(now), "24"),
        ("negative", negative.encode(now), "3"),
        ("minimal", minimal.encode(now), "1"),
        ("empty", IntegerHistogram::default().encode(now), "0"),
        ("float", float_histogram(now, 3.5, &[1.5, 2.25]), "3.75"),
    ] {
        accepted(&server, &[histogram(name, bytes)], [0, 1, 0]);
        assert_eq!(
            value(&server, &format!("histogram_count({name})"), now),
            count
        );
    }
    assert_eq!(value(&server, "histogram_sum(basic)", now), "100");
    let result = server.query("custom", now)["result"].take();
    assert_eq!(
        result[0]["histogram"][1]["buckets"],
        json!([
            [3, "-Inf", "0.1", "2"],
            [0, "0.1", "0.5", "3"],
            [0, "0.5", "1", "5"],
            [0, "1", "2.5", "8"],
            [0, "2.5", "5", "7"],
            [0, "5", "10", "5"]
        ])
    );
    let two = [
        histogram("hist1", positive.encode(now)),
        histogram("hist2", negative.encode(now)),
    ];
    accepted(&server, &two, [0, 2, 0]);
    let created = histogram("created", basic(now)).created(now - HOUR_MS / 2);
    accepted(&server, &[created], [0, 1, 0]);
}

#[test]
fn histograms_that_contradict_themselves_are_refused() {
    let (server, now) = (Running::start(), now_ms());
    let bad = IntegerHistogram {
        count: 99,
        positive: &[(0, 3), (2, 2)],
        positive_deltas: &[1, 2, 1, 3, 1],
        ..IntegerHistogram::default()
    };
    let custom_with_zero = IntegerHistogram {
        schema: -53,
        count: 1,
        zero_count: 1,
        bounds: &[1.0],
        ..IntegerHistogram::default()
    };
    let falling = IntegerHistogram {
        schema: -53,
        count: 0,
        bounds: &[2.0, 1.0],
        ..IntegerHistogram::default()
    };
    let unknown_schema = IntegerHistogram {
        schema: -9,
        ..IntegerHistogram::default()
    };
    let spans = IntegerHistogram {
        count: 1,
        positive: &[(0, 2)],
        positive_deltas: &[1],
        ..IntegerHistogram::default()
    };
    let below_zero = IntegerHistogram {
        positive: &[(0, 1)],
        positive_deltas: &[-1],
        ..IntegerHistogram::default()
    };
    for histogram in [
        bad,
        custom_with_zero,
        falling,
        unknown_schema,
        spans,
        below_zero,
    ] {
        let entries = [
            Entry::named("bad").histogram(histogram.encode(now)),
            Entry::named("good").histogram(basic(now)),
        ];
        refused(&server, &entries, [0, 1, 0], "invalid_histogram");
    }
    assert_eq!(server.query("bad", now)["result"], json!([]));
    assert_eq!(value(&server, "histogram_count(good)", now), "27");
}

#[test]
fn finer_schemas_are_merged_down_and_stale_histograms_end_their_series() {
    let (server, now) = (Running::start(), now_ms());
    let fine = IntegerHistogram {
        schema: 10,
        count: 6,
        sum: 6.0,
        positive: &[(1, 3)],
        positive_deltas: &[1, 1, 1],
        ..IntegerHistogram::default()
    };
    accepted(
        &server,
        &[Entry::named("fine").histogram(fine.encode(now))],
        [0, 1, 0],
    );
    assert_eq!(value(&server, "histogram_count(fine)", now), "6");
    let stale = IntegerHistogram {
        sum: f64::from_bits(0x7ff0_0000_0000_0002),
        count: 77,
        positive: &[(0, 9)],
        ..IntegerHistogram::default()
    };
    accepted(
        &server,
        &[Entry::named("fine").histogram(stale.encode(now + 1000))],
        [0, 1, 0],
    );
    assert_eq!(server.query("fine", now + 1000)["result"], json!([]));
    // Floats and histograms may follow one another in a series, and come in one entry.
    let both = Entry::named("both")
        .sample(now, 1.0)
        .histogram(basic(now + 1000));
    accepted(&server, &[both], [1, 1, 0]);
    assert_eq!(value(&server, "both", now), "1");
    assert_eq!(value(&server, "histogram_count(both)", now + 1000), "27");
}

#[test]
fn metadata_of_every_type_comes_along() {
    let (server, now) = (Running::start(), now_ms());
    let types = [
        "unknown",
        "counter",
        "gauge",
        "histogram",
        "gaugehistogram",
        "summary",
        "info",
        "stateset",
    ];
    for (number, name) in types.iter().enumerate() {
        let metric = format!("of_{name}");
        let help = format!("Help of \"{name}\"\nin lines.");
        let entry = Entry::named(&metric).sample(now, 1.0);
        accepted(
            &server,
            &[entry.metadata(number as u8, &help, "bytes/sec")],
            [1, 0, 0],
        );
        let metadata = server
            .get(&format!("/api/v1/metadata?metric={metric}"))
            .data();
        assert_eq!(
            metadata,
            json!({&metric: [{"type": name, "help": help, "unit": "bytes/sec"}]})
        );
    }
    let bare = Entry::named("bare").sample(now, 1.0).metadata(1, "", "");
    accepted(&server, &[bare], [1, 0, 0]);
    let histogram = Entry::named("h")
        .histogram(basic(now))
        .metadata(3, "H.", "s");
    accepted(&server, &[histogram], [0, 1, 0]);
    let created = Entry::named("c_total")
        .sample(now, 1.0)
        .metadata(1, "C.", "");
    accepted(&server, &[created.created(now - HOUR_MS)], [1, 0, 0]);
    let three = ["m1", "m2", "m3"].map(|name| up_named(name, now).metadata(2, "M.", ""));
    accepted(&server, &three, [3, 0, 0]);
    let described = |entry: Entry| entry.sample(now, 1.0).metadata(1, "x", "");
    let nameless = described(Entry::new(&[("job", "test")]));
    refused(&server, &[nameless], [0; 3], "missing_metric_name");
    refused(
        &server,
        &[described(Entry::named(""))],
        [0; 3],
        "missing_metric_name",
    );
    accepted(&server, &[described(Entry::named("valid"))], [1, 0, 0]);
}

pub(crate) fn up_named(name: &str, now: i64) -> Entry {
    Entry::named(name).sample(now, 1.0)
}

#[test]
fn entries_without_samples_are_refused() {
    let (server, now) = (Running::start(), now_ms());
    let metadata_alone = Entry::named("m").metadata(1, "M.", "");
    refused(&server, &[metadata_alone], [0; 3], "no_samples");
    let mixed = || {
        [
            Entry::named("m").metadata(1, "M.", ""),
            up(now, 1.0),
            up(now + 2 * HOUR_MS, 1.0),
        ]
    };
    refused(
        &server,
        &mixed()[..2],
        [1, 0, 0],
        "1 series without samples or exemplars refused, 1 samples stored\nm{}: no_samples",
    );
    refused(
        &server,
        &mixed(),
        [1, 0, 0],
        "1 samples and 1 series without samples or exemplars refused, 1 stored",
    );
    let nameless = Entry::new(&[("job", "a")]).exemplar(&[("t", "1")], now, 1.0);
    refused(
        &server,
        &[nameless],
        [0; 3],
        "1 exemplars or series without samples refused, 0 samples stored",
    );
    for (name, reason, count) in [
        ("sampleless", "no_samples", 3),
        ("sampleless", "missing_metric_name", 1),
        ("samples", "too_far_in_future", 1),
    ] {
        assert_metric(
            &server,
            &format!(
                "chronoxide_ingest_rejected_{name}_total{{protocol=\"remote_write\",reason=\"{reason}\"}} {count}"
            ),
        );
    }
    let metrics = server.get("/metrics").body;
    assert!(
        !metrics
            .contains("rejected_samples_total{protocol=\"remote_write\",reason=\"no_samples\"}")
    );
}

/// The standard of version 1 leaves open what becomes of them.
#[test]
fn series_of_version_1_may_come_without_anything() {
    let server = Running::start();
    let mut empty = series(&[("__name__", "empty")], 0, 1.0);
    empty.samples.clear();
    let answer = server.post("/api/v1/write", &V1_HEADERS, &v1_body(&[empty]));
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_metric(&server, "chronoxide_series 0");
}

/// As Prometheus sends them: the sample in one entry, each exemplar in another.
#[test]
fn exemplars_may_come_without_samples() {
    let (server, now) = (Running::start(), now_ms());
    let exemplar = |time| Entry::named("up").exemplar(&[("t", "1")], time, 1.0);
    accepted(&server, &[up(now, 1.0), exemplar(now)], [1, 0, 1]);
    accepted(&server, &[exemplar(now + 1)], [0, 0, 1]);
    let path = format!(
        "/api/v1/query_exemplars?query=up&start=0&end={}",
        now / 1000 + 60
    );
    let answer = server.get(&path);
    assert_eq!(
        answer.body.matches("\"t\":\"1\"").count(),
        2,
        "{}",
        answer.body
    );
    assert_eq!(value(&server, "up", now), "1");
}

#[test]
fn exemplars_of_series_with_bad_labels_are_refused() {
    let (server, now) = (Running::start(), now_ms());
    let alone = |labels: &[(&str, &str)]| Entry::new(labels).exemplar(&[("t", "1")], now, 1.0);
    let nameless = || alone(&[("job", "test")]);
    refused(&server, &[nameless()], [0; 3], "missing_metric_name");
    refused(
        &server,
        &[nameless(), up(now, 1.0)],
        [1, 0, 0],
        "missing_metric_name",
    );
    let twice = alone(&[("__name__", "up"), ("job", "a"), ("job", "b")]);
    refused(&server, &[twice], [0; 3], "duplicate_label_name");
}

#[test]
fn wrong_references_are_refused_one_by_one() {
    use crate::wire_v2::push_bytes;
    let now = now_ms();
    let sample = {
        let mut sample = vec![0x09];
        sample.extend(1_f64.to_bits().to_le_bytes());
        sample.push(0x10);
        let mut number = now as u64;
        while number >= 0x80 {
            sample.push(number as u8 | 0x80);
            number >>= 7;
        }
        sample.push(number as u8);
        sample
    };
    let request = |refs: &[u8], (field, bytes): (u64, &[u8])| {
        let mut message = Vec::new();
        for symbol in ["", "__name__", "good", "culprit", "job"] {
            push_bytes(&mut message, 4, symbol.as_bytes());
        }
        for refs in [&[1, 2][..], refs] {
            let mut entry = Vec::new();
            push_bytes(&mut entry, 1, refs);
            push_bytes(&mut entry, 2, &sample);
            if refs != [1, 2] {
                push_bytes(&mut entry, field, bytes);
            }
            push_bytes(&mut message, 5, &entry);
        }
        crate::wire::compress(&message)
    };
    // References of labels, then another field of the entry, then how many samples are written and why not all.
    type Case<'c> = (&'c [u8], (u64, &'c [u8]), u64, &'c str);
    let nothing = (9, &[][..]);
    let cases: [Case<'_>; 6] = [
        (&[1, 3, 4], nothing, 1, "bad_reference: labels_refs has 3"),
        (&[1, 99, 4, 3], nothing, 1, "bad_reference: reference 99"),
        // help_ref, then unit_ref, then a reference of an exemplar, out of range.
        (&[1, 3], (5, &[0x18, 99]), 1, "bad_reference: help_ref 99"),
        (&[1, 3], (5, &[0x20, 99]), 1, "bad_reference: unit_ref 99"),
        (
            &[1, 3],
            (4, &[0x0a, 2, 4, 99]),
            2,
            "bad_reference: exemplar",
        ),
        (&[1, 3, 4, 2, 4, 3], nothing, 1, "duplicate_label_name"),
    ];
    for (refs, rest, samples, reason) in cases {
        let server = Running::start();
        let answer = server.post("/api/v1/write", &V2_HEADERS, &request(refs, rest));
        assert_eq!(
            (answer.status, written(&answer)),
            (400, [samples, 0, 0]),
            "{}",
            answer.body
        );
        let mut lines = answer.body.lines();
        let line = lines.find(|line| line.contains("culprit")).unwrap_or("");
        assert!(line.contains(reason), "{reason}: {}", answer.body);
        assert_eq!(value(&server, "good", now), "1");
        let culprits = server.query("culprit", now)["result"].take();
        assert_eq!(culprits.as_array().unwrap().len() as u64, samples - 1);
    }
}
