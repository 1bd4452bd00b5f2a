//! Gauges and sums: one float sample a point.

use chronoxide_model::STALE_MARKER;

use crate::refusal::Refusal;
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
        let value = if stale {
            STALE_MARKER
        } else if self.metric.accumulates {
            let stream = self.stream_hash();
            let (total, start_ns) =
                self.deltas
                    .add_number(stream, point.start_ns, point.time_ns, value)?;
            times = Times::new(start_ns, point.time_ns);
            total
        } else {
            value.as_f64()
        };
        self.push_float("", None, times, value);
        if !stale && kind != MetricKind::Gauge {
            self.push_exemplars(point.exemplars, times);
        }
        self.accept(times, stale);
        Ok(())
    }
}
