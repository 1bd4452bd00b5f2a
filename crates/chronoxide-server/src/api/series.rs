//! Series by their labels.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chronoxide_model::Matcher;
use chronoxide_promql::{Regexes, parse_selector_with};
use chronoxide_storage::{Database, Selection};

use super::form::Form;
use super::json::{Notes, write_labels};
use super::request::{LookUp, storage_failed};
use super::union::union;
use crate::answer_bytes::{AnswerBytes, Watch};
use crate::edge::AcceptedEncoding;
use crate::error::ApiError;
use crate::state::ServerState;

impl Form {
    /// The selectors of `match[]` as they are written, after the name of what looks for them.
    pub(super) fn described(&self, what: &str) -> String {
        let mut text = what.to_owned();
        for (index, selector) in self.all("match[]").enumerate() {
            text.push_str(if index == 0 { " " } else { ", " });
            text.push_str(selector);
        }
        text
    }

    /// The selectors of `match[]`, each of which excludes something; asks `watch` before each whether to go on.
    ///
    /// Reading them takes a while: never where connections are served.
    pub(crate) fn selectors(&self, watch: &Watch) -> Result<Vec<Vec<Matcher>>, ApiError> {
        self.selectors_or(watch, |reason| {
            ApiError::bad_data(format!("invalid parameter \"match[]\": {reason}"))
        })
    }

    /// The same; `refusal` is made of why there are none.
    pub(super) fn selectors_or(
        &self,
        watch: &Watch,
        refusal: impl Fn(String) -> ApiError,
    ) -> Result<Vec<Vec<Matcher>>, ApiError> {
        // What one query may cost goes for all of them together.
        let mut regexes = Regexes::new();
        let selectors = self.all("match[]").map(|text| {
            watch.check()?;
            let matchers = parse_selector_with(text, &mut regexes)
                .map_err(|error| refusal(error.to_string()))?;
            if matchers.iter().all(Matcher::matches_empty) {
                let reason = "match[] must contain at least one non-empty matcher";
                return Err(refusal(reason.to_owned()));
            }
            Ok(matchers)
        });
        selectors.collect()
    }
}

/// `/series`: label sets that satisfy any of the selectors.
pub(crate) async fn series(
    State(state): State<Arc<ServerState>>,
    encoding: AcceptedEncoding,
    form: Form,
) -> Result<Response, ApiError> {
    if form.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let limit = form.limit()?;
    let range = form.lookup_range()?;
    let look_up = LookUp::new(form.described("series"), encoding);
    let work = move |database: &Database, out: &mut AnswerBytes| {
        let selectors = form.selectors(out.watch())?;
        let Some(range) = range else {
            return write_limited(out, 0..0, None, |_, _| ());
        };
        let mut found = Vec::with_capacity(selectors.len());
        for matchers in &selectors {
            out.check()?;
            let selection = database.select(matchers, range);
            let selection = selection.map_err(|error| storage_failed(&error))?;
            out.hold(bytes_of(&selection))?;
            found.push(selection);
        }
        let all = union(found.iter().map(Selection::labels));
        write_limited(out, all, limit, write_labels)
    };
    look_up.within_some(range).run(&state, work).await
}

/// About what a selection takes, going by some of its series.
pub(super) fn bytes_of(selection: &Selection) -> u64 {
    const LOOKED_AT: usize = 64;
    /// What is kept of a series beside the texts.
    const SERIES_BYTES: usize = 128;
    let stride = selection.len().div_ceil(LOOKED_AT).max(1);
    let some = selection.labels().step_by(stride);
    let looked_at = some.len().max(1);
    let text_bytes: usize = some
        .flat_map(|labels| labels.iter().map(|(name, value)| name.len() + value.len()))
        .sum();
    (selection.len() * (SERIES_BYTES + text_bytes / looked_at)) as u64
}

/// Writes the answer with `items`, at most `limit` of them, and a warning if that left some out.
pub(super) fn write_limited<T>(
    out: &mut AnswerBytes,
    items: impl IntoIterator<Item = T>,
    limit: Option<usize>,
    write: impl FnMut(&mut Vec<u8>, T),
) -> Result<(), ApiError> {
    let mut items = items.into_iter();
    out.begin_success();
    out.write_list(items.by_ref().take(limit.unwrap_or(usize::MAX)), write)?;
    let mut notes = Notes::default();
    if items.next().is_some() {
        notes.warn_of_truncation();
    }
    out.end_success(&notes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chronoxide_promql::Cancellation;

    use super::*;
    use crate::state::Deadline;

    fn watch() -> Watch {
        Watch {
            cancellation: Cancellation::new(),
            deadline: Deadline::new(Duration::from_secs(60)),
        }
    }

    fn form(different: usize) -> Form {
        let mut form = Form::default();
        for number in 0..different {
            let pair = format!("match[]=up{{job%3D~\"a.*{number}\"}}");
            form.append(pair.as_bytes()).unwrap();
        }
        form
    }

    #[test]
    fn the_selectors_of_a_request_share_what_regular_expressions_may_take() {
        let watch = watch();
        assert_eq!(form(10).selectors(&watch).unwrap().len(), 10);
        let refused = form(1000).selectors(&watch).unwrap_err();
        assert_eq!(refused.status(), 400);
        let reason = refused.message();
        assert!(reason.contains("different regular expressions"), "{reason}");
    }

    #[test]
    fn nobody_reads_on_for_a_client_that_has_left() {
        let watch = watch();
        watch.cancellation.cancel();
        assert_eq!(form(1).selectors(&watch).unwrap_err().status(), 499);
    }
}
