//! What happened lately that people ask for: samples that were refused, and queries that took long.
//!
//! Both lists are short and have no repetitions, so that one bad sender or one slow dashboard hides no other.

use std::collections::VecDeque;
use std::time::Duration;

use chronoxide_model::Rejection;
use chronoxide_otlp::Refusals;
use chronoxide_promql::QueryStats;
use parking_lot::Mutex;

use crate::active_queries::{QueryTimes, query_head};
use crate::slow_query::EndedQuery;

/// Samples of one series, or data points of one metric, that were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecentRejection {
    /// When it happened last, Unix milliseconds.
    pub(crate) time_ms: i64,
    pub(crate) protocol: String,
    pub(crate) series: String,
    pub(crate) reason: &'static str,
    /// What was wrong in particular, when it happened last.
    pub(crate) detail: String,
    /// Samples since it happened first.
    pub(crate) samples: u64,
}

/// The newest rejections.
#[derive(Debug, Default)]
pub(crate) struct RecentRejections(Mutex<VecDeque<RecentRejection>>);

impl RecentRejections {
    const KEPT_MAX: usize = 50;

    /// Notes `rejections` of one request.
    pub(crate) fn add(&self, protocol: &str, rejections: &[Rejection], time_ms: i64) {
        let newest = rejections.iter().take(Self::KEPT_MAX);
        self.keep(newest.map(|rejection| RecentRejection {
            time_ms,
            protocol: protocol.to_owned(),
            series: rejection.series.clone(),
            reason: rejection.reason.as_str(),
            detail: rejection.detail.clone(),
            samples: rejection.samples,
        }));
    }

    /// Notes data points of one request that came to no series: their metrics stand for them.
    pub(crate) fn add_refusals(&self, protocol: &str, refusals: &Refusals, time_ms: i64) {
        self.keep(refusals.metrics().iter().map(|refused| RecentRejection {
            time_ms,
            protocol: protocol.to_owned(),
            series: refused.metric.clone(),
            reason: refused.reason.as_str(),
            detail: refused.detail.clone(),
            samples: refused.points,
        }));
    }

    fn keep(&self, rejections: impl ExactSizeIterator<Item = RecentRejection>) {
        if rejections.len() == 0 {
            return;
        }
        let mut kept = self.0.lock();
        for mut rejection in rejections {
            let known = kept.iter().position(|known| {
                known.series == rejection.series
                    && known.reason == rejection.reason
                    && known.protocol == rejection.protocol
            });
            if let Some(before) = known.and_then(|index| kept.remove(index)) {
                rejection.samples += before.samples;
            }
            kept.push_front(rejection);
            kept.truncate(Self::KEPT_MAX);
        }
    }

    /// All that are kept, the newest first.
    pub(crate) fn list(&self) -> Vec<RecentRejection> {
        self.0.lock().iter().cloned().collect()
    }
}

/// A query that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SlowQuery {
    /// The head of its text.
    pub(crate) text: String,
    pub(crate) times: QueryTimes,
    /// When it ended, Unix milliseconds.
    pub(crate) ended_ms: i64,
    /// How long it waited for its turn.
    pub(crate) queue: Duration,
    /// How long it was evaluated and its answer written.
    pub(crate) duration: Duration,
    /// What it touched, until it failed if it did.
    pub(crate) stats: QueryStats,
    /// Why it has no answer, if it has none.
    pub(crate) failure: Option<String>,
}

/// The slowest queries of the last hour, each text once.
#[derive(Debug, Default)]
pub(crate) struct SlowestQueries(Mutex<Vec<SlowQuery>>);

impl SlowestQueries {
    const KEPT_MAX: usize = 20;
    const KEPT_MS: i64 = 3_600_000;

