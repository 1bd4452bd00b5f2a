//! Verifying a data directory.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use chronoxide_storage::{CheckReport, RealFs};

/// Verifies every file and checksum of `directory` and says on standard output what was found; code 1 when something
/// is wrong.
pub(crate) fn check(directory: &Path) -> Result<ExitCode, String> {
    let report = chronoxide_storage::check(directory, Arc::new(RealFs))
        .map_err(|error| with_sources(&error))?;
    let text = describe(directory, &report);
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| format!("the findings cannot be written: {error}"))?;
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn describe(directory: &Path, report: &CheckReport) -> String {
    let mut text = String::new();
    let mut line = |written: std::fmt::Arguments<'_>| {
        writeln!(text, "{written}").expect("writing to memory does not fail");
    };
    for finding in &report.findings {
        line(format_args!("{finding}"));
    }
    line(format_args!(
        "{} parts in {} days: {} bytes, {} samples of {} series, {:.3} bytes a sample",
        report.parts,
        report.partitions,
        report.parts_bytes,
        report.parts_samples,
        report.series,
        report.bytes_per_sample(),
    ));
    line(format_args!(
        "write-ahead log: {} records with {} samples that no part holds yet; {} series registered",
        report.wal_records, report.wal_samples, report.registered_series,
    ));
    if report.files_set_aside > 0 {
        line(format_args!(
            "{} files were set aside as damaged some time before",
            report.files_set_aside
        ));
    }
    let verdict = match report.findings.len() {
        0 => "sound".to_owned(),
        1 => "1 thing is wrong".to_owned(),
        count => format!("{count} things are wrong"),
    };
    line(format_args!("{}: {verdict}", directory.display()));
    text
}

/// The error and what lies beneath it, each after a colon.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
