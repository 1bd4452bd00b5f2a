//! What becomes of the type, help and unit of metrics, and how it is counted.

use crate::bounds::assert_metric;
use crate::compliance::{accepted, refused};
use crate::running::{Running, now_ms};
use crate::wire::{V1_HEADERS, v1_metadata_body};
use crate::wire_v2::Entry;

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
