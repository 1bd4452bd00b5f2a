//! What became of an import.

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chronoxide_model::WriteOutcome;

use crate::error::ApiError;

/// Wrong lines, and refused series, that are told one by one.
const LISTED_MAX: usize = 10;

/// Counts of an import, and the first of what went wrong.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) lines: u64,
    lines_wrong: u64,
    wrong: Vec<String>,
    outcome: WriteOutcome,
    /// Why the import ended before the text did.
    stopped: Option<(StatusCode, String)>,
}

impl Report {
    /// Line `number` was not taken.
    pub(super) fn wrong_line(&mut self, number: u64, reason: &dyn std::fmt::Display) {
        self.lines_wrong += 1;
        if self.wrong.len() < LISTED_MAX {
            self.wrong.push(format!("line {number}: {reason}"));
        }
    }

    /// A batch was stored.
    pub(super) fn stored(&mut self, outcome: WriteOutcome) {
        self.outcome.merge(outcome);
    }

    /// The import cannot go on.
    pub(super) fn stop(&mut self, status: StatusCode, reason: String) {
        self.stopped.get_or_insert((status, reason));
    }

    pub(super) const fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    fn samples(&self) -> u64 {
        self.outcome.samples_accepted + self.outcome.histograms_accepted
    }

    fn describe(&self) -> String {
        let mut text = format!(
            "{} of {} lines and {} samples were not taken, {} samples are stored",
            self.lines_wrong,
            self.lines,
            self.outcome.samples_rejected,
            self.samples()
        );
        if let Some((_, reason)) = &self.stopped {
            text = format!("the import ended at line {}: {reason}; {text}", self.lines);
        }
        for line in &self.wrong {
            text.push('\n');
            text.push_str(line);
        }
        for rejection in self.outcome.rejections.iter().take(LISTED_MAX) {
            text.push_str(&format!(
                "\n{}: {}: {}",
                rejection.series, rejection.reason, rejection.detail
            ));
        }
        let told = self.wrong.len() + self.outcome.rejections.len().min(LISTED_MAX);
        if (told as u64) < self.lines_wrong + self.outcome.rejections.len() as u64 {
            text.push_str("\nand more");
        }
        text
    }
}

/// 204 when all is stored, and an error with counts when anything is not.
impl IntoResponse for Report {
    fn into_response(self) -> Response {
        let is_complete = self.lines_wrong == 0 && self.outcome.is_complete();
        let mut response = match &self.stopped {
            None if is_complete => StatusCode::NO_CONTENT.into_response(),
            Some((StatusCode::SERVICE_UNAVAILABLE, _)) => {
                ApiError::unavailable(self.describe()).into_response()
            }
            _ => ApiError::bad_data(self.describe()).into_response(),
        };
        add_counts(response.headers_mut(), &self);
        response
    }
}

fn add_counts(headers: &mut HeaderMap, report: &Report) {
    for (name, count) in [
        ("x-chronoxide-import-lines", report.lines),
        ("x-chronoxide-import-lines-wrong", report.lines_wrong),
        ("x-chronoxide-import-samples", report.samples()),
        (
            "x-chronoxide-import-samples-rejected",
            report.outcome.samples_rejected,
        ),
        (
            "x-chronoxide-import-exemplars",
            report.outcome.exemplars_accepted,
        ),
    ] {
        headers.insert(name, HeaderValue::from(count));
    }
}
