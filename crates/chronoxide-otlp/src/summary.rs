//! Summaries: precomputed quantiles.

use chronoxide_model::STALE_MARKER;

use crate::refusal::Refusal;
use crate::translator::Translator;
use crate::view::{Point, Summary};

impl Translator<'_> {
    /// Takes a point of a summary.
    pub(crate) fn summary_point(&mut self, point: &mut Point<'_, '_>, summary: Summary<'_>) {
        if let Err(refusal) = self.try_summary_point(point, summary) {
            self.refuse(&refusal);
        }
    }

    fn try_summary_point(
        &mut self,
        point: &mut Point<'_, '_>,
        summary: Summary<'_>,
    ) -> Result<(), Refusal> {
        let times = self.admit(point)?;
        self.check_room(summary.quantiles.len() + 2)?;
        let stale = point.is_stale();
        let value = |value: f64| if stale { STALE_MARKER } else { value };
        self.push_float("_sum", None, times, value(summary.sum));
        self.push_float("_count", None, times, value(summary.count as f64));
        for (quantile, at_quantile) in summary.quantiles {
            let text = quantile.to_string();
            self.push_float("", Some(("quantile", &text)), times, value(*at_quantile));
        }
        self.accept(times, stale, None);
        Ok(())
    }
}
