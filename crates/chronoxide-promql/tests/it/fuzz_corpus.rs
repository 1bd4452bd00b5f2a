//! The seeds of the fuzz target, read as the target reads them.
//!
//! Seeds named `valid-` parse, those named `hostile-` do not; any other file there is a text that once failed.

use std::path::Path;
use std::thread::Builder;

use chronoxide_promql::syntax::{Features, parse};
use chronoxide_promql::{LowerOptions, lower_tree, parse_selector};

/// What threads commonly have.
const STACK_BYTES: usize = 2 << 20;

/// Whether the seed is a query.
fn is_query(input: &[u8]) -> bool {
    let Some((flags, bytes)) = input.split_first() else {
        return false;
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let features = Features {
        experimental_functions: flags & 1 != 0,
        duration_expressions: flags & 2 != 0,
        extended_range_selectors: flags & 4 != 0,
        fill_modifiers: flags & 8 != 0,
        ..Features::ALL
    };
    let _ = parse_selector(text);
    let Ok(expr) = parse(text, features) else {
        return false;
    };
    let printed = expr.to_string();
    for written in [&printed, &expr.pretty()] {
        let again = parse(written, features).expect("what was printed parses");
        assert_eq!(again.to_string(), printed);
    }
    let options = LowerOptions {
        features,
        ..LowerOptions::range(0, 3_600_000, 15_000)
    };
    lower_tree(text, expr, &options).is_ok()
}

fn read_all() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/promql_text");
    let (mut valid, mut hostile) = (0, 0);
    for entry in corpus.read_dir().expect("the corpus is a directory") {
        let path = entry.expect("the corpus is readable").path();
        let input = std::fs::read(&path).expect("a seed is readable");
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or_default();
        let parsed = is_query(&input);
        if name.starts_with("valid-") {
            valid += 1;
            assert!(parsed, "{name}");
        } else if name.starts_with("hostile-") {
            hostile += 1;
            assert!(!parsed, "{name}");
        }
    }
    assert!(
        valid > 0 && hostile > 0,
        "{valid} valid and {hostile} hostile seeds"
    );
}

#[test]
fn seeds_of_queries_parse_as_named_on_an_ordinary_stack() {
    let thread = Builder::new().stack_size(STACK_BYTES).spawn(read_all);
    thread
        .expect("a thread starts")
        .join()
        .expect("no seed panics");
}
