//! The queries that are being evaluated, for those who ask what the server is busy with.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chronoxide_promql::RangeTimes;
use parking_lot::Mutex;

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
    /// How long it has been running.
    pub(crate) fn running(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The queries and lookups under way. There are never more than may run at once, because each holds its turn.
#[derive(Debug, Default)]
pub(crate) struct ActiveQueries(Mutex<Listed>);

#[derive(Debug, Default)]
struct Listed {
    next: u64,
    queries: BTreeMap<u64, ActiveQuery>,
}

impl ActiveQueries {
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
        let mut listed = self.0.lock();
        let id = listed.next;
        listed.next += 1;
        listed.queries.insert(id, query);
        Entered { active: self, id }
    }

    /// All of them, the one that started first first.
    pub(crate) fn list(&self) -> Vec<ActiveQuery> {
        self.0.lock().queries.values().cloned().collect()
    }
}

/// Keeps a query listed.
#[derive(Debug)]
pub(crate) struct Entered<'a> {
    active: &'a ActiveQueries,
    id: u64,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.active.0.lock().queries.remove(&self.id);
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
}
