//! What becomes of the type, help and unit of metrics, and how it is counted.

use crate::bounds::assert_metric;
use crate::compliance::{accepted, refused, value};
use crate::running::{Running, now_ms};
use crate::wire::{V1_HEADERS, V2_HEADERS, v1_metadata_body};
use crate::wire_v2::{Entry, v2_body};

fn assert_counted(server: &Running, taken: u64, rejected: &[(&str, u64)]) {
    let protocol = "{protocol=\"remote_write\"";
    assert_metric(
        server,
        &format!("chronoxide_ingest_metadata_total{protocol}}} {taken}"),
    );
    for (reason, count) in rejected {
        assert_metric(
            server,
            &format!(
                "chronoxide_ingest_rejected_metadata_total{protocol},reason=\"{reason}\"}} {count}"
            ),
        );
    }
}

#[test]
fn metadata_counts_as_taken_only_when_it_was_handed_on() {
    let (server, now) = (Running::start(), now_ms());
    let nameless = Entry::new(&[("job", "a")]).sample(now, 1.0);
    refused(
        &server,
        &[nameless.metadata(1, "N.", "")],
        [0; 3],
        "missing_metric_name",
    );
    assert_counted(&server, 0, &[("missing_metric_name", 1)]);
    refused(
        &server,
        &[Entry::named("alone").metadata(1, "A.", "")],
        [0; 3],
        "no_samples",
    );
    assert_counted(
        &server,
        0,
        &[("missing_metric_name", 1), ("refused_series", 1)],
    );
    let says_nothing = v1_metadata_body("x", 0, "", "");
    let answer = server.post("/api/v1/write", &V1_HEADERS, &says_nothing);
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_counted(&server, 0, &[("no_room", 0)]);
    // Sent twice, and within a request once for each series.
    let of = |job: &str| {
        let entry = Entry::new(&[("__name__", "x_total"), ("job", job)]).sample(now, 1.0);
        entry.metadata(1, "X.", "")
    };
    accepted(&server, &[of("a"), of("b")], [2, 0, 0]);
    assert_counted(
        &server,
        2,
        &[
            ("missing_metric_name", 1),
            ("refused_series", 1),
            ("no_room", 0),
        ],
    );
    assert_metric(&server, "chronoxide_metadata_rejected_total 0");
}

#[test]
fn metadata_beyond_its_share_of_the_memory_is_counted_as_such() {
    const LIMIT: u64 = 1 << 20;
    let server = Running::start_with(&[("memory.limit", "16MiB")]);
    let now = now_ms();
    let help = "x".repeat(4000);
    let entries: Vec<_> = (0..400)
        .map(|n| {
            let entry = Entry::named(&format!("metric_{n}")).sample(now, 1.0);
            entry.metadata(1, &format!("{help}{n}"), "")
        })
        .collect();
    let body = v2_body(&entries);
    let answer = server.post("/api/v1/write", &V2_HEADERS, &body);
    assert_eq!(answer.status, 204, "{}", answer.body);
    let known = server.get("/api/v1/metadata").data();
    let kept = known.as_object().unwrap().len() as u64;
    assert!((200..300).contains(&kept), "{kept}");
    assert_counted(&server, kept, &[("no_room", 400 - kept)]);
    assert_metric(
        &server,
        &format!("chronoxide_metadata_rejected_total {}", 400 - kept),
    );
    assert_metric(
        &server,
        &format!("chronoxide_memory_limit_bytes{{user=\"metadata\"}} {LIMIT}"),
    );
    let metrics = server.get("/metrics").body;
    let used = "chronoxide_memory_used_bytes{user=\"metadata\"} ";
    let used = metrics.lines().find_map(|line| line.strip_prefix(used));
    let used: f64 = used.unwrap().parse().unwrap();
    assert!(
        (4000.0 * kept as f64..=LIMIT as f64).contains(&used),
        "{used}"
    );
    assert_eq!(
        value(&server, "count({__name__=~\"metric_.*\"})", now),
        "400"
    );
}
