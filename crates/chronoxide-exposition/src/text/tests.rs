use super::*;

const NOW: i64 = 1_700_000_000_000;

fn read(dialect: Dialect, text: &str) -> Result<WriteBatch<'static>> {
    let mut batch = WriteBatch::new();
    let mut reader = TextReader::new(dialect, NOW);
    for line in text.lines() {
        reader.read_line(line.as_bytes(), &mut batch)?;
    }
    reader.finish(&mut batch);
    Ok(batch)
}

fn samples(batch: &WriteBatch<'_>) -> Vec<(String, i64, f64)> {
    batch
        .series()
        .map(|series| {
            let sample = series.samples[0];
            (
                series.key.decode().unwrap().to_string(),
                sample.timestamp_ms,
                sample.value,
            )
        })
        .collect()
}

#[test]
fn samples_have_names_labels_values_and_times() {
    let text = "up 1\n\
                up{} 2 5\n\
                \tup { job = \"a\" , } 3e3 -7 \n\
                a:b{x=\"q\\\"\\\\\\n\\d\",empty=\"\"} -Inf 1700000000123\n";
    assert_eq!(
        samples(&read(Dialect::Prometheus, text).unwrap()),
        [
            ("up".to_owned(), NOW, 1.0),
            ("up".to_owned(), 5, 2.0),
            ("up{job=\"a\"}".to_owned(), -7, 3000.0),
            (
                "a:b{x=\"q\\\"\\\\\\n\\\\d\"}".to_owned(),
                1_700_000_000_123,
                f64::NEG_INFINITY
            ),
        ]
    );
}

#[test]
fn names_beyond_the_classic_alphabet_stand_in_quotes() {
    let text = "{\"http.requests\",\"status.code\"=\"200\",a=\"b\"} 1\n{\"x y\"} 2";
    let found = samples(&read(Dialect::Prometheus, text).unwrap());
    let labels: Vec<_> = found.iter().map(|(labels, ..)| labels.as_str()).collect();
    assert_eq!(
        labels,
        [
            "{\"http.requests\", a=\"b\", \"status.code\"=\"200\"}",
            "{\"x y\"}"
        ]
    );
}

#[test]
fn open_metrics_has_seconds_exemplars_and_an_end() {
    let text = "# TYPE foo histogram\n\
                # UNIT foo seconds\n\
                # HELP foo Says \\\"hello\\\"\\nand\\\\.\n\
                foo_bucket{le=\"0.1\"} 8 1700000000.5 # {trace_id=\"abc\"} 0.067 1699999999.25\n\
                foo_bucket{le=\"+Inf\"} 9 # {} 3\n\
                foo_created 1.5\n\
                # EOF\n";
    let batch = read(Dialect::OpenMetrics, text).unwrap();
    let found = samples(&batch);
    assert_eq!(found[0].1, 1_700_000_000_500);
    let exemplars: Vec<_> = batch.series().map(|series| series.exemplars).collect();
    assert_eq!(
        exemplars[0],
        [Exemplar {
            labels: Labels::from_pairs([("trace_id", "abc")]).unwrap(),
            timestamp_ms: 1_699_999_999_250,
            value: 0.067,
        }]
    );
    assert_eq!(exemplars[1][0].timestamp_ms, NOW);
    assert!(exemplars[2].is_empty());
    let metadata = Metadata {
        metric_type: MetricType::Histogram,
        help: "Says \"hello\"\nand\\.".to_owned(),
        unit: "seconds".to_owned(),
    };
    assert_eq!(batch.metadata(), [("foo".to_owned(), metadata)]);
    assert_eq!(
        read(Dialect::OpenMetrics, "# EOF\nup 1").unwrap_err(),
        Error::AfterEnd
    );
    // The other format knows no end.
    assert!(read(Dialect::Prometheus, "# EOF\nup 1").is_ok());
}

