//! Requests in protobuf, walked in place: no message is built, strings stay where they are.
//!
//! Fields may come in any order, so messages whose head decides about their body are passed over twice, first for the
//! head; passing over a field costs no more than its length. What takes more room in memory than on the wire is
//! counted and bounded on the way.

mod attribute;
mod point;

use chronoxide_protobuf::{Reader, WireType};

use crate::Result;
use crate::memory::Memory;
use crate::translator::Translator;
use crate::view::{Attribute, ExemplarView, Metric, MetricKind, Scope, Temporality, Value};
use attribute::{read_attribute, read_plain};

/// Shows all of the request `body` to `translator`.
///
/// # Errors
/// When `body` is no `ExportMetricsServiceRequest`; the translator has seen a part of it then.
pub(crate) fn walk<'a>(
    body: &'a [u8],
    memory: &'a Memory<'a>,
    translator: &mut Translator<'_>,
) -> Result<()> {
    let mut walk = Walk {
        memory,
        attributes: Vec::new(),
        exemplars: Vec::new(),
        numbers: point::Numbers::default(),
    };
    let mut request = Reader::new(body, "ExportMetricsServiceRequest");
    while request.field(messages(&[1]))?.is_some() {
        walk.resource_metrics(request.message("ResourceMetrics")?, translator)?;
    }
    Ok(())
}

/// Fields that are all messages, texts or bytes.
fn messages(fields: &'static [u32]) -> impl Fn(u32) -> Option<WireType> {
    move |field| fields.contains(&field).then_some(WireType::Bytes)
}

/// Rows of views, reused from point to point.
struct Walk<'a> {
    memory: &'a Memory<'a>,
    attributes: Vec<Attribute<'a>>,
    exemplars: Vec<ExemplarView<'a>>,
    numbers: point::Numbers,
}

impl<'a> Walk<'a> {
    fn resource_metrics(
        &mut self,
        message: Reader<'a>,
        translator: &mut Translator<'_>,
    ) -> Result<()> {
        self.attributes.clear();
        let mut head = message.clone();
        while let Some(field) = head.field(messages(&[1, 2, 3]))? {
            match field {
                1 => self.resource(head.message("Resource")?)?,
                2 => head.skip(WireType::Bytes)?,
                _ => head.text().map(drop)?,
            }
        }
        translator.begin_resource(&mut self.attributes);
        let mut body = message;
        while body.field(messages(&[2]))?.is_some() {
            self.scope_metrics(body.message("ScopeMetrics")?, translator)?;
        }
        translator.end_resource();
        self.memory.check()
    }

    fn resource(&mut self, mut message: Reader<'a>) -> Result<()> {
        let kinds = |field| match field {
            1 | 3 => Some(WireType::Bytes),
            2 => Some(WireType::Varint),
            _ => None,
        };
        while let Some(field) = message.field(kinds)? {
            match field {
                1 => self.attribute(&mut message)?,
                2 => message.skip(WireType::Varint)?,
                _ => message.skip(WireType::Bytes)?,
            }
        }
        Ok(())
    }

    fn scope_metrics(
        &mut self,
        message: Reader<'a>,
        translator: &mut Translator<'_>,
    ) -> Result<()> {
        self.attributes.clear();
        let (mut name, mut version, mut schema_url) = ("", "", "");
        let mut head = message.clone();
        while let Some(field) = head.field(messages(&[1, 2, 3]))? {
            match field {
                1 => self.scope(
                    head.message("InstrumentationScope")?,
                    &mut name,
                    &mut version,
                )?,
                2 => head.skip(WireType::Bytes)?,
                _ => schema_url = head.text()?,
            }
        }
        translator.begin_scope(&mut Scope {
            name,
            version,
            schema_url,
            attributes: &mut self.attributes,
        });
        let mut body = message;
        while body.field(messages(&[2]))?.is_some() {
            self.metric(&body.message("Metric")?, translator)?;
        }
        Ok(())
    }

    fn scope(
        &mut self,
        mut message: Reader<'a>,
        name: &mut &'a str,
        version: &mut &'a str,
    ) -> Result<()> {
        let kinds = |field| match field {
            1..=3 => Some(WireType::Bytes),
            4 => Some(WireType::Varint),
            _ => None,
        };
        while let Some(field) = message.field(kinds)? {
            match field {
                1 => *name = message.text()?,
                2 => *version = message.text()?,
                3 => self.attribute(&mut message)?,
                _ => message.skip(WireType::Varint)?,
            }
        }
        Ok(())
    }

