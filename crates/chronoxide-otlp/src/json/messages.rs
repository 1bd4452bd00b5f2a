//! The fields of OTLP's messages.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value,
};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
    SummaryDataPoint, exemplar, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde::de::MapAccess;

use super::object::{Field, Fields};
use super::scalars::{Base64, Double, Enumeration, Id, Signed32, Signed64, Unsigned32, Unsigned64};

/// Lists the fields of a message: for each JSON key, what to do with its value.
macro_rules! fields {
    ($message:ty as $name:literal, |$this:ident, $value:ident| { $($key:literal => $read:expr,)+ }) => {
        impl Fields for $message {
            const NAME: &'static str = $name;

            fn read<'de, A: MapAccess<'de>>(
                &mut self,
                key: &str,
                $value: Field<'_, A>,
            ) -> Result<bool, A::Error> {
                let $this = self;
                match key {
                    $($key => $read,)+
                    _ => Ok(false),
                }
            }
        }
    };
}

/// Puts a value into a oneof: the last one that is not null stands.
fn choose<T, S>(slot: &mut Option<S>, value: Option<T>, variant: impl Fn(T) -> S) -> bool {
    if let Some(value) = value {
        *slot = Some(variant(value));
    }
    true
}

fn put<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    *slot = value;
    true
}

fields!(ExportMetricsServiceRequest as "the request", |this, value| {
    "resourceMetrics" => value.messages(&mut this.resource_metrics),
});

fields!(ResourceMetrics as "resource metrics", |this, value| {
    "resource" => Ok(put(&mut this.resource, value.message()?)),
    "scopeMetrics" => value.messages(&mut this.scope_metrics),
    "schemaUrl" => value.set::<String, _>(&mut this.schema_url),
});

fields!(Resource as "a resource", |this, value| {
    "attributes" => value.messages(&mut this.attributes),
    "droppedAttributesCount" => value.set::<Unsigned32, _>(&mut this.dropped_attributes_count),
});

fields!(ScopeMetrics as "scope metrics", |this, value| {
    "scope" => Ok(put(&mut this.scope, value.message()?)),
    "metrics" => value.messages(&mut this.metrics),
    "schemaUrl" => value.set::<String, _>(&mut this.schema_url),
});

fields!(InstrumentationScope as "a scope", |this, value| {
    "name" => value.set::<String, _>(&mut this.name),
    "version" => value.set::<String, _>(&mut this.version),
    "attributes" => value.messages(&mut this.attributes),
    "droppedAttributesCount" => value.set::<Unsigned32, _>(&mut this.dropped_attributes_count),
});

fields!(Metric as "a metric", |this, value| {
    "name" => value.set::<String, _>(&mut this.name),
    "description" => value.set::<String, _>(&mut this.description),
    "unit" => value.set::<String, _>(&mut this.unit),
    "metadata" => value.messages(&mut this.metadata),
    "gauge" => Ok(choose(&mut this.data, value.message()?, metric::Data::Gauge)),
    "sum" => Ok(choose(&mut this.data, value.message()?, metric::Data::Sum)),
    "histogram" => Ok(choose(&mut this.data, value.message()?, metric::Data::Histogram)),
    "exponentialHistogram" =>
        Ok(choose(&mut this.data, value.message()?, metric::Data::ExponentialHistogram)),
    "summary" => Ok(choose(&mut this.data, value.message()?, metric::Data::Summary)),
});

fields!(Gauge as "a gauge", |this, value| {
    "dataPoints" => value.messages(&mut this.data_points),
});

fields!(Sum as "a sum", |this, value| {
    "dataPoints" => value.messages(&mut this.data_points),
    "aggregationTemporality" => value.set::<Enumeration, _>(&mut this.aggregation_temporality),
    "isMonotonic" => value.set::<bool, _>(&mut this.is_monotonic),
});

fields!(Histogram as "a histogram", |this, value| {
    "dataPoints" => value.messages(&mut this.data_points),
    "aggregationTemporality" => value.set::<Enumeration, _>(&mut this.aggregation_temporality),
});

fields!(ExponentialHistogram as "an exponential histogram", |this, value| {
    "dataPoints" => value.messages(&mut this.data_points),
    "aggregationTemporality" => value.set::<Enumeration, _>(&mut this.aggregation_temporality),
});

fields!(Summary as "a summary", |this, value| {
    "dataPoints" => value.messages(&mut this.data_points),
});

fields!(NumberDataPoint as "a number data point", |this, value| {
    "attributes" => value.messages(&mut this.attributes),
    "startTimeUnixNano" => value.set::<Unsigned64, _>(&mut this.start_time_unix_nano),
    "timeUnixNano" => value.set::<Unsigned64, _>(&mut this.time_unix_nano),
    "asDouble" => Ok(choose(&mut this.value, value.get::<Double>()?, |value| {
        number_data_point::Value::AsDouble(value.into())
    })),
    "asInt" => Ok(choose(&mut this.value, value.get::<Signed64>()?, |value| {
        number_data_point::Value::AsInt(value.into())
    })),
    "exemplars" => value.messages(&mut this.exemplars),
    "flags" => value.set::<Unsigned32, _>(&mut this.flags),
});