#[test]
fn each_metric_is_described_once_for_all_its_comments() {
    let text =
        "# HELP a First.\n# TYPE a counter\na 1\n# TYPE b gauge\n# TYPE c untyped\n# a comment\n#";
    let batch = read(Dialect::Prometheus, text).unwrap();
    let found: Vec<_> = batch
        .metadata()
        .iter()
        .map(|(name, metadata)| (name.as_str(), metadata.metric_type, metadata.help.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("a", MetricType::Counter, "First."),
            ("b", MetricType::Gauge, ""),
            ("c", MetricType::Unknown, ""),
        ]
    );
}

#[test]
fn extra_labels_replace_those_of_the_text() {
    let extra = vec![("job".to_owned(), "import".to_owned())];
    let mut reader = TextReader::new(Dialect::Prometheus, NOW).with_labels(extra);
    let mut batch = WriteBatch::new();
    reader
        .read_line(b"up{job=\"a\",x=\"y\"} 1", &mut batch)
        .unwrap();
    assert_eq!(samples(&batch)[0].0, "up{job=\"import\", x=\"y\"}");
}

#[test]
fn wrong_lines_are_told_with_the_column() {
    for (text, expected) in [
        ("1up 1", "column 1: expected a metric name, found \"1up 1\""),
        ("up", "column 3: expected a number, found \"\""),
        ("up one", "column 4: expected a number, found \"one\""),
        (
            "up 1 2 3",
            "column 8: expected the end of the line, found \"3\"",
        ),
        (
            "up 1 1.5",
            "column 6: expected a time in whole milliseconds",
        ),
        (
            "up 1 99999999999999999999",
            "time \"99999999999999999999\" is out of range",
        ),
        ("up{a} 1", "column 5: expected an equals sign"),
        ("up{a=b} 1", "column 6: expected a label value in quotes"),
        ("up{a=\"b} 1", "column 11: expected a closing quote"),
        ("up{a=\"b\\", "column 9: expected a closing quote"),
        (
            "up{a=\"b\" c=\"d\"} 1",
            "column 10: expected a comma or a closing brace",
        ),
        (
            "up{a=\"b\",a=\"c\"} 1",
            "label name \"a\" is given more than once",
        ),
        (
            "up{,} 1",
            "column 4: expected a label name or a closing brace",
        ),
        (
            "{a=\"b\"} 1",
            "column 8: expected a metric name before the labels",
        ),
        (
            "up{\"down\"} 1",
            "label name \"__name__\" is given more than once",
        ),
        ("{\"\"} 1", "column 4: expected an equals sign"),
        ("# TYPE up what", "column 11: expected a metric type"),
        (
            "# TYPE up gauge x",
            "column 17: expected the end of the line",
        ),
        ("# TYPE", "expected a metric name"),
        (
            "up 1 # trace",
            "expected the labels of an exemplar in braces",
        ),
        ("up 1 # {\"a\"} 1", "expected an equals sign"),
        ("up 1 # {a=\"b\"} 1 soon", "expected a time in seconds"),
        ("up 1 # {a=\"b\"} 1 2 3", "expected the end of the line"),
    ] {
        let error = read(Dialect::Prometheus, text).map(|batch| samples(&batch));
        let error = error.expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let mut reader = TextReader::new(Dialect::Prometheus, NOW);
    let error = reader.read_line(b"up \xff", &mut WriteBatch::new());
    assert_eq!(error, Err(Error::Utf8 { offset: 3 }));
}

#[test]
fn a_wrong_line_leaves_the_batch_as_it_was() {
    let mut reader = TextReader::new(Dialect::Prometheus, NOW);
    let mut batch = WriteBatch::new();
    for line in ["up 1 # {a=\"b\",a=\"c\"} 1", "up 1 2 3", "up{a=\"\\"] {
        assert!(reader.read_line(line.as_bytes(), &mut batch).is_err());
        assert!(batch.is_empty(), "{line}");
    }
}