    fn metric(&mut self, message: &Reader<'a>, translator: &mut Translator<'_>) -> Result<()> {
        let head = MetricHead::read(message.clone(), self.memory)?;
        let Some((data_field, data)) = head.data else {
            translator.metric_without_data(head.name);
            return Ok(());
        };
        let kind = kind(data_field, &data)?;
        translator.begin_metric(&Metric {
            name: head.name,
            description: head.description,
            unit: head.unit,
            kind,
            type_hint: head.type_hint,
        });
        for_each_data(data_field, data, |mut message| {
            let kinds = data_kinds(data_field);
            while let Some(field) = message.field(&kinds)? {
                if field == 1 {
                    self.point(kind, message.message("data point")?, translator)?;
                    self.memory.check()?;
                } else {
                    message.varint()?;
                }
            }
            Ok(())
        })
    }

    /// Reads a field that is an attribute; those past what the translator takes are read and left out.
    #[inline]
    fn attribute(&mut self, message: &mut Reader<'a>) -> Result<()> {
        let mut ahead = message.clone();
        let attribute = match read_plain(ahead.bytes()?) {
            Some(attribute) => {
                *message = ahead;
                attribute
            }
            None => read_attribute(message.message("KeyValue")?, self.memory)?,
        };
        if self.attributes.len() <= crate::resource::ATTRIBUTES_MAX {
            self.attributes.push(attribute);
        }
        Ok(())
    }
}

/// A metric without its data points.
#[derive(Default)]
struct MetricHead<'a> {
    name: &'a str,
    description: &'a str,
    unit: &'a str,
    type_hint: &'a str,
    /// The number of the data field that counts, and the metric from its first occurrence on.
    data: Option<(u32, Reader<'a>)>,
}

impl<'a> MetricHead<'a> {
    fn read(mut message: Reader<'a>, memory: &Memory<'_>) -> Result<Self> {
        let mut head = Self::default();
        loop {
            let here = message.clone();
            let Some(field) = message.field(messages(&[1, 2, 3, 5, 7, 9, 10, 11, 12]))? else {
                return Ok(head);
            };
            match field {
                1 => head.name = message.text()?,
                2 => head.description = message.text()?,
                3 => head.unit = message.text()?,
                12 => head.metadata(read_attribute(message.message("KeyValue")?, memory)?),
                data => {
                    message.skip(WireType::Bytes)?;
                    // The last kind of data counts; what comes in several pieces of one kind is one.
                    if head.data.as_ref().is_none_or(|(field, _)| *field != data) {
                        head.data = Some((data, here));
                    }
                }
            }
        }
    }

    fn metadata(&mut self, entry: Attribute<'a>) {
        if entry.key == "prometheus.type" {
            self.type_hint = match entry.value {
                Value::Text(text) => text,
                _ => "",
            };
        }
    }
}

/// The fields of a metric's data: data points, temporality, monotony.
fn data_kinds(data_field: u32) -> impl Fn(u32) -> Option<WireType> {
    move |field| match (field, data_field) {
        (1, _) => Some(WireType::Bytes),
        (2, 7 | 9 | 10) | (3, 7) => Some(WireType::Varint),
        _ => None,
    }
}

/// Calls `read` with each piece of the data that begins with `message`.
fn for_each_data<'a>(
    data_field: u32,
    mut message: Reader<'a>,
    mut read: impl FnMut(Reader<'a>) -> Result<()>,
) -> Result<()> {
    while let Some(field) =
        message.field(|field| (field == data_field).then_some(WireType::Bytes))?
    {
        debug_assert_eq!(field, data_field, "other fields are skipped");
        read(message.message("metric data")?)?;
    }
    Ok(())
}

fn kind(data_field: u32, data: &Reader<'_>) -> Result<MetricKind> {
    let (mut temporality, mut monotonic) = (0, false);
    for_each_data(data_field, data.clone(), |mut message| {
        while let Some(field) = message.field(data_kinds(data_field))? {
            match field {
                1 => message.skip(WireType::Bytes)?,
                2 => temporality = message.varint()? as i32,
                _ => monotonic = message.varint()? != 0,
            }
        }
        Ok(())
    })?;
    let temporality = Temporality::from_number(temporality);
    Ok(match data_field {
        5 => MetricKind::Gauge,
        7 => MetricKind::Sum {
            temporality,
            monotonic,
        },
        9 => MetricKind::Histogram { temporality },
        10 => MetricKind::ExponentialHistogram { temporality },
        _ => MetricKind::Summary,
    })
}
