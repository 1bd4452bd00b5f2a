//! Feeds arbitrary text to the reader of queries; the low bits of the first byte say which parts of the language are on.
//! What parses must print as something that parses to the same, and be lowered without a panic.

#![no_main]

use chronoxide_promql::syntax::{Features, parse};
use chronoxide_promql::{LowerOptions, lower_tree, parse_selector};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((flags, bytes)) = input.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
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
        return;
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
    let _ = lower_tree(text, expr, &options);
});
