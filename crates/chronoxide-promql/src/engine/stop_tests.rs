//! Queries that are stopped while they run.

use chronoxide_model::{Labels, Matcher, SampleColumns, SeriesSet, SourceError, TimeRange};

use super::*;

/// A source that goes on finding series until it is told to stop; the query is cancelled meanwhile.
#[derive(Debug)]
struct FindsForEver(Cancellation);

impl SeriesSource for FindsForEver {
    fn select(&self, _: &[Matcher], _: TimeRange) -> Result<Box<dyn SeriesSet + '_>, SourceError> {
        Err("it would never end".into())
    }

    fn select_while(
        &self,
        _: &[Matcher],
        _: TimeRange,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Box<dyn SeriesSet + '_>>, SourceError> {
        while go_on() {
            self.0.cancel();
        }
        Ok(None)
    }

    fn label_names(&self, _: &[Matcher], _: TimeRange) -> Result<Vec<String>, SourceError> {
        Err("queries do not ask for names".into())
    }

    fn label_values(
        &self,
        _: &str,
        _: &[Matcher],
        _: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        Err("queries do not ask for values".into())
    }
}

#[test]
fn a_cancelled_query_ends_while_its_series_are_looked_for() {
    for text in ["x", "sum(rate(x[5m]))", "max_over_time(x[1h:1m])"] {
        let options = QueryOptions::default();
        let source = FindsForEver(options.cancellation.clone());
        let answer = Engine::default().instant(&source, text, 0, &options);
        assert!(matches!(answer, Err(Error::Cancelled)), "{text}");
    }
}

/// A source with one series, which cancels the query when that is read.
#[derive(Debug)]
struct CancelsOnRead(Cancellation);

impl SeriesSource for CancelsOnRead {
    fn select(&self, _: &[Matcher], _: TimeRange) -> Result<Box<dyn SeriesSet + '_>, SourceError> {
        Ok(Box::new(Self(self.0.clone())))
    }

    fn label_names(&self, _: &[Matcher], _: TimeRange) -> Result<Vec<String>, SourceError> {
        Err("queries do not ask for names".into())
    }

    fn label_values(
        &self,
        _: &str,
        _: &[Matcher],
        _: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        Err("queries do not ask for values".into())
    }
}

impl SeriesSet for CancelsOnRead {
    fn len(&self) -> usize {
        1
    }

    fn labels(&self, _: usize) -> Labels {
        Labels::empty()
    }

    fn read(&self, _: usize, columns: &mut SampleColumns) -> Result<(), SourceError> {
        self.0.cancel();
        columns.timestamps_ms.push(0);
        columns.values.push(1.0);
        Ok(())
    }
}

/// What evaluating `text` at `count` steps gives when it is cancelled as its series is read, or at once when it reads
/// none, and whether any series came out.
fn cancelled(text: &str, count: i64, at_once: bool) -> (Result<(), Error>, bool) {
    let options = LowerOptions {
        end_ms: (count - 1) * 10,
        step_ms: 10,
        ..LowerOptions::instant(0)
    };
    let node = crate::lower(text, &options).unwrap();
    let cancellation = Cancellation::new();
    let source = CancelsOnRead(cancellation.clone());
    let steps = Steps::new(0, options.end_ms, 10);
    let query = Query {
        source: &source,
        steps,
        end_ms: options.end_ms,
        step_ms: 10,
        threads: 1,
        helpers: &Helpers::new(0),
        lookback_ms: 300_000,
        meter: Arc::new(Meter::new(1_000_000, u64::MAX, QueryProgress::new())),
        stop: Stop::new(cancellation.clone(), None),
        shared: Shared::of(&node),
        features: crate::syntax::Features::ALL,
        annotations: Mutex::default(),
    };
    let evaluation = Evaluation {
        query: &query,
        steps,
        histograms: HistogramDetail::Full,
        values: true,
        enough: None,
        weight: 1,
    };
    if at_once {
        cancellation.cancel();
        return (evaluation.scalar(&node).map(drop), false);
    }
    let mut any = false;
    let result = evaluation.for_each(&node, &mut |_| {
        any = true;
        Ok(())
    });
    (result, any)
}

#[test]
fn loops_over_many_steps_look_whether_the_query_is_to_stop() {
    for text in [
        "x",
        "x smoothed",
        "timestamp(x)",
        "abs(x)",
        "x ^ 2",
        "clamp(x, 0, 1)",
        "max_over_time(x[5m])",
        "rate(x[5m] anchored)",
        "sum(x)",
    ] {
        let (result, any) = cancelled(text, 100_000, false);
        assert!(
            matches!(result, Err(Error::Cancelled)),
            "{text}: {result:?}"
        );
        assert!(!any, "{text}");
    }
    for text in [
        "1",
        "pi()",
        "time()",
        "-time()",
        "2 ^ time()",
        "max_of(1, 2)",
        "scalar(x)",
        "step()",
    ] {
        let (result, _) = cancelled(text, 100_000, true);
        assert!(
            matches!(result, Err(Error::Cancelled)),
            "{text}: {result:?}"
        );
    }
}

#[test]
fn series_that_lie_ready_are_not_handed_on_any_more() {
    for text in [
        "sort(x)",
        "sort_desc(x)",
        "sort_by_label(x, \"a\")",
        "avg(x)",
        "stddev by (a) (x)",
        "topk(1, x)",
        "bottomk by (a) (1, x)",
        "count_values(\"v\", x)",
    ] {
        let (result, any) = cancelled(text, 1, false);
        assert!(
            matches!(result, Err(Error::Cancelled)),
            "{text}: {result:?}"
        );
        assert!(!any, "{text}");
    }
}

#[test]
fn functions_that_make_labels_look_at_each_series_whether_the_query_is_to_stop() {
    for text in [
        "label_replace(x, \"a\", \"b\", \"\", \"\")",
        "label_join(x, \"a\", \"b\", \"c\", \"d\")",
    ] {
        let (result, any) = cancelled(text, 2, false);
        assert!(
            matches!(result, Err(Error::Cancelled)),
            "{text}: {result:?}"
        );
        assert!(!any, "{text}");
    }
}
