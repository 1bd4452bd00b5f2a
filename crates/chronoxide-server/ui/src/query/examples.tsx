/** What the page shows before anything was asked for. */

import { metricNames } from "../api.ts";
import { useLoaded, useTicks } from "../parts/loading.ts";
import { Empty } from "../parts/notice.tsx";
import { recentQueries } from "./recent.ts";

interface Example {
  readonly title: string;
  readonly text: string;
}

/** They ask for the server's own metrics, which are there seconds after the first start. */
const EXAMPLES: readonly Example[] = [
  { title: "Memory of the server", text: "process_resident_memory_bytes" },
  { title: "Samples taken in per second", text: "sum by (protocol) (rate(chronoxide_ingest_samples_total[1m]))" },
  { title: "Requests per second, by endpoint", text: "sum by (handler) (rate(chronoxide_http_requests_total[1m]))" },
  { title: "How long requests take, as a heatmap", text: "sum by (le) (rate(chronoxide_http_request_duration_seconds_bucket[1m]))" },
];

interface ExamplesProps {
  readonly onPick: (text: string) => void;
}

export function Examples({ onPick }: ExamplesProps) {
  const tick = useTicks(5);
  const { data, error } = useLoaded((signal) => metricNames(signal), [tick]);
  const names = data?.data;
  if (error !== undefined) return <Empty title="The server does not answer">{error}</Empty>;
  if (names === undefined) return null;
  const ownMetrics = names.includes("chronoxide_build_info");
  const others = names.filter((name) => !/^(chronoxide_|process_|up$)/.test(name));
  const recent = recentQueries();
  return (
    <div class="start">
      {ownMetrics && (
        <section>
          <h2>Start with the server itself</h2>
          <p>chronoxide stores its own metrics. One click shows a graph:</p>
          <div class="cards">
            {EXAMPLES.map(({ title, text }) => (
              <QueryCard key={text} title={title} text={text} onPick={onPick} />
            ))}
          </div>
        </section>
      )}
      {recent.length > 0 && (
        <section>
          <h2>Asked for lately</h2>
          <div class="cards">
            {recent.slice(0, 6).map((text) => (
              <QueryCard key={text} text={text} onPick={onPick} />
            ))}
          </div>
        </section>
      )}
      {others.length > 0 ? (
        <p class="muted">
          {names.length} metrics are stored. <a href="#/metrics">Look through them</a>, or start to type a name above.
        </p>
      ) : (
        <SendData />
      )}
    </div>
  );
}

function QueryCard({ title, text, onPick }: { readonly title?: string; readonly text: string; readonly onPick: (text: string) => void }) {
  return (
    <button type="button" class="card" onClick={() => onPick(text)}>
      {title !== undefined && <span class="card-title">{title}</span>}
      <code>{text}</code>
    </button>
  );
}

/** How to send samples, with the address that this page was loaded from. */
function SendData() {
  const base = new URL(".", location.href).href.replace(/\/$/, "");
  return (
    <section>
      <h2>Send metrics</h2>
      <div class="columns">
        <div>
          <p>Prometheus, Alloy or vmagent, by remote write:</p>
          <pre>{`remote_write:\n  - url: ${base}/api/v1/write`}</pre>
        </div>
        <div>
          <p>OpenTelemetry SDKs and Collectors, by OTLP over HTTP:</p>
          <pre>{`OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=${base}/v1/metrics\nOTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`}</pre>
        </div>
      </div>
    </section>
  );
}
