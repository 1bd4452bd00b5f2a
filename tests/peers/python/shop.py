"""A service with one instrument of each kind, measured by OpenTelemetry's SDK.

shop.py PROTOCOL ENDPOINT TEMPORALITY INSTANCE: sends two rounds of the same measurements, a second apart. Requests are
served in spans, so that the SDK sends exemplars of what is measured in them.
"""

import sys
import time

from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    MeterProvider,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator


class CountedIds(IdGenerator):
    """The first span is span 1 of trace 1, the second span 2 of trace 2; each repeats its number to the full length."""

    trace = span = 0

    def generate_trace_id(self):
        self.trace += 1
        return int(f"{self.trace:02x}" * 16, 16)

    def generate_span_id(self):
        self.span += 1
        return int(f"{self.span:02x}" * 8, 16)


protocol, endpoint, temporality, instance = sys.argv[1:]

if temporality == "delta":
    delta, cumulative = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE
    preferred = {
        Counter: delta,
        Histogram: delta,
        ObservableCounter: delta,
        ObservableGauge: cumulative,
        ObservableUpDownCounter: cumulative,
        UpDownCounter: cumulative,
    }
else:
    preferred = {}

if protocol == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from grpc import Compression

    exporter = OTLPMetricExporter(
        endpoint, insecure=True, compression=Compression.Gzip, preferred_temporality=preferred
    )
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    exporter = OTLPMetricExporter(
        endpoint + "/v1/metrics", compression=Compression.Gzip, preferred_temporality=preferred
    )

resource = Resource(
    {
        "service.name": "checkout",
        "service.namespace": "shop",
        "service.instance.id": instance,
        "service.version": "1.2.3",
        "host.arch": "amd64",
    }
)
provider = MeterProvider(
    metric_readers=[PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)],
    resource=resource,
    views=[View(instrument_name="payload.size", aggregation=ExponentialBucketHistogramAggregation())],
)
meter = provider.get_meter("shop", "0.1")
tracer = TracerProvider(id_generator=CountedIds()).get_tracer("shop")

requests = meter.create_counter("http.server.requests", "{request}", "Requests served.")
queue = meter.create_up_down_counter("queue.length", "{item}", "Items that wait.")
duration = meter.create_histogram(
    "http.server.request.duration", "s", explicit_bucket_boundaries_advisory=[0.1, 1, 10]
)
size = meter.create_histogram("payload.size", "By")
meter.create_observable_gauge("cpu.utilization", [lambda _: [Observation(0.25)]], "1")

attributes = {"http.route": "/cart", "http.response.status_code": 200}
for _ in range(2):
    with tracer.start_as_current_span("serve"):
        requests.add(5, attributes)
        requests.add(3, attributes)
        for seconds in [0.05, 0.5, 5, 50]:
            duration.record(seconds, attributes)
    queue.add(4)
    queue.add(-1)
    for bytes_sent in range(1, 101):
        size.record(bytes_sent)
    if not provider.force_flush():
        sys.exit("the metrics were not taken")
    time.sleep(1.1)
provider.shutdown()
