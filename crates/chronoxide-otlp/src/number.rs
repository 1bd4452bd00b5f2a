//! Gauges and sums: one float sample a point.

use chronoxide_model::STALE_MARKER;

use crate::refusal::Refusal;
use crate::temporality::Span;
use crate::translator::{Times, Translator};
use crate::view::{MetricKind, Number, Point};

impl Translator<'_> {
    /// Takes a point of a gauge (`kind` says so) or a sum.
    pub(crate) fn number_point(
        &mut self,
        kind: MetricKind,
        point: &mut Point<'_, '_>,
        value: Number,
    ) {
        if let Err(refusal) = self.try_number_point(kind, point, value) {
            self.refuse(&refusal);
        }
    }

    fn try_number_point(
        &mut self,
        kind: MetricKind,
        point: &mut Point<'_, '_>,
        value: Number,
    ) -> Result<(), Refusal> {
        let mut times = self.admit(point)?;
        if kind == MetricKind::Gauge || self.metric.raw_delta {
            times.start_ms = 0;
        }
        let stale = point.is_stale();
        let mut stream = None;
        let value = if stale {
            STALE_MARKER
        } else if self.metric.accumulates {
            self.check_window(times.time_ms)?;
            let key = self.stream_hash();
            let added = self.deltas.add_number(key, Span::of(point), value)?;
            let Some((total, start_ns)) = added else {
                self.accept_again();
                return Ok(());
            };
            stream = Some(key);
            times = Times::new(start_ns, point.time_ns);
            total
        } else {
            value.as_f64()
        };
        self.push_float("", None, times, value);
        if !stale && kind != MetricKind::Gauge {
            self.push_exemplars(point.exemplars, times);
        }
        self.accept(times, stale, stream);
        Ok(())
    }
}
