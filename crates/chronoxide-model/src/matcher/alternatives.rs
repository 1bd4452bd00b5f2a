//! Alternatives that are plain text, as a dashboard's list of chosen values: `a|b|c`, or `(a|b|c)`.
//!
//! There may be ten thousand of them, and nothing has to be compiled to look a value up.

/// All texts that `pattern`, in RE2's notation, matches, sorted, each once, when it is nothing but alternatives without
/// any operator, and they are no more than `count_max`. What is not understood here is left to the regex engine.
pub(super) fn plain(pattern: &str, count_max: usize) -> Option<Vec<String>> {
    let inside = without_brackets(pattern);
    let mut ends = Vec::new();
    let mut rest = inside.char_indices();
    while let Some((at, next)) = rest.next() {
        match next {
            '|' => ends.push(at),
            '\\' => {
                rest.next()
                    .filter(|(_, escaped)| escaped.is_ascii_punctuation())?;
            }
            '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' => return None,
            _ => {}
        }
        if ends.len() > count_max {
            return None;
        }
    }
    ends.push(inside.len());
    let mut start = 0;
    let mut texts = Vec::with_capacity(ends.len());
    for end in ends {
        texts.push(unescaped(inside.get(start..end)?));
        start = end + 1;
    }
    texts.sort_unstable();
    texts.dedup();
    Some(texts)
}

/// What stands in the only brackets of a pattern. Anchors around say nothing, as every match is of the whole value.
fn without_brackets(pattern: &str) -> &str {
    let start = pattern.strip_prefix('^').unwrap_or(pattern);
    let Some(start) = start.strip_prefix("(?:").or(start.strip_prefix('(')) else {
        return pattern;
    };
    let end = start.strip_suffix('$').unwrap_or(start);
    match end.strip_suffix(')') {
        // An escaped bracket closes nothing, and then the pattern is none.
        Some(inside) if !inside.ends_with('\\') => inside,
        _ => pattern,
    }
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match next {
            '\\' => out.extend(rest.next()),
            _ => out.push(next),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_texts_are_told_from_expressions() {
        for (pattern, expected) in [
            ("", Some(vec![""])),
            ("a", Some(vec!["a"])),
            ("b|a|b", Some(vec!["a", "b"])),
            ("a|", Some(vec!["", "a"])),
            ("(a|b)", Some(vec!["a", "b"])),
            ("^(?:a|b)$", Some(vec!["a", "b"])),
            ("()", Some(vec![""])),
            ("a\\.b|c\\|d|\\\\", Some(vec!["\\", "a.b", "c|d"])),
            ("é-1:/ #&~", Some(vec!["é-1:/ #&~"])),
            ("(a|b)|c", None),
            ("(a)(b)", None),
            ("(a|b\\)", None),
            ("a.b", None),
            ("^a|b$", None),
            ("\\d", None),
            ("\\Qa\\E", None),
            ("a\\", None),
            ("(?i)a", None),
            ("(?i:a)", None),
            ("a{2}", None),
            ("[ab]", None),
        ] {
            let found = plain(pattern, 100);
            let expected = expected.map(|texts| texts.into_iter().map(String::from).collect());
            assert_eq!(found, expected, "{pattern}");
        }
        assert!(plain("a|b|c", 3).is_some());
        assert!(plain("a|b|c", 1).is_none());
    }
}
