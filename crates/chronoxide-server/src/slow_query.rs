//! One log line for each query that took long.

use std::time::Duration;

use chronoxide_promql::{QueryStats, RangeTimes};

use crate::active_queries::{QueryTimes, query_head};
use crate::client::Client;

/// A query that has ended, well or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndedQuery<'a> {
    pub(crate) text: &'a str,
    pub(crate) client: Client,
    pub(crate) times: QueryTimes,
    /// How long it waited for its turn.
    pub(crate) queue: Duration,
    /// How long it was evaluated and its answer written, but for sending that.
    pub(crate) duration: Duration,
    /// What it touched, until it failed if it did.
    pub(crate) stats: QueryStats,
    /// Why it has no answer, if it has none.
    pub(crate) failure: Option<&'a str>,
}

impl EndedQuery<'_> {
    /// Whether the query took longer than `limit`; none is slow without a limit.
    pub(crate) fn is_slow(&self, limit: Option<Duration>) -> bool {
        limit.is_some_and(|limit| self.duration > limit)
    }

    /// Writes the line if the query took longer than `limit`.
    pub(crate) fn log_if_slow(&self, limit: Option<Duration>) {
        if !self.is_slow(limit) {
            return;
        }
        let RangeTimes {
            start_ms,
            end_ms,
            step_ms,
        } = self.times.range();
        // The text in quotes and escaped: a client's line breaks must not look like lines of the log.
        tracing::warn!(
            query = ?query_head(self.text),
            client = %self.client,
            kind = self.times.kind(),
            start_ms,
            end_ms,
            step_ms,
            queue_ms = milliseconds(self.queue),
            duration_ms = milliseconds(self.duration),
            series = self.stats.series,
            samples = self.stats.samples,
            peak_samples = self.stats.peak_samples,
            peak_bytes = self.stats.peak_bytes,
            outcome = self.failure.map_or("answered", query_head),
            "slow query"
        );
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Write as _};
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing::field::{Field, Visit};
    use tracing::span;

    use super::*;

    /// Keeps each event as a line of text.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    struct Line(String);

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            write!(self.0, "{}={value:?} ", field.name()).unwrap();
        }
    }

    impl tracing::Subscriber for Lines {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            let mut line = Line(String::new());
            event.record(&mut line);
            self.0.lock().push(line.0);
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    fn query(failure: Option<&str>) -> EndedQuery<'_> {
        EndedQuery {
            text: "up\n+ 1",
            client: Client(Some(([10, 0, 0, 7], 4321).into())),
            times: QueryTimes::At(1_000),
            queue: Duration::from_millis(3),
            duration: Duration::from_secs(11),
            stats: QueryStats {
                series: 2,
                samples: 40,
                seen_samples: 50,
                peak_samples: 30,
                peak_bytes: 480,
            },
            failure,
        }
    }

    fn logged(query: &EndedQuery<'_>, limit: Option<Duration>) -> Vec<String> {
        let lines = Lines::default();
        tracing::subscriber::with_default(lines.clone(), || query.log_if_slow(limit));
        std::mem::take(&mut *lines.0.lock())
    }

    #[test]
    fn a_slow_query_is_told_in_one_line() {
        let limit = Some(Duration::from_secs(10));
        let lines = logged(&query(None), limit);
        assert_eq!(lines.len(), 1);
        for part in [
            r#"query="up\n+ 1""#,
            "client=10.0.0.7:4321",
            r#"kind="instant""#,
            "start_ms=1000",
            "step_ms=0",
            "queue_ms=3",
            "duration_ms=11000",
            "series=2",
            "samples=40",
            "peak_samples=30",
            "peak_bytes=480",
            r#"outcome="answered""#,
        ] {
            assert!(lines[0].contains(part), "{part}: {}", lines[0]);
        }
        let lines = logged(&query(Some("timed out")), limit);
        assert!(lines[0].contains(r#"outcome="timed out""#), "{}", lines[0]);
        assert!(lines[0].contains(" samples=40 "), "{}", lines[0]);
    }

    #[test]
    fn a_quick_query_and_a_query_without_limit_are_not_told() {
        let query = query(None);
        assert!(logged(&query, Some(Duration::from_secs(11))).is_empty());
        assert!(logged(&query, None).is_empty());
    }
}
