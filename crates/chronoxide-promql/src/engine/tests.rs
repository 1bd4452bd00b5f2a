use chronoxide_model::STALE_MARKER;

use super::*;
use crate::memory_source::MemorySource;
use crate::{Point, Value};

const MINUTE: i64 = 60_000;

/// `requests_total` rises by 1 a second, `temperature` falls and has a gap, `gone` ends with a stale marker.
fn source() -> MemorySource {
    let mut source = MemorySource::default();
    for (instance, factor) in [("a", 1.0), ("b", 2.0)] {
        let labels = [("__name__", "requests_total"), ("instance", instance)];
        let values: Vec<f64> = (0..=60).map(|at| f64::from(at) * 15.0 * factor).collect();
        source.floats(&labels, 0, 15_000, &values);
    }
    source.floats(
        &[("__name__", "temperature"), ("room", "lab")],
        0,
        MINUTE,
        &[21.5, 21.0, 20.5, f64::NAN, 19.5],
    );
    source.floats(&[("__name__", "gone")], 0, MINUTE, &[1.0, STALE_MARKER]);
    source
}

fn instant(text: &str, time_ms: i64) -> Result<Vec<(String, f64)>, Error> {
    let engine = Engine::default();
    let answer = engine.instant(&source(), text, time_ms, &QueryOptions::default())?;
    Ok(match answer.value {
        Value::Vector(samples) => samples
            .into_iter()
            .map(|sample| match sample.point {
                Point::Float(value) => (sample.labels.to_string(), value),
                Point::Histogram(_) => (sample.labels.to_string(), f64::NAN),
            })
            .collect(),
        Value::Scalar(_, value) => vec![(String::new(), value)],
        other => panic!("{other:?}"),
    })
}

fn only(text: &str, time_ms: i64) -> f64 {
    let samples = instant(text, time_ms).unwrap();
    assert_eq!(samples.len(), 1, "{text}: {samples:?}");
    samples[0].1
}

fn range(text: &str, times: RangeTimes) -> Result<Answer, Error> {
    Engine::default().range(&source(), text, times, &QueryOptions::default())
}

#[test]
fn a_selector_looks_back_five_minutes_and_not_more() {
    assert_eq!(only("temperature", 4 * MINUTE), 19.5);
    assert_eq!(only("temperature", 9 * MINUTE - 1), 19.5);
    assert!(instant("temperature", 9 * MINUTE).unwrap().is_empty());
    let short = QueryOptions {
        lookback: Some(Duration::from_secs(10)),
        ..QueryOptions::default()
    };
    let answer = Engine::default()
        .instant(&source(), "temperature", 4 * MINUTE + 10_000, &short)
        .unwrap();
    assert_eq!(answer.value, Value::Vector(Vec::new()));
}

#[test]
fn an_answer_names_the_metrics_that_were_asked_for_by_name() {
    let text = r#"sum(b{x=~"c.+"}) / on () {__name__=~"a"} + count({__name__="b"}) + count({__name__=~"c|d"}) + count({x="y"})"#;
    let answer = Engine::default().instant(&source(), text, 0, &QueryOptions::default());
    assert_eq!(answer.unwrap().metric_names, ["a", "b"]);
}

#[test]
fn a_stale_marker_ends_a_series() {
    assert_eq!(only("gone", MINUTE - 1), 1.0);
    assert!(instant("gone", MINUTE).unwrap().is_empty());
    assert_eq!(only("count_over_time(gone[5m])", 2 * MINUTE), 1.0);
}

#[test]
fn offset_and_at_move_the_time_of_the_selector() {
    assert_eq!(only("temperature offset 1m", 2 * MINUTE), 21.0);
    assert_eq!(only("temperature @ 120", 0), 20.5);
    assert_eq!(only("temperature @ 120 offset 1m", 0), 21.0);
    assert_eq!(only("timestamp(temperature)", 4 * MINUTE + 7000), 240.0);
    assert_eq!(only("timestamp(temperature * 1)", 4 * MINUTE + 7000), 247.0);
}

