//! Storing the server's own metrics, as a scrape of `/metrics` would.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chronoxide_model::{Labels, METRIC_NAME, Metadata, WriteBatch};
use tokio::sync::watch;

use super::family::Family;
use crate::state::ServerState;

/// The `job` label of own series.
const JOB: &str = "chronoxide";

/// Collects and stores own metrics at an interval.
#[derive(Debug)]
pub(crate) struct Scraper {
    state: Arc<ServerState>,
    interval: Duration,
}

impl Scraper {
    pub(crate) const fn new(state: Arc<ServerState>, interval: Duration) -> Self {
        Self { state, interval }
    }

    /// Scrapes at once and then at each interval, until `stop` changes.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.changed() => return,
            }
            let state = Arc::clone(&self.state);
            if tokio::task::spawn_blocking(move || scrape(&state))
                .await
                .is_err()
            {
                tracing::error!("storing own metrics ended in a panic; this is a bug");
            }
        }
    }
}

fn scrape(state: &ServerState) {
    let Some(database) = state.database() else {
        return;
    };
    let started = Instant::now();
    let families = state.collect_metrics(Some(&database.stats()));
    let mut batch = WriteBatch::new();
    scrape_families(
        &mut batch,
        &families,
        state.instance(),
        state.now_ms(),
        started.elapsed(),
    );
    let written = database.write(&batch);
    if let Ok(outcome) = &written {
        state.metrics.count_outcome("self", outcome);
    }
    match written {
        Ok(outcome) if outcome.is_complete() => {}
        Ok(outcome) => {
            let first = outcome
                .rejections
                .first()
                .map(|rejection| format!("{}: {}", rejection.series, rejection.detail));
            tracing::warn!(
                samples = outcome.samples_rejected,
                first,
                "own metrics were refused in part"
            );
        }
        Err(error) => tracing::warn!(
            error = crate::error::with_sources(&error),
            "own metrics could not be stored"
        ),
    }
}

/// Adds one scrape of `families` to `batch`, with what Prometheus itself adds to a scrape.
fn scrape_families(
    batch: &mut WriteBatch<'_>,
    families: &[Family],
    instance: &str,
    now_ms: i64,
    duration: Duration,
) {
    let mut push = |name: &str, labels: &[(&'static str, String)], value: f64| {
        let own = [(METRIC_NAME, name), ("job", JOB), ("instance", instance)];
        let pairs = labels
            .iter()
            .map(|(label, value)| (*label, value.as_str()))
            .chain(own);
        // No family has a label of these names, so the set is valid; were it not, the scrape would go on without it.
        if let Ok(labels) = Labels::from_pairs(pairs) {
            batch.push(labels, now_ms, value);
        }
    };
    let mut points = 0;
    for family in families {
        for point in &family.points {
            push(
                &format!("{}{}", family.name, point.suffix),
                &point.labels,
                point.value,
            );
            points += 1;
        }
    }
    push("up", &[], 1.0);
    push("scrape_duration_seconds", &[], duration.as_secs_f64());
    push("scrape_samples_scraped", &[], f64::from(points));
    for family in families {
        let metadata = Metadata {
            metric_type: family.metric_type,
            help: family.help.to_owned(),
            unit: String::new(),
        };
        batch.push_metadata(family.name, metadata);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_carries_job_instance_and_up() {
        let mut batch = WriteBatch::new();
        let families = [Family::counter("a_total", "A.", 3)];
        scrape_families(
            &mut batch,
            &families,
            "127.0.0.1:8490",
            1000,
            Duration::from_millis(5),
        );
        let shown: Vec<String> = batch
            .series()
            .map(|series| {
                format!(
                    "{} {}",
                    series.key.decode().unwrap(),
                    series.samples[0].value
                )
            })
            .collect();
        assert_eq!(
            shown[0],
            r#"a_total{instance="127.0.0.1:8490", job="chronoxide"} 3"#
        );
        assert_eq!(
            shown[1],
            r#"up{instance="127.0.0.1:8490", job="chronoxide"} 1"#
        );
        assert_eq!(
            shown[3],
            r#"scrape_samples_scraped{instance="127.0.0.1:8490", job="chronoxide"} 1"#
        );
        assert_eq!(batch.metadata()[0].0, "a_total");
    }
}
