//! The example program does what it says.

use chronoxide::{Database, Matcher, Options, TimeRange};

#[path = "../../examples/embedder.rs"]
#[expect(dead_code, reason = "a test has its own main function")]
mod program;

#[test]
fn a_program_finds_its_own_metrics_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics");
    let mut told = Vec::new();
    program::run(&path, 20, &mut told).unwrap();
    let told = String::from_utf8(told).unwrap();
    println!("{told}");

    let (before, after) = told.split_once("opened again:\n").unwrap();
    assert_eq!(before, after);
    for title in ["jobs a second", "ms a job"] {
        for kind in ["sort", "sum"] {
            let mut rows = before.lines().filter(|line| line.starts_with(kind));
            let row = rows.find(|line| line.ends_with(title)).unwrap();
            let value: f64 = row.split_whitespace().nth(1).unwrap().parse().unwrap();
            assert!(value > 0.0, "{row}");
        }
    }

    let db = Database::open(&path, Options::default()).unwrap();
    let everything = TimeRange::new(0, i64::MAX).unwrap();
    let counters = [Matcher::equal("__name__", "jobs_done_total")];
    let mut kinds = 0;
    for series in db.select(&counters, everything).unwrap() {
        let series = series.unwrap();
        let last = series.samples().last().unwrap();
        let line = format!(
            "{}: {} samples, {} at the end\n",
            series.labels(),
            series.samples().len(),
            last.value
        );
        assert!(before.contains(&line), "{line} is not in\n{before}");
        assert!(last.value > 0.0, "{line}");
        kinds += 1;
    }
    assert_eq!(kinds, 2);
}
