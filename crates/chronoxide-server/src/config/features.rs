//! Parts of PromQL that can be turned on and off, by name.

use chronoxide_promql::syntax::Features;

use super::settings::nearest_of;

/// A part's name, and where it is kept.
type Part = (&'static str, fn(&mut Features) -> &mut bool);

/// The parts that Prometheus keeps behind flags.
const PARTS: [Part; 6] = [
    ("experimental-functions", |features| {
        &mut features.experimental_functions
    }),
    ("duration-expressions", |features| {
        &mut features.duration_expressions
    }),
    ("extended-range-selectors", |features| {
        &mut features.extended_range_selectors
    }),
    ("binop-fill-modifiers", |features| {
        &mut features.fill_modifiers
    }),
    ("delayed-name-removal", |features| {
        &mut features.delayed_name_removal
    }),
    ("use-start-timestamps", |features| {
        &mut features.start_timestamps
    }),
];

/// The parts named in `text`, separated by commas; or `all`, or `none`.
///
/// # Errors
/// When a name is not that of a part; the text says which one may have been meant.
pub(super) fn parse_features(text: &str) -> Result<Features, String> {
    match text {
        "all" => return Ok(Features::ALL),
        "none" => return Ok(Features::STABLE),
        _ => {}
    }
    let mut features = Features::STABLE;
    for name in text.split(',').map(str::trim) {
        let part = PARTS.iter().find(|(known, _)| *known == name);
        let (_, place) = part.ok_or_else(|| unknown(name))?;
        *place(&mut features) = true;
    }
    Ok(features)
}

fn unknown(name: &str) -> String {
    if name == "all" || name == "none" {
        return format!("{name:?} is not to be combined with other names");
    }
    let names = || PARTS.iter().map(|(known, _)| (*known).to_owned());
    let advice = match nearest_of(name, names()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!(
            "those are {}; or all, or none",
            names().collect::<Vec<_>>().join(", ")
        ),
    };
    format!("{name:?} is not a part of PromQL that can be turned on; {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_turns_on_its_part_alone() {
        for (text, expected) in [
            ("all", Features::ALL),
            ("none", Features::STABLE),
            (
                "experimental-functions",
                Features {
                    experimental_functions: true,
                    ..Features::STABLE
                },
            ),
            (
                "duration-expressions",
                Features {
                    duration_expressions: true,
                    ..Features::STABLE
                },
            ),
            (
                "extended-range-selectors, binop-fill-modifiers",
                Features {
                    extended_range_selectors: true,
                    fill_modifiers: true,
                    ..Features::STABLE
                },
            ),
            (
                "delayed-name-removal",
                Features {
                    delayed_name_removal: true,
                    ..Features::STABLE
                },
            ),
        ] {
            assert_eq!(parse_features(text), Ok(expected), "{text}");
        }
        let every: Vec<_> = PARTS.iter().map(|(name, _)| *name).collect();
        assert_eq!(parse_features(&every.join(",")), Ok(Features::ALL));
    }

    #[test]
    fn unknown_names_are_refused_with_a_near_one() {
        for (text, expected) in [
            (
                "experimental-function",
                "\"experimental-function\" is not a part of PromQL that can be turned on; \
                 did you mean experimental-functions?",
            ),
            (
                "duration-expressions,",
                "\"\" is not a part of PromQL that can be turned on; those are experimental-functions, \
                 duration-expressions, extended-range-selectors, binop-fill-modifiers, \
                 delayed-name-removal, use-start-timestamps; or all, or none",
            ),
            (
                "duration-expressions,all",
                "\"all\" is not to be combined with other names",
            ),
        ] {
            assert_eq!(parse_features(text), Err(expected.to_owned()), "{text}");
        }
    }
}
