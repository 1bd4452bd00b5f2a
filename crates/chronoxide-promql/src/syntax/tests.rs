use super::mirror::Mirror;
use super::reread::check_printed;
use super::second_reading::{Verdict, second_reading};
use super::*;

pub(super) fn read(text: &str) -> Result<Expr, Error> {
    parse(text, Features::ALL)
}

pub(super) fn verdict(text: &str) -> (Verdict, String) {
    let mut parser = parser(text, Features::ALL).unwrap();
    let expr = parser.whole().unwrap();
    let mirror = parser.into_mirror();
    (second_reading(&expr, &mirror), mirror.text().to_owned())
}

#[test]
fn mistakes_are_named_at_their_place() {
    for (text, message) in [
        ("", "1:1: parse error: no expression found in input"),
        (
            "# nothing\n\n",
            "1:1: parse error: no expression found in input",
        ),
        ("1+", "1:3: parse error: unexpected end of input"),
        ("*1", "1:1: parse error: unexpected <op:*>"),
        ("(1))", "1:5: parse error: unexpected right parenthesis ')'"),
        ("((1)", "1:5: parse error: unclosed left parenthesis"),
        ("1 2", "1:3: parse error: unexpected number \"2\""),
        ("foo bar", "1:5: parse error: unexpected identifier \"bar\""),
        (
            "sum(foo bar)",
            "1:9: parse error: unexpected identifier \"bar\" in aggregation",
        ),
        (
            "sum by (a) foo",
            "1:12: parse error: unexpected identifier \"foo\" in aggregation",
        ),
        (
            "sum by foo",
            "1:8: parse error: unexpected identifier \"foo\" in grouping opts, expected \"(\"",
        ),
        (
            "sum by (a b) (x)",
            "1:11: parse error: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\"",
        ),
        (
            "sum by (5) (x)",
            "1:9: parse error: unexpected number \"5\" in grouping opts, expected label",
        ),
        (
            "sum by (\"\") (x)",
            "1:9: parse error: invalid label name for grouping: \"\"",
        ),
        (
            "sum()",
            "1:1: parse error: no arguments for aggregate expression provided",
        ),
        (
            "topk(x)",
            "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1",
        ),
        (
            "sum(x, y)",
            "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 1, got 2",
        ),
        (
            "nope(x)",
            "1:1: parse error: unknown function with name \"nope\"",
        ),
        (
            "rate()",
            "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 0",
        ),
        (
            "round()",
            "1:1: parse error: expected at least 1 argument(s) in call to \"round\", got 0",
        ),
        (
            "hour(x, y)",
            "1:1: parse error: expected at most 1 argument(s) in call to \"hour\", got 2",
        ),
        (
            "rate(foo)",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
        ),
        (
            "abs(1)",
            "1:5: parse error: expected type instant vector in call to function \"abs\", got scalar",
        ),
        (
            "rate(foo[5m],)",
            "1:13: parse error: trailing commas not allowed in function call args",
        ),
        (
            "{}",
            "1:1: parse error: vector selector must contain at least one non-empty matcher",
        ),
        (
            "{a=~\".*\"}",
            "1:1: parse error: vector selector must contain at least one non-empty matcher",
        ),
        (
            "foo{__name__=\"bar\"}",
            "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\"",
        ),
        (
            "foo{a}",
            "1:6: parse error: unexpected \"}\" in label matching, expected label matching operator",
        ),
        (
            "foo{a=b}",
            "1:7: parse error: unexpected identifier \"b\" in label matching, expected string",
        ),
        (
            "foo{a=5}",
            "1:7: parse error: unexpected character inside braces: '5'",
        ),
        (
            "foo{,}",
            "1:5: parse error: unexpected \",\" in label matching, expected identifier or \"}\"",
        ),
        (
            "foo{a=\"b\" or c=\"d\"}",
            "1:11: parse error: unexpected identifier \"or\" in label matching, expected \",\" or \"}\"",
        ),
        (
            "foo[]",
            "1:5: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()",
        ),
        ("foo[5m", "1:7: parse error: unclosed left bracket"),
        (
            "foo[0]",
            "1:5: parse error: duration must be greater than 0",
        ),
        (
            "foo[5m:0]",
            "1:8: parse error: duration must be greater than 0",
        ),
        (
            "foo[-5m]",
            "1:5: parse error: duration must be greater than 0",
        ),
        ("foo[1e30]", "1:5: parse error: duration out of range"),
        ("foo[293y]", "1:5: parse error: duration out of range"),
        (
            "foo[5hs]",
            "1:5: parse error: unknown unit \"hs\" in duration \"5hs\"",
        ),
        (
            "1[5m]",
            "1:2: parse error: ranges only allowed for vector selectors",
        ),
        (
            "foo[5m][5m]",
            "1:8: parse error: ranges only allowed for vector selectors",
        ),
        (
            "foo offset 1m[5m]",
            "1:14: parse error: no offset modifiers allowed before range",
        ),
        (
            "foo @ 5[5m]",
            "1:8: parse error: no @ modifiers allowed before range",
        ),
        (
            "foo offset",
            "1:11: parse error: unexpected end of input in offset, expected number, duration, step(), or range()",
        ),
        (
            "foo offset 1m offset 2m",
            "1:1: parse error: offset may not be set multiple times",
        ),
        (
            "foo @ 1 @ 2",
            "1:1: parse error: @ <timestamp> may not be set multiple times",
        ),
        (
            "foo @",
            "1:6: parse error: unexpected end of input in @, expected timestamp",
        ),
        (
            "foo @ Inf",
            "1:1: parse error: timestamp out of bounds for @ modifier: +Inf",
        ),
        (
            "1 offset 5m",
            "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        ),
        (
            "(foo + bar) @ 5",
            "1:1: parse error: @ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        ),
        (
            "1 == 1",
            "1:3: parse error: comparisons between scalars must use BOOL modifier",
        ),
        (
            "a + bool b",
            "1:3: parse error: bool modifier can only be used on comparison operators",
        ),
        (
            "1 and a",
            "1:1: parse error: set operator \"and\" not allowed in binary scalar expression",
        ),
        (
            "a and on(x) group_left() b",
            "1:1: parse error: no grouping allowed for \"and\" operation",
        ),
        (
            "a and fill(0) b",
            "1:1: parse error: filling in missing series not allowed for set operators",
        ),
        (
            "a + on(x) 1",
            "1:1: parse error: vector matching only allowed between instant vectors",
        ),
        (
            "a * on(x) group_left(x) b",
            "1:3: parse error: label \"x\" must not occur in ON and GROUP clause at once",
        ),
        (
            "a + group_left(x) b",
            "1:5: parse error: unexpected <group_left>",
        ),
        (
            "a + on(x) ignoring(y) b",
            "1:11: parse error: unexpected <ignoring>",
        ),
        (
            "a[5m] + b",
            "1:1: parse error: binary expression must contain only scalar and instant vector types",
        ),
        (
            "-a[5m]",
            "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got \"range vector\"",
        ),
        (
            "1[5m:]",
            "1:1: parse error: subquery is only allowed on instant vector, got scalar instead",
        ),
        (
            "limitk(\"a\", x)",
            "1:8: parse error: expected type scalar in aggregation parameter, got string",
        ),
        (
            "count_values(1, x)",
            "1:14: parse error: expected type string in aggregation parameter, got scalar",
        ),
        (
            "info(a, b)",
            "1:9: parse error: expected label selectors only, got vector selector instead",
        ),
        (
            "info(a, {b=\"c\"} offset 5m + 1)",
            "1:9: parse error: expected label selectors only",
        ),
        (
            "1e400",
            "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e400\": value out of range",
        ),
        (
            "\n  foo bar",
            "2:7: parse error: unexpected identifier \"bar\"",
        ),
        (
            "foo{a=\"\\xff\"}",
            "1:7: parse error: label name or value is not valid UTF-8: \"\\xff\"",
        ),
        (
            "foo[5m] anchored smoothed",
            "1:1: parse error: anchored and smoothed modifiers cannot be used together",
        ),
        (
            "foo[5m:] anchored",
            "1:1: parse error: anchored modifier is not supported for subqueries",
        ),
        ("foo[5m/0]", "1:7: parse error: division by zero"),
    ] {
        let error = read(text).expect_err(text);
        assert_eq!(error.to_string(), message, "{text}");
    }
}

#[test]
fn features_that_are_off_are_refused() {
    for (text, message) in [
        (
            "info(x)",
            "1:1: parse error: function \"info\" is not enabled",
        ),
        (
            "limitk(1, x)",
            "1:1: parse error: limitk() is experimental and must be enabled with --promql.enable=experimental-functions",
        ),
        (
            "x[5m*2]",
            "1:3: parse error: experimental duration expression is not enabled",
        ),
        (
            "x offset step()",
            "1:10: parse error: experimental duration expression is not enabled",
        ),
        (
            "x[5m] anchored",
            "1:1: parse error: anchored modifier is experimental and not enabled",
        ),
        (
            "a + fill(0) b",
            "1:1: parse error: binop fill modifiers are experimental and not enabled",
        ),
    ] {
        assert!(read(text).is_ok(), "{text}");
        let error = parse(text, Features::STABLE).expect_err(text);
        assert_eq!(error.to_string(), message, "{text}");
    }
}

/// Texts that promql-parser refuses, misreads or panics at, and some that it reads right.
const FINE: &[&str] = &[
    "foo{a=~`\\d+`}",
    "1_000",
    "0x1F + 010",
    "foo[.5]",
    "foo[300]",
    "sum by (a:b, \"x y\", sum, on,) (foo)",
    "sum(foo) without ()",
    "foo offset 0",
    "foo offset -5m",
    "foo offset -(5)",
    "foo offset (1m + 2m)",
    "foo offset -2^2",
    "foo offset 2 * 3",
    "foo offset step() * 2",
    "foo[max_of(step() * 2, 1m)] @ end() offset min_of(range(), 5m)",
    "foo[5m*2:step()+1s]",
    "foo[-(-5m)]",
    "a </ 5 + b >/ 3",
    "h </ on (x) group_left () k",
    "anchored{job=\"x\"}",
    "sum by (anchored, smoothed) (rate(foo[5m] anchored @ 5 offset 1m))",
    "rate(foo[5m] smoothed)",
    "rate(foo anchored[5m])",
    "fill + fill{a=\"b\"}",
    "a + fill(0) b - on (x) group_right (y) fill_left(-1) fill_right(1m) c",
    "info(x, {a=~\".*\"})",
    "{\"metric name\", \"label name\"=\"x\"}",
    "{'it\\'s'}",
    "foo{a=~`\\Qa.b\\E`, b=~\"{{x}}\"}",
    "-1 ^ 2 + - -foo ^ -2 ^ 3",
    "+foo - +5",
    "a or b and c unless d == bool e + f * g ^ h atan2 i",
    "1 > bool 2",
    "start() + end() + step() + range() + max_of(1, min_of(2, 3))",
    "start + end + offset + by",
    "sum - avg",
    "count_values(\"x\", foo) by (job)",
    "label_replace(foo, \"a\", \"$1\", \"b\", \"(.*)\")",
    "((((foo))))[5m:]",
    "foo # comment (\n + bar",
    "NaN + inf * -Inf",
    "time() - timestamp(foo @ start())",
    "histogram_quantile(0.9, sum by (le) (rate(foo_bucket[5m])))",
    "5m + foo",
];

#[test]
fn texts_that_promql_parser_does_not_take_are_read() {
    for text in FINE {
        if let Err(error) = read(text) {
            panic!("{text}: {error}");
        }
    }
}

#[test]
fn both_readers_see_one_shape() {
    for text in FINE {
        let (verdict, mirror) = verdict(text);
        assert_eq!(verdict, Verdict::Agrees, "{text} -> {mirror}");
    }
}

#[test]
fn another_shape_is_noticed() {
    for (text, other) in [
        ("a + b * c", "(a + b) * c"),
        ("a + b * c", "a * b + c"),
        ("a ^ b ^ c", "a - b - c"),
        ("-a ^ b", "a ^ -b"),
        ("sum by (a) (b)", "sum without (a) (b)"),
        ("abs(a)", "ceil(a)"),
        ("a + on (x) b", "a + ignoring (x) b"),
        (
            "a + on (x) group_left (y) b",
            "a + on (x) group_right (y) b",
        ),
        ("topk(1, a)", "bottomk(1, a)"),
        ("a[5m:]", "a[5m]"),
    ] {
        let expr = read(text).unwrap();
        let mut parser = parser(other, Features::ALL).unwrap();
        parser.whole().unwrap();
        assert_eq!(
            second_reading(&expr, &parser.into_mirror()),
            Verdict::Differs,
            "{text} {other}"
        );
    }
    let mut refused = Mirror::default();
    refused.push("v1 +");
    assert_eq!(
        second_reading(&read("a").unwrap(), &refused),
        Verdict::NoOpinion
    );
}

#[test]
fn what_is_printed_reads_the_same() {
    for text in FINE {
        check_printed(text);
    }
}

#[test]
fn queries_are_printed_as_prometheus_does() {
    for (text, printed) in [
        ("sum(foo)by(a)", "sum by (a) (foo)"),
        ("sum by()(foo)", "sum(foo)"),
        ("sum without()(foo)", "sum without () (foo)"),
        ("foo{b='1',a=~`x\\d`}", "foo{a=~\"x\\\\d\",b=\"1\"}"),
        ("foo[300]offset 60@5", "foo[5m] @ 5.000 offset 1m"),
        ("{\"foo\"}", "{__name__=\"foo\"}"),
        (
            "a+bool on(x)group_left b",
            "a + bool on (x) group_left () b",
        ),
        ("foo[1h30m:10]", "foo[1h30m:10s]"),
        ("foo[1001ms:1003ms]", "foo[1s1ms:1s3ms]"),
        ("foo offset 2002ms", "foo offset 2s2ms"),
        ("1e3+0x10", "1000 + 16"),
        ("a+fill(1)b", "a + fill (1) b"),
    ] {
        let mut parser = parser(text, Features::ALL).unwrap();
        assert_eq!(parser.whole().unwrap().to_string(), printed, "{text}");
    }
    let long = format!("sum by (a) (rate({}[5m]))", "x".repeat(100));
    let lines = format!("sum by (a) (\n  rate(\n    {}[5m]\n  )\n)", "x".repeat(100));
    assert_eq!(read(&long).unwrap().pretty(), lines);
}

#[test]
fn positions_are_those_of_the_text() {
    let text = "sum ( rate(foo[5m] offset 1m) ) + (bar)";
    let expr = read(text).unwrap();
    let ExprKind::Binary(binary) = &expr.kind else {
        panic!("{expr:?}");
    };
    let of = |expr: &Expr| &text[expr.position.start..expr.position.end];
    assert_eq!(of(&expr), text);
    assert_eq!(of(&binary.left), "sum ( rate(foo[5m] offset 1m) )");
    assert_eq!(of(&binary.right), "(bar)");
    let rate = binary.left.children()[0];
    assert_eq!(of(rate), "rate(foo[5m] offset 1m)");
    assert_eq!(of(rate.children()[0]), "foo[5m] offset 1m");
}

#[test]
fn deep_and_long_texts_are_refused() {
    let deep = |open: &str, close: &str, times: usize| {
        format!("{}x{}", open.repeat(times), close.repeat(times))
    };
    for text in [
        deep("(", ")", 100_000),
        deep("abs(", ")", 100_000),
        deep("-", "", 100_000),
        deep("", "[5m:]", 100_000),
        deep("x + ", "", 100_000),
        deep("x ^ ", "", 100_000),
        deep("sum(x + ", ")", 50_000),
        format!("x[{}1]", "1+".repeat(100_000)),
        format!("x[{}1{}]", "(".repeat(100_000), ")".repeat(100_000)),
        format!("x[{}1]", "-".repeat(100_000)),
    ] {
        let error = read(&text).expect_err("too deep");
        let Error::Parse { message, .. } = error else {
            panic!("{error:?}");
        };
        assert!(
            message.contains("more than 100") || message.contains("more than 200"),
            "{message}"
        );
    }
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    assert!(
        read(&long)
            .unwrap_err()
            .to_string()
            .contains("more than the 1048576 allowed")
    );
    assert!(read(&deep("(", ")", 95)).is_ok());
    assert!(read(&vec!["x"; 199].join(" or ")).is_ok());
    let wide = format!("label_join(x, {})", vec!["\"a\""; 50_000].join(","));
    assert!(read(&wide).is_ok());
}

#[test]
fn a_query_has_a_bounded_number_of_regular_expressions() {
    let many: Vec<String> = (0..300).map(|index| format!("a=~\"x{index}\"")).collect();
    let error = read(&format!("foo{{{}}}", many.join(","))).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("more than 256 different regular expressions"),
        "{error}"
    );
    let heavy: Vec<String> = (10..60)
        .map(|count| format!("a=~\"\\\\pL{{{count}}}\""))
        .collect();
    let error = read(&format!("foo{{{}}}", heavy.join(","))).unwrap_err();
    assert!(error.to_string().contains("are too large"), "{error}");
    let same = vec!["a=~\"x.*\""; 1000].join(",");
    assert!(read(&format!("foo{{{same}}}")).is_ok());
}