    /// Notes `query`, which ended at `ended_ms`, if it is among the slowest.
    pub(crate) fn add(&self, query: &EndedQuery<'_>, ended_ms: i64) {
        let text = query_head(query.text);
        let mut kept = self.0.lock();
        kept.retain(|old| ended_ms.saturating_sub(old.ended_ms) < Self::KEPT_MS);
        let is_same = |old: &SlowQuery| old.text == text && old.times.kind() == query.times.kind();
        let known = kept.iter().position(is_same);
        if let Some(index) = known {
            if kept[index].duration >= query.duration {
                return;
            }
            kept.remove(index);
        }
        let place = kept.partition_point(|old| old.duration >= query.duration);
        if place >= Self::KEPT_MAX {
            return;
        }
        let slow = SlowQuery {
            text: text.to_owned(),
            times: query.times,
            ended_ms,
            queue: query.queue,
            duration: query.duration,
            stats: query.stats,
            failure: query.failure.map(|reason| query_head(reason).to_owned()),
        };
        kept.insert(place, slow);
        kept.truncate(Self::KEPT_MAX);
    }

    /// The slowest queries of the hour before `now_ms`, the slowest first.
    pub(crate) fn list(&self, now_ms: i64) -> Vec<SlowQuery> {
        let kept = self.0.lock();
        let recent = kept
            .iter()
            .filter(|query| now_ms.saturating_sub(query.ended_ms) < Self::KEPT_MS);
        recent.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use chronoxide_model::RejectReason;

    use super::*;
    use crate::client::Client;

    fn rejection(series: &str, samples: u64) -> Rejection {
        Rejection {
            series: series.to_owned(),
            reason: RejectReason::TooOld,
            detail: format!("{samples} before retention"),
            samples,
        }
    }

    #[test]
    fn rejections_of_one_series_add_up_and_the_newest_come_first() {
        let recent = RecentRejections::default();
        recent.add("remote_write", &[rejection("a", 1), rejection("b", 2)], 10);
        recent.add("remote_write", &[rejection("a", 3)], 20);
        recent.add("otlp", &[rejection("a", 5)], 30);
        let list = recent.list();
        let facts: Vec<(i64, &str, &str, u64)> = list
            .iter()
            .map(|one| {
                (
                    one.time_ms,
                    one.protocol.as_str(),
                    one.series.as_str(),
                    one.samples,
                )
            })
            .collect();
        assert_eq!(
            facts,
            [
                (30, "otlp", "a", 5),
                (20, "remote_write", "a", 4),
                (10, "remote_write", "b", 2)
            ]
        );
        assert_eq!(list[1].detail, "3 before retention");
    }

    #[test]
    fn old_rejections_make_room() {
        let recent = RecentRejections::default();
        for index in 0..200 {
            recent.add("otlp", &[rejection(&index.to_string(), 1)], index);
        }
        let list = recent.list();
        assert_eq!(list.len(), RecentRejections::KEPT_MAX);
        assert_eq!((list[0].time_ms, list[49].time_ms), (199, 150));
    }

    fn ended(text: &str, milliseconds: u64) -> EndedQuery<'_> {
        EndedQuery {
            text,
            client: Client(None),
            times: QueryTimes::At(0),
            queue: Duration::ZERO,
            duration: Duration::from_millis(milliseconds),
            stats: QueryStats::default(),
            failure: Some("timed out"),
        }
    }

    #[test]
    fn the_slowest_queries_are_kept_once_each_for_an_hour() {
        let slowest = SlowestQueries::default();
        let texts: Vec<String> = (0..40).map(|index| format!("up + {index}")).collect();
        for (index, text) in texts.iter().enumerate() {
            slowest.add(&ended(text, index as u64), 1000);
        }
        slowest.add(&ended("up + 39", 500), 2000);
        slowest.add(&ended("up + 39", 400), 3000);
        let list = slowest.list(3000);
        assert_eq!(list.len(), SlowestQueries::KEPT_MAX);
        assert_eq!(
            (list[0].text.as_str(), list[0].ended_ms, list[0].duration),
            ("up + 39", 2000, Duration::from_millis(500))
        );
        assert_eq!(list[19].text, "up + 20");
        assert!(list.is_sorted_by_key(|query| std::cmp::Reverse(query.duration)));
        assert_eq!(slowest.list(1000 + SlowestQueries::KEPT_MS).len(), 1);
        slowest.add(&ended("quick", 1), 1000 + SlowestQueries::KEPT_MS);
        assert_eq!(slowest.list(3000).len(), 2);
    }
}