fields!(HistogramDataPoint as "a histogram data point", |this, value| {
    "attributes" => value.messages(&mut this.attributes),
    "startTimeUnixNano" => value.set::<Unsigned64, _>(&mut this.start_time_unix_nano),
    "timeUnixNano" => value.set::<Unsigned64, _>(&mut this.time_unix_nano),
    "count" => value.set::<Unsigned64, _>(&mut this.count),
    "sum" => value.set::<Double, _>(&mut this.sum),
    "bucketCounts" => value.scalars::<Unsigned64, _>(&mut this.bucket_counts),
    "explicitBounds" => value.scalars::<Double, _>(&mut this.explicit_bounds),
    "exemplars" => value.messages(&mut this.exemplars),
    "flags" => value.set::<Unsigned32, _>(&mut this.flags),
    "min" => value.set::<Double, _>(&mut this.min),
    "max" => value.set::<Double, _>(&mut this.max),
});

fields!(ExponentialHistogramDataPoint as "an exponential histogram data point", |this, value| {
    "attributes" => value.messages(&mut this.attributes),
    "startTimeUnixNano" => value.set::<Unsigned64, _>(&mut this.start_time_unix_nano),
    "timeUnixNano" => value.set::<Unsigned64, _>(&mut this.time_unix_nano),
    "count" => value.set::<Unsigned64, _>(&mut this.count),
    "sum" => value.set::<Double, _>(&mut this.sum),
    "scale" => value.set::<Signed32, _>(&mut this.scale),
    "zeroCount" => value.set::<Unsigned64, _>(&mut this.zero_count),
    "positive" => Ok(put(&mut this.positive, value.message()?)),
    "negative" => Ok(put(&mut this.negative, value.message()?)),
    "flags" => value.set::<Unsigned32, _>(&mut this.flags),
    "exemplars" => value.messages(&mut this.exemplars),
    "min" => value.set::<Double, _>(&mut this.min),
    "max" => value.set::<Double, _>(&mut this.max),
    "zeroThreshold" => value.set::<Double, _>(&mut this.zero_threshold),
});

fields!(Buckets as "buckets", |this, value| {
    "offset" => value.set::<Signed32, _>(&mut this.offset),
    "bucketCounts" => value.scalars::<Unsigned64, _>(&mut this.bucket_counts),
});

fields!(SummaryDataPoint as "a summary data point", |this, value| {
    "attributes" => value.messages(&mut this.attributes),
    "startTimeUnixNano" => value.set::<Unsigned64, _>(&mut this.start_time_unix_nano),
    "timeUnixNano" => value.set::<Unsigned64, _>(&mut this.time_unix_nano),
    "count" => value.set::<Unsigned64, _>(&mut this.count),
    "sum" => value.set::<Double, _>(&mut this.sum),
    "quantileValues" => value.messages(&mut this.quantile_values),
    "flags" => value.set::<Unsigned32, _>(&mut this.flags),
});

fields!(ValueAtQuantile as "a quantile", |this, value| {
    "quantile" => value.set::<Double, _>(&mut this.quantile),
    "value" => value.set::<Double, _>(&mut this.value),
});

fields!(Exemplar as "an exemplar", |this, value| {
    "filteredAttributes" => value.messages(&mut this.filtered_attributes),
    "timeUnixNano" => value.set::<Unsigned64, _>(&mut this.time_unix_nano),
    "asDouble" => Ok(choose(&mut this.value, value.get::<Double>()?, |value| {
        exemplar::Value::AsDouble(value.into())
    })),
    "asInt" => Ok(choose(&mut this.value, value.get::<Signed64>()?, |value| {
        exemplar::Value::AsInt(value.into())
    })),
    "spanId" => value.set::<Id, _>(&mut this.span_id),
    "traceId" => value.set::<Id, _>(&mut this.trace_id),
});

fields!(KeyValue as "an attribute", |this, value| {
    "key" => value.set::<String, _>(&mut this.key),
    "value" => Ok(put(&mut this.value, value.message()?)),
});

fields!(AnyValue as "an attribute's value", |this, value| {
    "stringValue" => Ok(choose(&mut this.value, value.get()?, any_value::Value::StringValue)),
    "boolValue" => Ok(choose(&mut this.value, value.get()?, any_value::Value::BoolValue)),
    "intValue" => Ok(choose(&mut this.value, value.get::<Signed64>()?, |value| {
        any_value::Value::IntValue(value.into())
    })),
    "doubleValue" => Ok(choose(&mut this.value, value.get::<Double>()?, |value| {
        any_value::Value::DoubleValue(value.into())
    })),
    "arrayValue" => Ok(choose(&mut this.value, value.message()?, any_value::Value::ArrayValue)),
    "kvlistValue" => Ok(choose(&mut this.value, value.message()?, any_value::Value::KvlistValue)),
    "bytesValue" => Ok(choose(&mut this.value, value.get::<Base64>()?, |value| {
        any_value::Value::BytesValue(value.0)
    })),
});

fields!(ArrayValue as "an array value", |this, value| {
    "values" => value.messages(&mut this.values),
});

fields!(KeyValueList as "a map value", |this, value| {
    "values" => value.messages(&mut this.values),
});
