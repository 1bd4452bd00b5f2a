use super::*;
use crate::{Options, TranslationStrategy};

const NAMES: &str = include_str!("../../tests/vectors/names.tsv");
const LABELS: &str = include_str!("../../tests/vectors/labels.tsv");

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1)
        .map(|line| line.split('\t').collect())
}

#[test]
fn metric_names_are_those_of_the_vectors() {
    let mut checked = 0;
    for row in rows(NAMES) {
        let [_, name, unit, kind, expected @ .., metadata] = row.as_slice() else {
            panic!("a row is too short: {row:?}");
        };
        let kind = match *kind {
            "gauge" => NameKind::Gauge,
            "ctr" => NameKind::Counter,
            "updown" | "hist" | "exp" | "sum" => NameKind::Other,
            other => panic!("unknown type {other}"),
        };
        assert_eq!(expected.len(), TranslationStrategy::ALL.len());
        for (strategy, expected) in TranslationStrategy::ALL.into_iter().zip(expected) {
            // The table has an empty name where the rules leave one; such a metric is refused all the same.
            let expected = Some(*expected).filter(|text| !matches!(*text, "ERROR" | ""));
            let translated = metric_name(strategy, name, unit, kind);
            assert_eq!(
                translated.as_deref(),
                expected,
                "{name:?} in {unit:?} under {strategy:?}"
            );
            checked += 1;
        }
        assert_eq!(unit_words(unit), *metadata, "unit {unit:?}");
    }
    assert_eq!(checked, 67 * 4);
}

#[test]
fn label_names_are_those_of_the_vectors() {
    let variants = [
        (
            TranslationStrategy::UnderscoreEscapingWithSuffixes,
            true,
            true,
        ),
        (
            TranslationStrategy::UnderscoreEscapingWithSuffixes,
            false,
            false,
        ),
        (
            TranslationStrategy::UnderscoreEscapingWithSuffixes,
            true,
            false,
        ),
        (TranslationStrategy::NoTranslation, true, true),
    ];
    let mut checked = 0;
    for row in rows(LABELS) {
        let (key, expected) = (row[0], &row[1..]);
        assert_eq!(expected.len(), variants.len());
        for ((translation, key_before_underscore, keep_underscore_runs), expected) in
            variants.into_iter().zip(expected)
        {
            let options = Options {
                translation,
                key_before_underscore,
                keep_underscore_runs,
                ..Options::default()
            };
            let mut name = "before".to_owned();
            let named = LabelNamer::new(&options).write(key, &mut name);
            let expected = if *expected == "ERROR" {
                None
            } else {
                Some(*expected)
            };
            let name = name.strip_prefix("before").filter(|_| named);
            assert_eq!(name, expected, "{key:?} with {options:?}");
            checked += 1;
        }
    }
    assert_eq!(checked, 28 * 4);
}

#[test]
fn keys_of_points_stay_as_they_are_where_nothing_is_escaped() {
    let options = Options {
        translation: TranslationStrategy::NoTranslation,
        ..Options::default()
    };
    let namer = LabelNamer::new(&options);
    for (key, named) in [("_", true), ("http.method", true), ("", false)] {
        let mut name = String::new();
        assert_eq!(namer.write_point_key(key, &mut name), named);
        assert_eq!(name, key);
    }
}

#[test]
fn a_multibyte_character_before_a_suffix_is_cut_whole() {
    let strategy = TranslationStrategy::NoUtf8EscapingWithSuffixes;
    let name = metric_name(strategy, "aétotal", "", NameKind::Counter);
    assert_eq!(name.as_deref(), Some("a_total"));
}

#[test]
fn unit_labels_are_cleaned_only_where_names_are() {
    assert_eq!(label_unit("°F", true), "F");
    assert_eq!(label_unit("°F", false), "°F");
}
