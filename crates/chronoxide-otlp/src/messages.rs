//! prost's messages as the views that the translator reads.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue as AnyValueMessage, KeyValue};
use opentelemetry_proto::tonic::metrics::v1 as proto;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets as BucketsMessage;

use crate::Result;
use crate::memory::Memory;
use crate::translator::Translator;
use crate::view::{
    Attribute, Buckets, ExemplarView, ExplicitHistogram, ExponentialHistogram, Metric, MetricKind,
    Number, Point, Scope, Summary, Temporality, Value,
};

/// Shows all of `request` to `translator`.
///
/// # Errors
/// When there is no `memory` left for what it comes to.
pub(crate) fn show<'a>(
    request: &'a ExportMetricsServiceRequest,
    memory: &'a Memory<'a>,
    translator: &mut Translator<'_>,
) -> Result<()> {
    let mut scratch = Scratch {
        memory,
        attributes: Vec::new(),
        exemplars: Vec::new(),
        quantiles: Vec::new(),
    };
    for resource_metrics in &request.resource_metrics {
        let resource = resource_metrics.resource.as_ref();
        let attributes = resource.map_or(&[][..], |resource| &resource.attributes);
        translator.begin_resource(scratch.attributes(attributes));
        for scope_metrics in &resource_metrics.scope_metrics {
            let scope = scope_metrics.scope.as_ref();
            let attributes = scope.map_or(&[][..], |scope| &scope.attributes);
            translator.begin_scope(&mut Scope {
                name: scope.map_or("", |scope| &scope.name),
                version: scope.map_or("", |scope| &scope.version),
                schema_url: &scope_metrics.schema_url,
                attributes: scratch.attributes(attributes),
            });
            for metric in &scope_metrics.metrics {
                show_metric(metric, translator, &mut scratch)?;
            }
        }
        translator.end_resource();
        memory.check()?;
    }
    Ok(())
}

/// Rows of views, reused from point to point.
struct Scratch<'a> {
    memory: &'a Memory<'a>,
    attributes: Vec<Attribute<'a>>,
    exemplars: Vec<ExemplarView<'a>>,
    quantiles: Vec<(f64, f64)>,
}

impl<'a> Scratch<'a> {
    fn attributes(&mut self, attributes: &'a [KeyValue]) -> &mut [Attribute<'a>] {
        self.attributes.clear();
        self.attributes.extend(attributes.iter().map(attribute));
        &mut self.attributes
    }

    fn point(
        &mut self,
        attributes: &'a [KeyValue],
        times: (u64, u64),
        flags: u32,
        exemplars: &'a [proto::Exemplar],
    ) -> Point<'a, '_> {
        self.attributes.clear();
        self.attributes.extend(attributes.iter().map(attribute));
        self.exemplars.clear();
        self.exemplars.extend(exemplars.iter().map(exemplar));
        Point {
            attributes: &mut self.attributes,
            start_ns: times.0,
            time_ns: times.1,
            flags,
            exemplars: &self.exemplars,
        }
    }
}

fn show_metric<'a>(
    metric: &'a proto::Metric,
    translator: &mut Translator<'_>,
    scratch: &mut Scratch<'a>,
) -> Result<()> {
    use proto::metric::Data;
    let Some(data) = &metric.data else {
        translator.metric_without_data(&metric.name);
        return Ok(());
    };
    let kind = kind(data);
    translator.begin_metric(&Metric {
        name: &metric.name,
        description: &metric.description,
        unit: &metric.unit,
        kind,
        type_hint: type_hint(&metric.metadata),
    });
    match data {
        Data::Gauge(gauge) => show_numbers(kind, &gauge.data_points, translator, scratch)?,
        Data::Sum(sum) => show_numbers(kind, &sum.data_points, translator, scratch)?,
        Data::Histogram(histogram) => {
            for point in &histogram.data_points {
                show_histogram(point, translator, scratch);
                scratch.memory.check()?;
            }
        }
        Data::ExponentialHistogram(histogram) => {
            for point in &histogram.data_points {
                show_exponential(point, translator, scratch);
                scratch.memory.check()?;
            }
        }
        Data::Summary(summary) => {
            for point in &summary.data_points {
                show_summary(point, translator, scratch);
                scratch.memory.check()?;
            }
        }
    }
    scratch.memory.check()
}

fn kind(data: &proto::metric::Data) -> MetricKind {
    use proto::metric::Data;
    match data {
        Data::Gauge(_) => MetricKind::Gauge,
        Data::Sum(sum) => MetricKind::Sum {
            temporality: Temporality::from_number(sum.aggregation_temporality),
            monotonic: sum.is_monotonic,
        },
        Data::Histogram(histogram) => MetricKind::Histogram {
            temporality: Temporality::from_number(histogram.aggregation_temporality),
        },
        Data::ExponentialHistogram(histogram) => MetricKind::ExponentialHistogram {
            temporality: Temporality::from_number(histogram.aggregation_temporality),
        },
        Data::Summary(_) => MetricKind::Summary,
    }
}

