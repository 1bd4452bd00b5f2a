// A service with one instrument of each kind, measured by OpenTelemetry's SDK and sent as JSON.
//
// node shop.js ENDPOINT TEMPORALITY INSTANCE: sends two rounds of the same measurements, a second apart.

import { OTLPMetricExporter, AggregationTemporalityPreference } from '@opentelemetry/exporter-metrics-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationType, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';

const [endpoint, temporality, instance] = process.argv.slice(2);

const exporter = new OTLPMetricExporter({
  url: `${endpoint}/v1/metrics`,
  compression: 'gzip',
  temporalityPreference: temporality === 'delta'
    ? AggregationTemporalityPreference.DELTA
    : AggregationTemporalityPreference.CUMULATIVE,
});
const provider = new MeterProvider({
  readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
  resource: resourceFromAttributes({
    'service.name': 'checkout',
    'service.namespace': 'shop',
    'service.instance.id': instance,
    'service.version': '1.2.3',
    'host.arch': 'amd64',
  }),
  views: [{
    instrumentName: 'payload.size',
    aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM },
  }],
});
const meter = provider.getMeter('shop', '0.1');

const requests = meter.createCounter('http.server.requests', { unit: '{request}', description: 'Requests served.' });
const queue = meter.createUpDownCounter('queue.length', { unit: '{item}', description: 'Items that wait.' });
const duration = meter.createHistogram('http.server.request.duration', {
  unit: 's',
  advice: { explicitBucketBoundaries: [0.1, 1, 10] },
});
const size = meter.createHistogram('payload.size', { unit: 'By' });
meter.createObservableGauge('cpu.utilization', { unit: '1' }).addCallback((result) => result.observe(0.25));

const attributes = { 'http.route': '/cart', 'http.response.status_code': 200 };
for (let round = 0; round < 2; round += 1) {
  requests.add(5, attributes);
  requests.add(3, attributes);
  for (const seconds of [0.05, 0.5, 5, 50]) duration.record(seconds, attributes);
  queue.add(4);
  queue.add(-1);
  for (let bytes = 1; bytes <= 100; bytes += 1) size.record(bytes);
  await provider.forceFlush();
  await new Promise((wake) => setTimeout(wake, 1100));
}
await provider.shutdown();