#[test]
fn a_rate_is_extrapolated_to_the_window() {
    let rates = instant("rate(requests_total[1m])", 10 * MINUTE).unwrap();
    assert_eq!(rates.len(), 2);
    assert_eq!(rates[0].0, "{instance=\"a\"}");
    assert!((rates[0].1 - 1.0).abs() < 1e-12, "{rates:?}");
    assert!((rates[1].1 - 2.0).abs() < 1e-12, "{rates:?}");
    // Samples at 585, 600 s; the window (570, 600] is left open.
    assert_eq!(
        only("increase(requests_total{instance=\"a\"}[30s])", 10 * MINUTE),
        30.0
    );
    assert_eq!(
        only("irate(requests_total{instance=\"b\"}[1m])", 10 * MINUTE),
        2.0
    );
}

#[test]
fn a_subquery_lies_on_multiples_of_its_step() {
    let text = "count_over_time(temperature[2m:1m])";
    assert_eq!(only(text, 2 * MINUTE), 2.0);
    assert_eq!(only(text, 2 * MINUTE + 1), 2.0);
    assert_eq!(
        only("max_over_time(timestamp(temperature)[3m:40s])", 200_000),
        180.0
    );
}

#[test]
fn names_go_with_the_function_that_takes_them_away() {
    let labels = |text: &str| {
        let samples = instant(text, MINUTE).unwrap();
        samples
            .into_iter()
            .map(|sample| sample.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(labels("abs(temperature)"), ["{room=\"lab\"}"]);
    assert_eq!(
        labels("label_replace(abs(temperature), \"was\", \"$1\", \"__name__\", \"(.*)\")"),
        ["{room=\"lab\"}"],
        "but for whoever turns late removal on"
    );
    assert_eq!(
        labels("last_over_time(temperature[1m])"),
        ["temperature{room=\"lab\"}"]
    );
}

#[test]
fn series_that_become_the_same_are_refused() {
    let error = instant("abs({__name__=~\"gone|temperature\"})", MINUTE - 1);
    assert!(error.is_ok());
    let error = instant(
        "label_replace(requests_total, \"instance\", \"c\", \"\", \"\")",
        MINUTE,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "vector cannot contain metrics with the same labelset"
    );
}

#[test]
fn a_range_query_has_no_empty_series() {
    let times = RangeTimes {
        start_ms: 20 * MINUTE,
        end_ms: 25 * MINUTE,
        step_ms: MINUTE,
    };
    let answer = range("requests_total", times).unwrap();
    assert_eq!(answer.value, Value::Matrix(Vec::new()));
    let Value::Matrix(matrix) = range("time()", times).unwrap().value else {
        panic!("no matrix");
    };
    assert_eq!(matrix.len(), 1);
    assert!(matrix[0].labels.is_empty());
    assert_eq!(matrix[0].floats.len(), 6);
    assert_eq!(matrix[0].floats[0], (20 * MINUTE, 1200.0));
}

#[test]
fn a_range_query_refuses_other_types_and_times() {
    let times = RangeTimes {
        start_ms: 0,
        end_ms: MINUTE,
        step_ms: MINUTE,
    };
    assert_eq!(
        range("temperature[5m]", times).unwrap_err().to_string(),
        "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector"
    );
    assert_eq!(
        range("\"text\"", times).unwrap_err().to_string(),
        "invalid expression type \"string\" for range query, must be Scalar or instant Vector"
    );
    let backwards = RangeTimes {
        end_ms: -1,
        ..times
    };
    assert!(matches!(
        range("1", backwards),
        Err(Error::RangeTimes { end_ms: -1, .. })
    ));
}

#[test]
fn the_limit_of_samples_holds() {
    let engine = Engine::new(EngineOptions {
        samples_max: 40,
        ..EngineOptions::default()
    });
    let run = |text| engine.instant(&source(), text, 10 * MINUTE, &QueryOptions::default());
    assert!(run("rate(requests_total[5m])").is_ok());
    let error = run("rate(requests_total[20m])").unwrap_err();
    assert_eq!(
        error.to_string(),
        "query processing would load too many samples into memory in query execution"
    );
    let forever = RangeTimes {
        start_ms: 0,
        end_ms: i64::MAX,
        step_ms: 1,
    };
    let error = engine
        .range(&source(), "1", forever, &QueryOptions::default())
        .unwrap_err();
    assert!(matches!(error, Error::TooManySamples { limit: 40 }));
    let error = run("count_over_time(temperature[1y:1ms])").unwrap_err();
    assert!(matches!(error, Error::TooManySamples { limit: 40 }));
}

#[test]
fn a_query_stops_when_it_is_cancelled_or_late() {
    let options = QueryOptions::default();
    options.cancellation.cancel();
    let run = |options: &QueryOptions| Engine::default().instant(&source(), "gone", 0, options);
    assert!(matches!(run(&options), Err(Error::Cancelled)));
    let options = QueryOptions {
        timeout: Some(Duration::ZERO),
        ..QueryOptions::default()
    };
    let error = run(&options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "query timed out in expression evaluation"
    );
}

#[test]
fn annotations_say_what_and_where() {
    let run = |text| {
        Engine::default()
            .instant(&source(), text, 4 * MINUTE, &QueryOptions::default())
            .unwrap()
    };
    assert_eq!(
        run("1 + rate(temperature[5m])").infos,
        [
            "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"temperature\" (1:10)"
        ]
    );
    assert_eq!(
        run("quantile_over_time(1.5, temperature[5m])").warnings,
        ["PromQL warning: quantile value should be between 0 and 1, got 1.5 (1:20)"]
    );
    assert!(run("rate(requests_total[5m])").infos.is_empty());
}

#[test]
fn threads_do_not_change_the_answer() {
    let mut source = MemorySource::default();
    for series in 0..100 {
        let instance = series.to_string();
        let labels = [("__name__", "many_total"), ("instance", instance.as_str())];
        let values: Vec<f64> = (0..300).map(|at| f64::from(at % (series + 2))).collect();
        source.floats(&labels, 0, 15_000, &values);
    }
    let times = RangeTimes {
        start_ms: 0,
        end_ms: 80 * MINUTE,
        step_ms: 4000,
    };
    for text in [
        "many_total",
        "rate(many_total[1m])",
        "many_total smoothed",
        "sum(many_total)",
        "count(many_total)",
        "group(many_total)",
        "absent(many_total)",
        "sum(count_over_time(many_total[1m]))",
        "max_over_time(many_total[2m:20s])",
    ] {
        let run = |threads| {
            let engine = Engine::new(EngineOptions {
                threads,
                ..EngineOptions::default()
            });
            engine
                .range(&source, text, times, &QueryOptions::default())
                .unwrap()
                .value
        };
        let alone = run(1);
        assert!(
            matches!(&alone, Value::Matrix(matrix) if !matrix.is_empty()),
            "{text}"
        );
        assert!(run(4) == alone, "{text}");
    }
}

#[test]
fn many_series_are_sorted_as_few_are() {
    let mut source = MemorySource::default();
    let name = |series: usize| format!("{series:05}");
    let value = |series: usize| (series * 7919 % 1000) as f64;
    for series in 0..10_000 {
        let labels = [("__name__", "x"), ("n", &*name(series))];
        source.floats(&labels, 0, 1000, &[value(series)]);
    }
    let mut by_value: Vec<usize> = (0..10_000).collect();
    by_value.sort_by(|left, right| value(*left).total_cmp(&value(*right)));
    let by_label: Vec<usize> = (0..10_000).rev().collect();
    for (text, expected) in [
        ("sort(x)", by_value),
        ("sort_by_label_desc(x, \"n\")", by_label),
        ("x", (0..10_000).collect()),
        ("x + 0", (0..10_000).collect()),
    ] {
        let answer = Engine::default().instant(&source, text, 0, &QueryOptions::default());
        let Value::Vector(samples) = answer.unwrap().value else {
            panic!("{text}: a vector")
        };
        let got = samples.iter().map(|sample| sample.labels.get("n").unwrap());
        assert!(got.eq(expected.into_iter().map(name)), "{text}");
    }
}

#[test]
fn start_times_matter_unless_they_are_turned_off() {
    let mut source = MemorySource::default();
    let columns = source.series(&[("__name__", "x_total")]);
    // Begun anew between the samples, at a value above the last one.
    for (at_ms, value, start_ms) in [(MINUTE, 10.0, 1), (2 * MINUTE, 30.0, MINUTE + 1)] {
        columns.timestamps_ms.push(at_ms);
        columns.values.push(value);
        columns.start_timestamps_ms.push(start_ms);
    }
    for (start_timestamps, resets, start) in [(true, 1.0, 60.001), (false, 0.0, 0.0)] {
        let engine = Engine::new(EngineOptions {
            features: crate::syntax::Features {
                start_timestamps,
                ..crate::syntax::Features::ALL
            },
            ..EngineOptions::default()
        });
        for (text, expected) in [
            ("resets(x_total[5m])", resets),
            ("start_timestamp(x_total)", start),
        ] {
            let options = QueryOptions::default();
            let answer = engine.instant(&source, text, 2 * MINUTE, &options).unwrap();
            let Value::Vector(samples) = answer.value else {
                panic!("a vector")
            };
            assert_eq!(samples[0].point, Point::Float(expected), "{text}");
        }
    }
}

#[test]
fn times_at_the_ends_of_time_are_answered() {
    let ends = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
    let mut source = MemorySource::default();
    let columns = source.series(&[("__name__", "x_total")]);
    for (at_ms, value) in ends
        .into_iter()
        .zip([1.0, 2.0, 3.0, f64::MAX, f64::INFINITY, 0.0, 1.0])
    {
        columns.timestamps_ms.push(at_ms);
        columns.values.push(value);
        columns.start_timestamps_ms.push(i64::MIN);
    }
    let mut texts: Vec<String> = crate::Function::ALL
        .iter()
        .filter(|function| function.arguments() == [ValueType::RangeVector])
        .flat_map(|function| {
            [
                "x_total[5m]",
                "x_total[292y]",
                "x_total[292y:100y]",
                "x_total[1m:1m] offset -292y",
            ]
            .map(|range| format!("{}({range})", function.name()))
        })
        .collect();
    texts.extend(
        [
            "x_total",
            "x_total offset 292y",
            "x_total offset -292y",
            "x_total @ 0 offset 292y",
            "timestamp(x_total)",
            "start_timestamp(x_total)",
            "predict_linear(x_total[292y], 1e300)",
            "quantile_over_time(0.5, x_total[292y])",
            "double_exponential_smoothing(x_total[292y], 0.5, 0.5)",
            "rate(x_total[292y] smoothed)",
            "increase(x_total[292y] anchored)",
            "changes(x_total[1m] anchored)",
            "x_total smoothed",
            "x_total[292y] smoothed",
            "x_total[292y]",
            "range() + step() + start() + end() + time()",
            "year() + day_of_year() + days_in_month()",
            "year(x_total * 1e30)",
        ]
        .map(str::to_owned),
    );
    for text in &texts {
        for at_ms in ends {
            let engine = Engine::new(EngineOptions {
                samples_max: 10_000,
                ..EngineOptions::default()
            });
            let _ = engine.instant(&source, text, at_ms, &QueryOptions::default());
            let times = RangeTimes {
                start_ms: at_ms,
                end_ms: i64::MAX,
                step_ms: i64::MAX / 2,
            };
            let answer = engine.range(&source, text, times, &QueryOptions::default());
            let is_answered = match &answer {
                Ok(_) | Err(Error::TooManySamples { .. }) => true,
                Err(Error::RangeType { .. }) => text.starts_with("x_total["),
                Err(_) => false,
            };
            assert!(is_answered, "{text} from {at_ms}: {answer:?}");
        }
    }
}

#[test]
fn a_repeated_expression_is_read_once() {
    let run = |text: &str| {
        let answer = Engine::default()
            .instant(&source(), text, 4 * MINUTE, &QueryOptions::default())
            .unwrap();
        (answer.stats.series, answer)
    };
    let (selected, answer) = run("requests_total / (requests_total + requests_total)");
    assert_eq!(selected, 2);
    let Value::Vector(samples) = answer.value else {
        panic!("no vector");
    };
    assert_eq!(samples.len(), 2);
    assert!(
        samples
            .iter()
            .all(|sample| sample.point == Point::Float(0.5))
    );
    let (selected, _) = run("requests_total / requests_total offset 1m");
    assert_eq!(selected, 4);
    let (_, answer) = run("rate(temperature[3m]) + rate(temperature[3m])");
    assert!(answer.infos[0].ends_with("(1:30)"), "{:?}", answer.infos);
}

#[test]
fn absence_has_the_labels_asked_for() {
    assert_eq!(
        instant("absent(nothing{a=\"1\", b=~\"x\", c!=\"y\"})", 0).unwrap(),
        [("{a=\"1\"}".to_owned(), 1.0)]
    );
    assert!(instant("absent(gone)", 0).unwrap().is_empty());
    assert_eq!(
        instant("absent_over_time(gone{a=\"1\"}[1m])", 10 * MINUTE).unwrap(),
        [("{a=\"1\"}".to_owned(), 1.0)]
    );
}

#[test]
fn a_range_query_equals_instant_queries_at_each_step() {
    let times = RangeTimes {
        start_ms: 0,
        end_ms: 12 * MINUTE,
        step_ms: 37_000,
    };
    for text in [
        "requests_total",
        "temperature",
        "gone",
        "temperature offset 90s",
        "temperature @ 120",
        "rate(requests_total[2m])",
        "increase(requests_total[1m] offset 1m)",
        "irate(requests_total[1m])",
        "delta(temperature[5m])",
        "deriv(temperature[5m])",
        "predict_linear(temperature[5m], 60)",
        "avg_over_time(temperature[3m])",
        "stddev_over_time(requests_total[3m])",
        "quantile_over_time(0.3, requests_total[3m])",
        "mad_over_time(requests_total[3m])",
        "max_over_time(rate(requests_total[1m])[5m:30s])",
        "sum_over_time(temperature[5m:1m] @ 200)",
        "changes(temperature[4m])",
        "resets(temperature[4m])",
        "absent(gone)",
        "absent_over_time(gone[2m])",
        "clamp(temperature, 20, time() / 10)",
        "round(temperature, 0.3)",
        "timestamp(requests_total)",
        "scalar(temperature) + vector(time())",
        "minute()",
        "-temperature",
        "sum(requests_total)",
        "requests_total / on(instance) requests_total",
        "requests_total and on() (temperature > 20)",
        "rate(requests_total[2m] smoothed)",
        "increase(requests_total[2m] anchored)",
        "temperature smoothed",
    ] {
        let answer = range(text, times).unwrap();
        let Value::Matrix(matrix) = answer.value else {
            panic!("{text} gave no matrix");
        };
        let steps = Steps::new(times.start_ms, times.end_ms, times.step_ms);
        for at_ms in steps.iter() {
            let expected: Vec<(String, u64)> = matrix
                .iter()
                .filter_map(|series| {
                    let found = series.floats.iter().find(|(time, _)| *time == at_ms)?;
                    Some((series.labels.to_string(), found.1.to_bits()))
                })
                .collect();
            let got: Vec<(String, u64)> = instant(text, at_ms)
                .unwrap()
                .into_iter()
                .map(|(labels, value)| (labels, value.to_bits()))
                .collect();
            let got = if got.iter().any(|(labels, _)| labels.is_empty()) {
                vec![("{}".to_owned(), got[0].1)]
            } else {
                got
            };
            assert_eq!(got, expected, "{text} at {at_ms} ms");
        }
    }
}

#[test]
fn deep_nesting_is_refused_or_evaluated_but_never_overflows_the_stack() {
    // Frames of unoptimized code are several times larger than those that are shipped.
    let thread = std::thread::Builder::new().stack_size(8 << 20);
    let nest = || {
        for (open, close) in [
            ("(", ")"),
            ("-", ""),
            ("abs(", ")"),
            ("sum(", ")"),
            ("1 + (", ")"),
            ("1 + ", ""),
            ("2 ^ ", ""),
            ("max_over_time((", ")[1m:1m])"),
        ] {
            for depth in [10, 100, 250, 100_000] {
                let text = format!("{}gone{}", open.repeat(depth), close.repeat(depth));
                let answer = instant(&text, 0);
                assert!(depth > 10 || answer.is_ok(), "{text}: {answer:?}");
                assert!(depth < 1000 || answer.is_err(), "{open} {depth} times");
            }
        }
    };
    thread
        .spawn(nest)
        .expect("a thread starts")
        .join()
        .expect("every nesting was answered");
}

#[test]
fn inner_steps_of_subqueries_count_before_they_take_memory() {
    let engine = Engine::new(EngineOptions {
        samples_max: 1000,
        ..EngineOptions::default()
    });
    let run = |text| engine.instant(&source(), text, 60 * MINUTE, &QueryOptions::default());
    for (text, peak) in [
        ("max_over_time(temperature[900s:1s])", 900..=905),
        ("max_over_time(vector(1)[900s:1s])", 900..=905),
        ("max_over_time(vector(time())[400s:1s])", 800..=805),
        ("sum_over_time((vector(1) * time())[300s:1s])", 600..=605),
        ("count_over_time(absent(none)[400s:1s])", 800..=805),
        ("max_over_time(minute()[400s:1s])", 800..=805),
    ] {
        let got = run(text).unwrap().stats.peak_samples;
        assert!(peak.contains(&got), "{text}: {got}");
    }
    for text in [
        "max_over_time(temperature[1001s:1s])",
        "max_over_time(vector(time())[600s:1s])",
        "sum_over_time((vector(1) * time())[600s:1s])",
        "sum_over_time(vector(1 + (1 + time()))[300s:1s])",
        "count_over_time(absent(none)[600s:1s])",
        "max_over_time(minute()[600s:1s])",
        "sum_over_time(quantile(0.5, {__name__=~\".+\"})[240s:1s] offset 50m)",
        "histogram_quantiles(temperature, \"q\", time())",
    ] {
        let times = RangeTimes {
            start_ms: 0,
            end_ms: 40 * 1000,
            step_ms: 1000,
        };
        let error = if text.starts_with("histogram") {
            let options = QueryOptions::default();
            engine.range(&source(), text, times, &options).unwrap_err()
        } else {
            run(text).unwrap_err()
        };
        assert_eq!(
            error.to_string(),
            "query processing would load too many samples into memory in query execution",
            "{text}"
        );
    }
}

#[test]
fn each_step_counts_the_samples_it_shows() {
    let times = RangeTimes {
        start_ms: 0,
        end_ms: 4 * MINUTE,
        step_ms: MINUTE,
    };
    for (text, seen) in [
        ("requests_total", 10),
        ("sum(requests_total)", 10),
        // One sample in the first window, four in each of the others.
        ("rate(requests_total[1m])", 34),
        ("count_over_time(requests_total[1m])", 34),
        ("requests_total @ 0", 10),
        // Windows of a subquery count, what it selects does not.
        ("max_over_time(requests_total[2m:1m])", 18),
        ("vector(1)", 0),
    ] {
        let stats = range(text, times).unwrap().stats;
        assert_eq!(stats.seen_samples, seen, "{text}");
    }
    let engine = Engine::default();
    let options = QueryOptions::default();
    let window = engine.instant(&source(), "temperature[2m]", 4 * MINUTE, &options);
    assert_eq!(window.unwrap().stats.seen_samples, 2);
}
