//! The queries that are being evaluated, for those who ask what the server is busy with.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use chronoxide_promql::RangeTimes;
use parking_lot::Mutex;

use crate::query_log::QueryLog;

/// Longest head of a query that is shown, in bytes.
const TEXT_BYTES_MAX: usize = 1024;

/// When a query is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueryTimes {
    /// At one time, Unix milliseconds.
    At(i64),
    /// At steps.
    Range(RangeTimes),
}

impl QueryTimes {
    /// One word for people.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::At(_) => "instant",
            Self::Range(_) => "range",
        }
    }

    /// First and last time and the step, in milliseconds; the step of an instant query is 0.
    pub(crate) const fn range(self) -> RangeTimes {
        match self {
            Self::At(at_ms) => RangeTimes {
                start_ms: at_ms,
                end_ms: at_ms,
                step_ms: 0,
            },
            Self::Range(times) => times,
        }
    }
}

/// A query or lookup under way.
#[derive(Clone, Debug)]
pub(crate) struct ActiveQuery {
    /// The head of its text.
    pub(crate) text: String,
    /// What it is, in one word.
    pub(crate) kind: &'static str,
    pub(crate) times: RangeTimes,
    /// Unix milliseconds.
    pub(crate) started_ms: i64,
    started: Instant,
}

impl ActiveQuery {
    /// Query, kind, times and start in one line, for people.
    fn line(&self) -> String {
        let RangeTimes {
            start_ms,
            end_ms,
            step_ms,
        } = self.times;
        // Quoted and escaped, so that it is one line.
        format!(
            "{:?} {} start_ms={start_ms} end_ms={end_ms} step_ms={step_ms} started_ms={}",
            self.text, self.kind, self.started_ms
        )
    }

    /// How long it has been running.
    pub(crate) fn running(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The queries and lookups under way. There are never more than may run at once, because each holds its turn.
#[derive(Debug, Default)]
pub(crate) struct ActiveQueries {
    listed: Mutex<Listed>,
    /// Where they are written down, once there is a data directory.
    log: OnceLock<QueryLog>,
}

#[derive(Debug, Default)]
struct Listed {
    next: u64,
    queries: BTreeMap<u64, ActiveQuery>,
}

impl ActiveQueries {
    /// Writes queries down from now on; those in the file, which an earlier process did not end, are told.
    pub(crate) fn write_to(&self, data_dir: &Path) {
        match QueryLog::open(data_dir) {
            Ok((log, cut_off)) => {
                for query in cut_off {
                    tracing::warn!(%query, "a query was under way when the server ended last");
                }
                // Called once, by whoever opened the data directory.
                let _ = self.log.set(log);
            }
            Err(error) => {
                let path = data_dir.display();
                tracing::warn!(%path, %error, "queries under way will not be written down");
            }
        }
    }

    /// Lists the query until the answer is dropped.
    pub(crate) fn enter(
        &self,
        text: &str,
        kind: &'static str,
        times: RangeTimes,
        started_ms: i64,
    ) -> Entered<'_> {
        let query = ActiveQuery {
            text: query_head(text).to_owned(),
            kind,
            times,
            started_ms,
            started: Instant::now(),
        };
        let log = self.log.get();
        let written = log.map(|log| (log, log.write(&query.line())));
        let mut listed = self.listed.lock();
        let id = listed.next;
        listed.next += 1;
        listed.queries.insert(id, query);
        Entered {
            active: self,
            id,
            written,
        }
    }

    /// All of them, the one that started first first.
    pub(crate) fn list(&self) -> Vec<ActiveQuery> {
        self.listed.lock().queries.values().cloned().collect()
    }
}

/// Keeps a query listed.
#[derive(Debug)]
pub(crate) struct Entered<'a> {
    active: &'a ActiveQueries,
    id: u64,
    /// Where it is written down.
    written: Option<(&'a QueryLog, u64)>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if let Some((log, place)) = self.written {
            log.clear(place);
        }
        self.active.listed.lock().queries.remove(&self.id);
    }
}

/// As much of a query as is shown to people.
pub(crate) fn query_head(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_listed_until_it_ends_and_its_text_is_cut() {
        let active = ActiveQueries::default();
        let times = QueryTimes::At(5);
        let first = active.enter("up", times.kind(), times.range(), 7);
        let long = "é".repeat(TEXT_BYTES_MAX);
        let second = active.enter(&long, times.kind(), times.range(), 8);
        let texts = || -> Vec<String> {
            let list = active.list();
            list.into_iter().map(|query| query.text).collect()
        };
        assert_eq!(texts(), ["up", &long[..TEXT_BYTES_MAX]]);
        drop(first);
        assert_eq!(texts(), [&long[..TEXT_BYTES_MAX]]);
        drop(second);
        assert!(active.list().is_empty());
    }

    #[test]
    fn a_query_is_written_down_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let active = ActiveQueries::default();
        active.write_to(dir.path());
        let times = QueryTimes::Range(RangeTimes {
            start_ms: 1,
            end_ms: 9,
            step_ms: 2,
        });
        let ended = active.enter("ended", "lookup", times.range(), 5);
        let _cut_off = active.enter("up\n+ 1", times.kind(), times.range(), 7);
        drop(ended);
        let (_, lines) = QueryLog::open(dir.path()).unwrap();
        let line = r#""up\n+ 1" range start_ms=1 end_ms=9 step_ms=2 started_ms=7"#;
        assert_eq!(lines, [line]);
    }
}
