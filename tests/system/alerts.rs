//! The alert rules of `grafana/`: well-formed, with data for every expression, and saying what to do.

use std::collections::BTreeSet;
use std::fs;

use chronoxide_tests::query;

use crate::dashboards::{grafana, server_with_own_metrics};

/// An alert rule, read from the lines of its file.
#[derive(Debug, Default)]
struct Rule {
    uid: String,
    expression: String,
    members: BTreeSet<String>,
}

/// The rules of the file, which has one member on each line.
fn rules() -> Vec<Rule> {
    let text = fs::read_to_string(grafana("provisioning/alerting/chronoxide.yml")).unwrap();
    let mut rules: Vec<Rule> = Vec::new();
    for line in text.lines() {
        let line = line.trim_start().trim_start_matches("- ");
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim().trim_matches('\'');
        if name == "uid" {
            rules.push(Rule {
                uid: value.to_owned(),
                ..Rule::default()
            });
        }
        let Some(rule) = rules.last_mut() else {
            continue;
        };
        if name == "expr" {
            rule.expression = value.replace("''", "'");
        }
        assert!(!value.is_empty() || line.ends_with(':'), "{line}");
        rule.members.insert(name.to_owned());
    }
    rules
}

#[test]
fn alert_rules_have_data_and_say_what_to_do() {
    let rules = rules();
    assert!(rules.len() >= 10, "{}", rules.len());
    let uids: BTreeSet<&str> = rules.iter().map(|rule| rule.uid.as_str()).collect();
    assert_eq!(uids.len(), rules.len(), "uids are unique");
    let folder = tempfile::tempdir().unwrap();
    let server = server_with_own_metrics(folder.path());
    for rule in &rules {
        assert!(
            rule.uid.len() <= 40,
            "{}: Grafana takes 40 characters",
            rule.uid
        );
        for member in [
            "title",
            "condition",
            "for",
            "noDataState",
            "execErrState",
            "data",
            "relativeTimeRange",
            "datasourceUid",
            "type",
            "severity",
            "summary",
            "runbook",
        ] {
            assert!(rule.members.contains(member), "{}: {member}", rule.uid);
        }
        let answer = query(&server.url(), &rule.expression).unwrap();
        assert_eq!(answer.status, 200, "{}: {}", rule.uid, answer.text);
        let samples = answer.vector();
        assert!(
            !samples.is_empty(),
            "{}: no data: {}",
            rule.uid,
            rule.expression
        );
        // Grafana tells alerts apart by what is left of the labels.
        for sample in &samples {
            let names: Vec<&String> = sample.labels.keys().collect();
            assert_eq!(names, ["instance"], "{}", rule.uid);
        }
    }
}
