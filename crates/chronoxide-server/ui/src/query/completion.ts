/** What the editor completes from: the server's own names, labels and values, asked for by relative addresses. */

import type { CompleteConfiguration } from "@prometheus-io/codemirror-promql";
import { CachedPrometheusClient, HTTPPrometheusClient } from "@prometheus-io/codemirror-promql/dist/esm/client/prometheus.js";

const HOURS = 3600 * 1000;

/** Kept for a minute, shared by all editors: a new metric should turn up soon, and no key press ask again. */
const client = new CachedPrometheusClient(
  new HTTPPrometheusClient({ apiPrefix: "api/v1", lookbackInterval: 12 * HOURS }),
  { maxAge: 60_000 },
);

export function seriesCompletion(): CompleteConfiguration {
  return {
    // Without `destroy`: an editor that goes away must not end the questions of the others.
    remote: {
      labelNames: (metric) => client.labelNames(metric),
      labelValues: (label, metric) => client.labelValues(label, metric),
      metricMetadata: () => client.metricMetadata(),
      series: (metric) => client.series(metric),
      metricNames: () => client.metricNames(),
      flags: () => client.flags(),
    },
    maxMetricsMetadata: 10_000,
  };
}