fn type_hint(metadata: &[KeyValue]) -> &str {
    let hint = metadata
        .iter()
        .rfind(|entry| entry.key == "prometheus.type");
    match hint.and_then(|entry| entry.value.as_ref()?.value.as_ref()) {
        Some(AnyValue::StringValue(text)) => text,
        _ => "",
    }
}

fn show_numbers<'a>(
    kind: MetricKind,
    points: &'a [proto::NumberDataPoint],
    translator: &mut Translator<'_>,
    scratch: &mut Scratch<'a>,
) -> Result<()> {
    use proto::number_data_point::Value;
    for point in points {
        let value = match point.value {
            Some(Value::AsInt(value)) => Number::Integer(value),
            Some(Value::AsDouble(value)) => Number::Double(value),
            // Prometheus reads a missing value as zero.
            None => Number::Integer(0),
        };
        let times = (point.start_time_unix_nano, point.time_unix_nano);
        let mut point = scratch.point(&point.attributes, times, point.flags, &point.exemplars);
        translator.number_point(kind, &mut point, value);
        scratch.memory.check()?;
    }
    Ok(())
}

fn show_histogram<'a>(
    point: &'a proto::HistogramDataPoint,
    translator: &mut Translator<'_>,
    scratch: &mut Scratch<'a>,
) {
    let histogram = ExplicitHistogram {
        count: point.count,
        sum: point.sum,
        bucket_counts: &point.bucket_counts,
        bounds: &point.explicit_bounds,
    };
    let times = (point.start_time_unix_nano, point.time_unix_nano);
    let mut point = scratch.point(&point.attributes, times, point.flags, &point.exemplars);
    translator.histogram_point(&mut point, histogram);
}

fn show_exponential<'a>(
    point: &'a proto::ExponentialHistogramDataPoint,
    translator: &mut Translator<'_>,
    scratch: &mut Scratch<'a>,
) {
    let histogram = ExponentialHistogram {
        count: point.count,
        sum: point.sum,
        scale: point.scale,
        zero_count: point.zero_count,
        zero_threshold: point.zero_threshold,
        positive: buckets(point.positive.as_ref()),
        negative: buckets(point.negative.as_ref()),
    };
    let times = (point.start_time_unix_nano, point.time_unix_nano);
    let mut point = scratch.point(&point.attributes, times, point.flags, &point.exemplars);
    translator.exponential_point(&mut point, histogram);
}

fn buckets(buckets: Option<&BucketsMessage>) -> Buckets<'_> {
    buckets.map_or_else(Buckets::default, |buckets| Buckets {
        offset: buckets.offset,
        counts: &buckets.bucket_counts,
    })
}

fn show_summary<'a>(
    point: &'a proto::SummaryDataPoint,
    translator: &mut Translator<'_>,
    scratch: &mut Scratch<'a>,
) {
    let mut quantiles = std::mem::take(&mut scratch.quantiles);
    quantiles.clear();
    let pairs = point.quantile_values.iter();
    quantiles.extend(pairs.map(|pair| (pair.quantile, pair.value)));
    let summary = Summary {
        count: point.count,
        sum: point.sum,
        quantiles: &quantiles,
    };
    let times = (point.start_time_unix_nano, point.time_unix_nano);
    let mut point = scratch.point(&point.attributes, times, point.flags, &[]);
    translator.summary_point(&mut point, summary);
    scratch.quantiles = quantiles;
}

fn exemplar(exemplar: &proto::Exemplar) -> ExemplarView<'_> {
    use proto::exemplar::Value;
    ExemplarView {
        time_ns: exemplar.time_unix_nano,
        value: exemplar.value.map(|value| match value {
            Value::AsDouble(value) => value,
            Value::AsInt(value) => value as f64,
        }),
        trace_id: &exemplar.trace_id,
        span_id: &exemplar.span_id,
        attributes: exemplar.filtered_attributes.iter().map(attribute).collect(),
    }
}

fn attribute(entry: &KeyValue) -> Attribute<'_> {
    Attribute {
        key: &entry.key,
        value: entry.value.as_ref().map_or(Value::Empty, value),
    }
}

fn value(message: &AnyValueMessage) -> Value<'_> {
    match &message.value {
        // An index into a table that only profiles have says nothing here.
        None | Some(AnyValue::StringValueStrindex(_)) => Value::Empty,
        Some(AnyValue::StringValue(text)) => Value::Text(text),
        Some(AnyValue::BoolValue(value)) => Value::Bool(*value),
        Some(AnyValue::IntValue(value)) => Value::Integer(*value),
        Some(AnyValue::DoubleValue(value)) => Value::Double(*value),
        Some(AnyValue::BytesValue(bytes)) => Value::Bytes(bytes),
        Some(AnyValue::ArrayValue(array)) => Value::Array(array.values.iter().map(value).collect()),
        Some(AnyValue::KvlistValue(map)) => Value::Map(map.values.iter().map(attribute).collect()),
    }
}
