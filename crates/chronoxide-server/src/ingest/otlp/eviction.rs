//! Streams of deltas that nobody goes on with.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::log_limit::LogLimit;
use crate::state::ServerState;

/// How often idle streams are looked for; they are known by hours.
const INTERVAL: Duration = Duration::from_secs(60);

/// Forgets idle delta streams now and then, until `stop` changes.
pub(crate) async fn evict_idle_streams(state: Arc<ServerState>, mut stop: watch::Receiver<bool>) {
    let failures = Arc::new(LogLimit::default());
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.changed() => return,
        }
        let (state, failures) = (Arc::clone(&state), Arc::clone(&failures));
        let evicted = tokio::task::spawn_blocking(move || evict(&state, &failures));
        if evicted.await.is_err() {
            tracing::error!("looking for idle delta streams ended in a panic; this is a bug");
        }
    }
}

fn evict(state: &ServerState, failures: &LogLimit) {
    let Some(database) = state.database() else {
        return;
    };
    if let Err(error) = state.otlp.evict_idle(database, state.now_ms())
        && let Some(held_back) = failures.pass(std::time::Instant::now())
    {
        let error = &error as &dyn std::error::Error;
        tracing::error!(
            error,
            held_back,
            "could not store the totals of delta streams"
        );
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::{Request, State};
    use chronoxide_storage::{Database, Options};

    use super::*;
    use crate::config::{Config, Settings};

    /// How many streams there are, and how many were forgotten.
    fn counts(state: &ServerState) -> (f64, f64) {
        let [streams, _, evicted] = state.otlp.families();
        (streams.points[0].value, evicted.points[0].value)
    }

    #[tokio::test]
    async fn idle_streams_are_forgotten_when_nobody_sends_deltas_any_more() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config::new(&Settings::default()).unwrap();
        let state = Arc::new(ServerState::new(config, "here".to_owned()));
        let database = Database::open(directory.path(), Options::default()).unwrap();
        state.set_database(Arc::new(database));
        let now_ms = state.now_ms();
        let body = format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"a","sum":{{
                "aggregationTemporality":1,"isMonotonic":true,
                "dataPoints":[{{"timeUnixNano":"{now_ms}000000","asInt":"1"}}]}}}}]}}]}}]}}"#
        );
        let request = Request::post("/v1/metrics")
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
        let answer = super::super::write(State(Arc::clone(&state)), request).await;
        assert_eq!(answer.status(), 200);
        let database = state.database().unwrap();
        state.otlp.evict_idle(database, now_ms + 1000).unwrap();
        assert_eq!(counts(&state), (1.0, 0.0));
        let idle_ms = state.config.otlp_delta_idle.as_millis() as i64;
        let later_ms = state.now_ms() + idle_ms + 1000;
        state.otlp.evict_idle(database, later_ms).unwrap();
        assert_eq!(counts(&state), (0.0, 1.0));
    }
}
