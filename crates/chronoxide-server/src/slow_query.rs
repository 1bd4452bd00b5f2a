//! One log line for each query that took long.

use std::time::Duration;

use chronoxide_promql::{QueryStats, RangeTimes};

use crate::active_queries::{QueryTimes, query_head};

/// A query that has ended, well or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndedQuery<'a> {
    pub(crate) text: &'a str,
    pub(crate) times: QueryTimes,
    /// How long it waited for its turn.
    pub(crate) queue: Duration,
    /// How long it was evaluated.
    pub(crate) duration: Duration,
    /// What it read, or why it has no answer.
    pub(crate) outcome: Result<QueryStats, &'a str>,
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
        let (outcome, stats) = match self.outcome {
            Ok(stats) => ("answered", Some(stats)),
            Err(reason) => (query_head(reason), None),
        };
        // The text in quotes and escaped: a client's line breaks must not look like lines of the log.
        tracing::warn!(
            query = ?query_head(self.text),
            kind = self.times.kind(),
            start_ms,
            end_ms,
            step_ms,
            queue_ms = milliseconds(self.queue),
            duration_ms = milliseconds(self.duration),
            series = stats.map(|stats| stats.series),
            samples = stats.map(|stats| stats.samples),
            outcome,
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

    fn query(outcome: Result<QueryStats, &str>) -> EndedQuery<'_> {
        EndedQuery {
            text: "up\n+ 1",
            times: QueryTimes::At(1_000),
            queue: Duration::from_millis(3),
            duration: Duration::from_secs(11),
            outcome,
        }
    }

    fn logged(query: &EndedQuery<'_>, limit: Option<Duration>) -> Vec<String> {
        let lines = Lines::default();
        tracing::subscriber::with_default(lines.clone(), || query.log_if_slow(limit));
        std::mem::take(&mut *lines.0.lock())
    }

    #[test]
    fn a_slow_query_is_told_in_one_line() {
        let stats = QueryStats {
            series: 2,
            samples: 40,
            ..QueryStats::default()
        };
        let limit = Some(Duration::from_secs(10));
        let lines = logged(&query(Ok(stats)), limit);
        assert_eq!(lines.len(), 1);
        for part in [
            r#"query="up\n+ 1""#,
            r#"kind="instant""#,
            "start_ms=1000",
            "step_ms=0",
            "queue_ms=3",
            "duration_ms=11000",
            "series=2",
            "samples=40",
            r#"outcome="answered""#,
        ] {
            assert!(lines[0].contains(part), "{part}: {}", lines[0]);
        }
        let lines = logged(&query(Err("timed out")), limit);
        assert!(lines[0].contains(r#"outcome="timed out""#), "{}", lines[0]);
        assert!(!lines[0].contains("samples="), "{}", lines[0]);
    }

    #[test]
    fn a_quick_query_and_a_query_without_limit_are_not_told() {
        let query = query(Ok(QueryStats::default()));
        assert!(logged(&query, Some(Duration::from_secs(11))).is_empty());
        assert!(logged(&query, None).is_empty());
    }
}
