//! Verifying a data directory.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chronoxide_storage::check::{CheckProgress, CheckReport, check_with};
use chronoxide_storage::system::RealFs;

/// Verifies every file and checksum of `directory` and says on standard output what was found; code 1 when something
/// is wrong. On a terminal, standard error shows how far it has come.
pub(crate) fn check(directory: &Path) -> Result<ExitCode, String> {
    let stderr = std::io::stderr();
    let mut meter = Meter::new(stderr.is_terminal().then_some(stderr));
    let report = check_with(directory, Arc::new(RealFs), |progress| {
        meter.show(progress);
    });
    meter.clear();
    let report = report.map_err(|error| with_sources(&error))?;
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

/// One line on a terminal that is written over and over.
struct Meter<W> {
    shown: Option<Instant>,
    /// The terminal, if there is one.
    terminal: Option<W>,
}

impl<W: std::io::Write> Meter<W> {
    const fn new(terminal: Option<W>) -> Self {
        Self {
            shown: None,
            terminal,
        }
    }

    fn show(&mut self, progress: CheckProgress) {
        const PAUSE: Duration = Duration::from_millis(100);
        let is_soon = self.shown.is_some_and(|shown| shown.elapsed() < PAUSE);
        let Some(terminal) = self.terminal.as_mut().filter(|_| !is_soon) else {
            return;
        };
        self.shown = Some(Instant::now());
        let share = 100 * progress.bytes / progress.bytes_total.max(1);
        let text = format!(
            "\r\x1b[K{share} %: {} of {} parts",
            progress.parts, progress.parts_total
        );
        // Whoever looks at it sees no progress then, and the findings are not affected.
        let _ = terminal.write_all(text.as_bytes());
    }

    fn clear(&mut self) {
        let shown = self.shown.take();
        if let Some(terminal) = self.terminal.as_mut().filter(|_| shown.is_some()) {
            let _ = terminal.write_all(b"\r\x1b[K");
        }
    }
}

fn describe(directory: &Path, report: &CheckReport) -> String {
    let mut text = String::new();
    let mut line = |written: std::fmt::Arguments<'_>| {
        writeln!(text, "{written}").expect("writing to memory does not fail");
    };
    for finding in &report.findings {
        line(format_args!("{finding}"));
    }
    for part in &report.checked_parts {
        let verdict = match part.findings {
            0 => "sound",
            _ => "damaged",
        };
        line(format_args!(
            "{}: {verdict}, {} bytes, {} samples of {} series",
            part.path.display(),
            part.bytes,
            part.samples,
            part.series,
        ));
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
    for (coding, share) in &report.codings {
        line(format_args!(
            "  {} chunks of {coding}: {} bytes",
            share.chunks, share.bytes
        ));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn quarter() -> CheckProgress {
        let mut progress = CheckProgress::default();
        (progress.parts, progress.parts_total) = (1, 4);
        (progress.bytes, progress.bytes_total) = (25, 100);
        progress
    }

    #[test]
    fn a_terminal_shows_one_line_that_is_gone_at_the_end() {
        let mut meter = Meter::new(Some(Vec::new()));
        meter.show(quarter());
        // Too soon to be read.
        meter.show(quarter());
        let shown = meter.terminal.clone().unwrap();
        assert_eq!(shown, b"\r\x1b[K25 %: 1 of 4 parts");
        meter.clear();
        assert_eq!(meter.terminal.unwrap()[shown.len()..], *b"\r\x1b[K");
    }

    #[test]
    fn where_nothing_was_shown_nothing_is_cleared() {
        let mut meter = Meter::new(Some(Vec::new()));
        meter.clear();
        assert_eq!(meter.terminal, Some(Vec::new()));
    }
}
