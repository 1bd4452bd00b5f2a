use super::*;
use crate::plan::Expr as Plan;

fn plan(text: &str) -> Node {
    let options = LowerOptions::range(1_000_000, 1_600_000, 15_000);
    lower(text, &options).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn window_ms(text: &str) -> i64 {
    match plan(text).expr {
        Plan::Range { window_ms, .. } => window_ms,
        other => panic!("{text}: {other:?}"),
    }
}

fn offset_ms(text: &str) -> i64 {
    match plan(text).expr {
        Plan::Vector(selector) => selector.offset_ms,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn windows_are_milliseconds() {
    for (text, ms) in [
        ("x[5m]", 300_000),
        ("x[.5]", 500),
        ("x[1h30m]", 5_400_000),
        ("x[5m*2]", 600_000),
        ("x[2^3]", 8_000),
        ("x[step()+1m]", 75_000),
        ("x[range()]", 600_000),
        ("x[range()/4 % 70s]", 10_000),
        ("x[max_of(step(), 1m)]", 60_000),
        ("x[min_of(step(), 1m)]", 15_000),
        ("x[-(-5m)]", 300_000),
        ("x[1h - 30m - 10m]", 1_200_000),
    ] {
        assert_eq!(window_ms(text), ms, "{text}");
    }
}

#[test]
fn offsets_are_milliseconds() {
    for (text, ms) in [
        ("x", 0),
        ("x offset 0", 0),
        ("x offset 5m", 300_000),
        ("x offset -5m", -300_000),
        ("x offset (1m+2m)", 180_000),
        ("x offset -(5)", -5_000),
        ("x offset -step()", -15_000),
        ("x offset (2^2)", 4_000),
    ] {
        assert_eq!(offset_ms(text), ms, "{text}");
    }
    // A bare literal ends the offset.
    assert!(matches!(plan("x offset -2^2").expr, Plan::Binary(_)));
}

#[test]
fn durations_that_come_out_wrong_are_refused() {
    let options = LowerOptions::instant(0);
    for (text, message) in [
        (
            "x[step()]",
            "1:3: parse error: duration must be greater than 0",
        ),
        (
            "x[1m-2m]",
            "1:3: parse error: duration must be greater than 0",
        ),
        (
            "x[0.0001]",
            "1:3: parse error: duration must be greater than 0",
        ),
        ("x[5m/step()]", "1:3: parse error: division by zero"),
        ("x[5m%step()]", "1:3: parse error: modulo by zero"),
        ("x[2^100]", "1:3: parse error: duration is out of range"),
        (
            "x[9^9^9^9]",
            "1:3: parse error: duration is NaN or infinite",
        ),
        (
            "x[5m:range()]",
            "1:6: parse error: duration must be greater than 0",
        ),
    ] {
        assert_eq!(
            lower(text, &options).expect_err(text).to_string(),
            message,
            "{text}"
        );
    }
}

#[test]
fn at_and_default_steps_become_times() {
    let Plan::Vector(selector) = plan("x @ end() offset 1s").expr else {
        panic!("a selector");
    };
    assert_eq!(
        (selector.at_ms, selector.offset_ms),
        (Some(1_600_000), 1_000)
    );
    let Plan::Subquery(subquery) = plan("x[5m:] @ start()").expr else {
        panic!("a subquery");
    };
    assert_eq!(
        (subquery.at_ms, subquery.step_ms, subquery.window_ms),
        (Some(1_000_000), 60_000, 300_000)
    );
    let Plan::Vector(selector) = plan("x @ -1.5").expr else {
        panic!("a selector");
    };
    assert_eq!(selector.at_ms, Some(-1_500));
}

#[test]
fn names_become_matchers() {
    for (text, matchers) in [
        (
            "up{job=\"a\"}",
            vec![Matcher::equal("__name__", "up"), Matcher::equal("job", "a")],
        ),
        ("{\"up\"}", vec![Matcher::equal("__name__", "up")]),
    ] {
        let Plan::Vector(selector) = plan(text).expr else {
            panic!("a selector");
        };
        assert_eq!(selector.matchers, matchers);
    }
}

#[test]
fn operators_get_their_matching() {
    let Plan::Binary(binary) = plan("a and b").expr else {
        panic!("an operator");
    };
    assert_eq!(binary.matching.cardinality, Cardinality::ManyToMany);
    assert_eq!(binary.matching.labels, Grouping::Without(Vec::new()));
    let Plan::Binary(binary) = plan("a / on (x) group_left (y) fill_right (0) b").expr else {
        panic!("an operator");
    };
    assert_eq!(binary.matching.cardinality, Cardinality::ManyToOne);
    assert_eq!(binary.matching.labels, Grouping::By(vec!["x".to_owned()]));
    assert_eq!(binary.matching.include, ["y"]);
    assert_eq!(
        (binary.matching.fill_left, binary.matching.fill_right),
        (None, Some(0.0))
    );
}

#[test]
fn signs_of_numbers_are_part_of_them() {
    assert_eq!(plan("-5").expr, Plan::Number(-5.0));
    assert_eq!(plan("--5m").expr, Plan::Number(300.0));
    assert!(matches!(plan("-(time())").expr, Plan::Negate(_)));
    assert!(matches!(plan("+(x)").expr, Plan::Vector(_)));
}

#[test]
fn strings_that_are_no_text_are_refused() {
    let options = LowerOptions::instant(0);
    let error = lower(r#"count_values("a\xc5z", x)"#, &options).unwrap_err();
    assert_eq!(error.to_string(), r#"invalid label name "a\xc5z""#);
    assert!(matches!(error, Error::Execution { .. }));
    let error = lower(r#"label_join(x, "\xff", "a")"#, &options).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(r#"string is not valid UTF-8: "\xff""#),
        "{error}"
    );
}

#[test]
fn selectors_are_read_alone_and_collected() {
    assert_eq!(
        parse_selector("up").unwrap(),
        [Matcher::equal("__name__", "up")]
    );
    assert_eq!(
        parse_selector("{job=~\"a.*\",\"up\"}").unwrap(),
        [
            Matcher::regex("job", "a.*").unwrap(),
            Matcher::equal("__name__", "up")
        ]
    );
    assert_eq!(parse_selector("{}").unwrap(), []);
    for text in ["", "up[5m]", "up offset 5m", "rate(up)", "1", "up up"] {
        assert!(parse_selector(text).is_err(), "{text}");
    }
    let selectors =
        selectors_of("sum(a) + max_over_time(rate(b[5m])[1h:]) * on (x) c{d=\"e\"}").unwrap();
    let names: Vec<&str> = selectors
        .iter()
        .map(|matchers| matchers[0].value())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
}
