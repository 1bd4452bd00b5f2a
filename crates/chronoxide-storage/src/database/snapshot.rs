//! The database at one moment, for selections that are to fit together.

use chronoxide_model::{Matcher, SeriesSet, SeriesSource, SourceError, TimeRange};

use super::engine::Engine;
use crate::Selection;
use crate::select::{Held, View};

/// What could be read when it was made. It keeps head batches and parts alive that nobody else may need any more.
#[derive(Debug)]
pub(super) struct Snapshot<'a> {
    engine: &'a Engine,
    held: Held,
    /// What retention left then.
    kept: Option<TimeRange>,
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            kept: TimeRange::new(engine.retention_cut_ms(), i64::MAX).ok(),
            held: engine.hold(),
        }
    }

    fn view(&self, range: TimeRange) -> Option<View<'_>> {
        // Retention may only cut away more meanwhile; what it had left goes on being read.
        let range = range.intersection(&self.kept?)?;
        Some(View {
            range,
            held: Some(&self.held),
            ..self.engine.view_of_all(range)
        })
    }
}

impl SeriesSource for Snapshot<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Box<dyn SeriesSet + '_>, SourceError> {
        Ok(Box::new(match self.view(range) {
            Some(view) => view.select(matchers)?,
            None => Selection::empty(range),
        }))
    }

    fn select_while(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Box<dyn SeriesSet + '_>>, SourceError> {
        let Some(view) = self.view(range) else {
            return self.select(matchers, range).map(Some);
        };
        let selection = view.select_while(matchers, go_on)?;
        Ok(selection.map(|selection| Box::new(selection) as _))
    }

    fn label_names(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        Ok(match self.view(range) {
            Some(view) => view.label_names(matchers)?,
            None => Vec::new(),
        })
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        Ok(match self.view(range) {
            Some(view) => view.label_values(name, matchers)?,
            None => Vec::new(),
        })
    }
}
