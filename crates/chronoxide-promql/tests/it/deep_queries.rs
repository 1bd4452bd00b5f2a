//! Whatever the parser lets through must fit the stack of an ordinary thread.

use chronoxide_model::{
    Labels, Matcher, SampleColumns, SeriesSet, SeriesSource, SourceError, TimeRange,
};
use chronoxide_promql::syntax::{Features, parse};
use chronoxide_promql::{Engine, QueryOptions, RangeTimes};

/// What threads commonly have; those of async runtimes among them.
const STACK_BYTES: usize = 2 << 20;

/// One series with a sample at 0.
#[derive(Debug)]
struct One;

impl SeriesSource for One {
    fn select(&self, _: &[Matcher], _: TimeRange) -> Result<Box<dyn SeriesSet + '_>, SourceError> {
        Ok(Box::new(Self))
    }

    fn label_names(&self, _: &[Matcher], _: TimeRange) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }

    fn label_values(
        &self,
        _: &str,
        _: &[Matcher],
        _: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }
}

impl SeriesSet for One {
    fn len(&self) -> usize {
        1
    }

    fn labels(&self, _: usize) -> Labels {
        Labels::from_pairs([("__name__", "x"), ("a", "b")]).expect("the labels are valid")
    }

    fn read(&self, _: usize, columns: &mut SampleColumns) -> Result<(), SourceError> {
        columns.clear();
        columns.timestamps_ms.push(0);
        columns.values.push(1.0);
        Ok(())
    }
}

/// The deepest query of a shape that still parses.
fn deepest(shape: impl Fn(usize) -> String) -> String {
    let depths = (1..300).rev().map(shape);
    let mut parsing = depths.filter(|text| parse(text, Features::ALL).is_ok());
    parsing.next().expect("one level parses")
}

fn around(open: &str, close: &str, times: usize) -> String {
    format!("{}x{}", open.repeat(times), close.repeat(times))
}

fn shapes() -> Vec<String> {
    let pairs = [
        ("(", ")"),
        ("-", ""),
        ("abs(", ")"),
        ("sum by (a) (", ")"),
        ("topk(1, ", ")"),
        ("sort(", ")"),
        ("absent(", ")"),
        ("vector(scalar(", "))"),
        ("label_replace(", ", \"a\", \"b\", \"\", \"\")"),
        ("histogram_quantile(0.5, ", ")"),
        ("max_over_time(", "[5m:1m])"),
        ("sum(x + ", ")"),
        ("x + ", ""),
        ("x or ", ""),
        ("x ^ ", ""),
    ];
    let mut shapes: Vec<String> = pairs
        .iter()
        .map(|(open, close)| deepest(|times| around(open, close, times)))
        .collect();
    // A chain of operators on top of nested calls.
    shapes.push(deepest(|times| {
        let chain = " + x".repeat(times);
        format!("{}{chain}", around("abs(", ")", times))
    }));
    shapes.push(deepest(|times| format!("x[{}1]", "1+".repeat(times))));
    shapes
}

#[test]
fn the_deepest_queries_fit_an_ordinary_stack() {
    for query in shapes() {
        let shown = query.clone();
        let evaluation = move || {
            let (engine, options) = (Engine::default(), QueryOptions::default());
            let instant = engine.instant(&One, &query, 0, &options).map(|_| ());
            let times = RangeTimes {
                start_ms: 0,
                end_ms: 120_000,
                step_ms: 60_000,
            };
            // A range vector has no place in a range query, which is an error like any other.
            let _ = engine.range(&One, &query, times, &options);
            instant
        };
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let outcome = thread.spawn(evaluation).expect("a thread starts").join();
        let outcome = outcome.unwrap_or_else(|_| panic!("panicked: {shown}"));
        assert!(outcome.is_ok(), "{shown}: {outcome:?}");
    }
}
