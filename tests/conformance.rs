//! The tables in `tests/conformance/`: each row says a rule of a protocol and which tests show that it holds. Here it is
//! checked that these tests exist.
//!
//! A row is `| rule | tests |`. In the second column every text between backticks names a test by its function, with as
//! many modules before it as it takes to be clear: `` `remote_write::every_path_takes_version_1` ``. A rule that no test
//! can show has `none:` there and why; one that is not built, and says so, has `-`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that panics says what failed"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Functions that are tests, by name, with the modules (folders and files) each stands in.
type Tests = BTreeMap<String, Vec<Vec<String>>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files below `directory` whose name ends with `ending`.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "target" {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn tests() -> Tests {
    let root = root();
    let mut tests = Tests::new();
    for folder in ["crates", "tests"] {
        for path in files(&root.join(folder), ".rs") {
            let within = path.strip_prefix(&root).unwrap().with_extension("");
            let modules: Vec<String> = within
                .iter()
                .map(|part| part.to_str().unwrap().to_owned())
                .collect();
            for name in test_functions(&fs::read_to_string(&path).unwrap()) {
                tests.entry(name).or_default().push(modules.clone());
            }
        }
    }
    tests
}

/// Names of the functions below a line like `#[test]`.
fn test_functions(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        } else if is_test && !line.starts_with("//") {
            let function = line
                .split_once("fn ")
                .and_then(|(_, rest)| rest.split_once('('));
            names.extend(function.map(|(name, _)| name.to_owned()));
            is_test = false;
        }
    }
    names
}

/// The cells of a table's row; none for other lines and for the table's head.
fn row(line: &str) -> Option<(&str, &str)> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let (rule, shown) = inner.rsplit_once('|')?;
    let (rule, shown) = (rule.trim(), shown.trim());
    let is_head = shown.starts_with("---") || shown == "shown by";
    (!is_head).then_some((rule, shown))
}

/// What is wrong with the second cell of a row.
fn problem(shown: &str, tests: &Tests) -> Option<String> {
    if shown == "-" || shown.starts_with("none: ") {
        return None;
    }
    let named: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
    if named.is_empty() {
        return Some("names no test".to_owned());
    }
    let missing = named.iter().find(|name| {
        let mut path: Vec<&str> = name.split("::").collect();
        let function = path.pop().unwrap_or_default();
        let places = tests.get(function).map_or(&[][..], Vec::as_slice);
        !places.iter().any(|modules| {
            path.iter()
                .all(|part| modules.iter().any(|module| module == part))
        })
    });
    missing.map(|name| format!("names {name}, which is no test"))
}

#[test]
fn every_test_that_the_tables_name_exists() {
    let tests = tests();
    let mut problems = Vec::new();
    for path in files(&root().join("tests/conformance"), ".md") {
        let text = fs::read_to_string(&path).unwrap();
        let rows: Vec<(&str, &str)> = text.lines().filter_map(row).collect();
        assert!(!rows.is_empty(), "{} has no rows", path.display());
        for (rule, shown) in rows {
            let found = problem(shown, &tests);
            problems.extend(found.map(|found| format!("{}: {rule:?} {found}", path.display())));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn rows_and_test_functions_are_told_apart_from_other_lines() {
    assert_eq!(
        row("| RW-1 a \\| b | `x::y` |"),
        Some(("RW-1 a \\| b", "`x::y`"))
    );
    for line in [
        "text",
        "|---|---|",
        "| rule | shown by |",
        "| --- | --- |",
        "",
    ] {
        assert_eq!(row(line), None, "{line:?}");
    }
    let source = "#[test]\n// why\nfn one() {}\n    #[tokio::test]\n    async fn two() {}\nfn three() {}\n#[cfg(test)]\nfn no() {}";
    assert_eq!(test_functions(source), ["one", "two"]);
    let tests = Tests::from([("one".to_owned(), vec![vec!["crates".into(), "a".into()]])]);
    assert_eq!(problem("`a::one`, `one`", &tests), None);
    assert_eq!(problem("none: nobody can", &tests), None);
    assert!(
        problem("`b::one`", &tests)
            .unwrap()
            .contains("b::one, which is no test")
    );
    assert!(
        problem("`two` and `one`", &tests)
            .unwrap()
            .contains("names two,")
    );
    assert!(problem("one", &tests).unwrap().contains("names no test"));
}
