use proptest::prelude::*;

use super::reread::check_printed;
use super::second_reading::Verdict;
use super::tests::{read, verdict};

/// Pieces that texts in the proptest below are made of.
fn piece() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "foo",
        "sum",
        "by",
        "without",
        "on",
        "ignoring",
        "group_left",
        "group_right",
        "fill",
        "fill_left",
        "bool",
        "offset",
        "anchored",
        "smoothed",
        "start",
        "end",
        "step",
        "range",
        "max_of",
        "and",
        "or",
        "unless",
        "atan2",
        "rate",
        "abs",
        "info",
        "inf",
        "nan",
        "count_values",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "=",
        "==",
        "!=",
        "=~",
        "!~",
        "<",
        "</",
        ">/",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "^",
        "@",
        "1",
        "5m",
        ".5",
        "1e30",
        "0x1f",
        "1_0",
        "\"s\"",
        "'s'",
        "`s`",
        "\"\\xff\"",
        "#",
        "\n",
        " ",
        "5y1h",
        "é",
        "\"",
        "\\",
        "$",
        "a:b",
        "{a=\"b\"}",
        "[5m]",
        "[5m:1m]",
        "offset 5m",
        "@ 5",
        "(foo)",
        "foo[5m]",
    ]);
    words.prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20_261_121),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_text_panics(pieces in prop::collection::vec(piece(), 0..24), spaced: bool) {
        let text = pieces.join(if spaced { " " } else { "" });
        if read(&text).is_ok() {
            check_printed(&text);
        }
    }

    #[test]
    fn no_characters_panic(text in "\\PC{0,40}") {
        let _ = read(&text);
    }

    #[test]
    fn both_readers_agree_on_random_queries(text in query(4)) {
        let expr = read(&text);
        prop_assert!(expr.is_ok(), "{text:?}: {:?}", expr.err());
        let (verdict, mirror) = verdict(&text);
        prop_assert_eq!(verdict, Verdict::Agrees, "{} -> {}", text, mirror);
        check_printed(&text);
    }
}

/// Well-formed instant vector queries.
fn query(levels: u32) -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "foo",
        "foo{a=\"b\"}",
        "{a!=``}",
        "foo @ 5 offset -1m",
        "sum",
        "start",
        "vector(5m)",
        "rate(foo[5m*2] anchored)",
        "vector(time())",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(levels, 64, 3, |inner| {
        let op = prop::sample::select(vec![
            "+",
            "-",
            "*",
            "/",
            "%",
            "^",
            "atan2",
            "==",
            "!= bool",
            "<",
            "</",
            ">/",
            ">= on (a)",
            "and",
            "or",
            "unless",
            "- ignoring (a, b) group_left ()",
            "* on (a) group_right (b) fill (0)",
            "and on ()",
        ]);
        let call = prop::sample::select(vec![
            ("abs(", ")"),
            ("(", ")"),
            ("-", ""),
            ("+", ""),
            ("sum by (a) (", ")"),
            ("topk(1 + 1, ", ") without (b,)"),
            ("max_over_time((", ")[5m:1m] offset 3m)"),
            ("clamp(", ", 1, 2 ^ 3)"),
            ("label_join(", ", \"a\", `b`)"),
        ]);
        prop_oneof![
            (inner.clone(), op, inner.clone())
                .prop_map(|(left, op, right)| format!("{left} {op} {right}")),
            (call, inner).prop_map(|((before, after), inner)| format!("{before}{inner}{after}")),
        ]
    })
}
