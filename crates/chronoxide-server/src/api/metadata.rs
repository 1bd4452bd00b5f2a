//! What is known of metrics beside their samples.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chronoxide_model::Metadata;
use chronoxide_storage::Database;

use super::form::Form;
use super::json::{Notes, write_object, write_string};
use super::request::LookUp;
use crate::answer_bytes::AnswerBytes;
use crate::edge::AcceptedEncoding;
use crate::error::ApiError;
use crate::state::ServerState;

/// `/metadata`: type, help and unit of metrics, once for each type that a metric is said to have.
pub(crate) async fn metadata(
    State(state): State<Arc<ServerState>>,
    encoding: AcceptedEncoding,
    form: Form,
) -> Result<Response, ApiError> {
    // Negative limits are none, as in Prometheus.
    let limit = form
        .number("limit")?
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX);
    // Here 0 is no limit either.
    let limit_per_metric = form
        .number("limit_per_metric")?
        .and_then(|limit| usize::try_from(limit).ok())
        .filter(|limit| *limit > 0)
        .unwrap_or(usize::MAX);
    let metric = form.get("metric").map(str::to_owned);
    let work = move |database: &Database, out: &mut AnswerBytes| {
        let known: BTreeMap<String, Vec<Metadata>> = match &metric {
            Some(name) => {
                let types = database.metadata_types(name);
                let known = (!types.is_empty()).then(|| (name.clone(), types));
                known.into_iter().collect()
            }
            None => by_name(database.metadata()),
        };
        out.hold(known.values().flatten().map(bytes_of).sum())?;
        out.begin_success();
        out.pending().push(b'{');
        for (index, (name, types)) in known.into_iter().take(limit).enumerate() {
            let pending = out.pending();
            if index > 0 {
                pending.push(b',');
            }
            write_string(pending, &name);
            pending.push(b':');
            write_types(pending, types.get(..limit_per_metric).unwrap_or(&types));
            out.seal_full()?;
        }
        out.pending().push(b'}');
        out.end_success(&Notes::default());
        Ok(())
    };
    LookUp::new("metadata", encoding).run(&state, work).await
}

fn bytes_of(metadata: &Metadata) -> u64 {
    (size_of::<Metadata>() + metadata.help.len() + metadata.unit.len()) as u64
}

/// Types of one name stand together; the one said last comes last and is to be first.
fn by_name(known: Vec<(String, Metadata)>) -> BTreeMap<String, Vec<Metadata>> {
    let mut by_name: BTreeMap<String, Vec<Metadata>> = BTreeMap::new();
    for (name, metadata) in known.into_iter().rev() {
        by_name.entry(name).or_default().push(metadata);
    }
    by_name
}

fn write_types(out: &mut Vec<u8>, types: &[Metadata]) {
    out.push(b'[');
    for (index, metadata) in types.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let members = [
            ("type", metadata.metric_type.as_str()),
            ("help", &metadata.help),
            ("unit", &metadata.unit),
        ];
        write_object(out, members, write_string);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use chronoxide_model::MetricType;

    use super::*;

    #[test]
    fn types_of_a_metric_are_listed_together_the_last_one_first() {
        let of_type = |metric_type| Metadata {
            metric_type,
            ..Metadata::default()
        };
        let entry = |name: &str, metric_type| (name.to_owned(), of_type(metric_type));
        let known = by_name(vec![
            entry("a", MetricType::Counter),
            entry("a", MetricType::Gauge),
            entry("b", MetricType::Summary),
        ]);
        assert_eq!(
            known["a"],
            [of_type(MetricType::Gauge), of_type(MetricType::Counter)]
        );
        let mut out = Vec::new();
        write_types(&mut out, &known["a"]);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            r#"[{"type":"gauge","help":"","unit":""},{"type":"counter","help":"","unit":""}]"#
        );
    }
}
