//! Data points of all kinds.

use chronoxide_protobuf::{Reader, Tag, WireType, zigzag32};

use super::Walk;
use crate::Result;
use crate::memory::Memory;
use crate::translator::Translator;
use crate::view::{
    Buckets, ExemplarView, ExplicitHistogram, ExponentialHistogram, MetricKind, Number, Point,
    Summary,
};
use crate::walk::attribute::read_attribute;

/// How many exemplars of one data point are looked at; the others are counted as dropped.
const EXEMPLARS_MAX: usize = 1024;

/// How many attributes of an exemplar are looked at; so many never fit.
const EXEMPLAR_ATTRIBUTES_MAX: usize = 256;

/// Columns of numbers, reused from point to point.
#[derive(Default)]
pub(super) struct Numbers {
    /// Bytes of memory taken for them.
    taken: usize,
    counts: Vec<u64>,
    negative_counts: Vec<u64>,
    bounds: Vec<f64>,
    quantiles: Vec<(f64, f64)>,
}

impl Numbers {
    /// Takes memory for what the columns have grown to.
    fn take(&mut self, memory: &Memory<'_>) -> Result<()> {
        let words =
            self.counts.capacity() + self.negative_counts.capacity() + self.bounds.capacity();
        let bytes = 8 * words + 16 * self.quantiles.capacity();
        let growth = bytes.saturating_sub(self.taken);
        self.taken += growth;
        memory.take(growth)
    }
}

/// The numbers of fields that mean the same in every kind of data point; 0 for those a kind lacks.
struct Layout {
    attributes: u32,
    exemplars: u32,
    flags: u32,
}

/// What a point has in common with all others.
#[derive(Clone, Copy, Default)]
struct Head {
    start_ns: u64,
    time_ns: u64,
    flags: u32,
}

impl<'a> Walk<'a> {
    pub(super) fn point(
        &mut self,
        kind: MetricKind,
        message: Reader<'a>,
        translator: &mut Translator<'_>,
    ) -> Result<()> {
        self.attributes.clear();
        self.exemplars.clear();
        match kind {
            MetricKind::Gauge | MetricKind::Sum { .. } => self.number(kind, message, translator),
            MetricKind::Histogram { .. } => self.histogram(message, translator),
            MetricKind::ExponentialHistogram { .. } => self.exponential(message, translator),
            MetricKind::Summary => self.summary(message, translator),
        }
    }

    /// Reads a field that all kinds of points have; answers whether `tag` is one.
    #[inline]
    fn shared(
        &mut self,
        message: &mut Reader<'a>,
        tag: Tag,
        layout: &Layout,
        head: &mut Head,
        translator: &mut Translator<'_>,
    ) -> Result<bool> {
        let expected = match tag.field {
            2 | 3 => WireType::Fixed64,
            field if field == layout.flags => WireType::Varint,
            field if field == layout.attributes || field == layout.exemplars => WireType::Bytes,
            _ => return Ok(false),
        };
        message.expect(tag, expected)?;
        match tag.field {
            2 => head.start_ns = message.fixed64()?,
            3 => head.time_ns = message.fixed64()?,
            field if field == layout.flags => head.flags = message.varint()? as u32,
            field if field == layout.attributes => self.attribute(message)?,
            _ => {
                let exemplar = read_exemplar(message.message("Exemplar")?, self.memory)?;
                if self.exemplars.len() < EXEMPLARS_MAX {
                    self.exemplars.push(exemplar);
                } else {
                    translator.report.exemplars_dropped += 1;
                }
            }
        }
        Ok(true)
    }

    fn number(
        &mut self,
        kind: MetricKind,
        mut message: Reader<'a>,
        translator: &mut Translator<'_>,
    ) -> Result<()> {
        const LAYOUT: Layout = Layout {
            attributes: 7,
            exemplars: 5,
            flags: 8,
        };
        let mut head = Head::default();
        // Prometheus reads a missing value as zero.
        let mut value = Number::Integer(0);
        while !message.is_at_end() {
            let tag = message.tag()?;
            match tag.field {
                4 | 6 => {
                    message.expect(tag, WireType::Fixed64)?;
                    let bits = message.fixed64()?;
                    value = if tag.field == 4 {
                        Number::Double(f64::from_bits(bits))
                    } else {
                        Number::Integer(bits as i64)
                    };
                }
                _ if self.shared(&mut message, tag, &LAYOUT, &mut head, translator)? => {}
                _ => message.skip(tag.wire)?,
            }
        }
        translator.number_point(kind, &mut self.shown(head), value);
        Ok(())
    }

    fn histogram(
        &mut self,
        mut message: Reader<'a>,
        translator: &mut Translator<'_>,
    ) -> Result<()> {
        const LAYOUT: Layout = Layout {
            attributes: 9,
            exemplars: 8,
            flags: 10,
        };
        let mut numbers = std::mem::take(&mut self.numbers);
        numbers.counts.clear();
        numbers.bounds.clear();
        let (mut head, mut count, mut sum) = (Head::default(), 0, None);
        while !message.is_at_end() {
            let tag = message.tag()?;
            match tag.field {
                4 | 5 | 11 | 12 => {
                    message.expect(tag, WireType::Fixed64)?;
                    let bits = message.fixed64()?;
                    match tag.field {
                        4 => count = bits,
                        5 => sum = Some(f64::from_bits(bits)),
                        _ => {}
                    }
                }
                6 => message.repeated(
                    tag,
                    WireType::Fixed64,
                    &mut numbers.counts,
                    Reader::fixed64,
                )?,
                7 => {
                    message.repeated(tag, WireType::Fixed64, &mut numbers.bounds, Reader::double)?
                }
                _ if self.shared(&mut message, tag, &LAYOUT, &mut head, translator)? => {}
                _ => message.skip(tag.wire)?,
            }
        }
        numbers.take(self.memory)?;
        let histogram = ExplicitHistogram {
            count,
            sum,
            bucket_counts: &numbers.counts,
            bounds: &numbers.bounds,
        };
        translator.histogram_point(&mut self.shown(head), histogram);
        self.numbers = numbers;
        Ok(())
    }

    fn exponential(
        &mut self,
        mut message: Reader<'a>,
        translator: &mut Translator<'_>,
    ) -> Result<()> {
        const LAYOUT: Layout = Layout {
            attributes: 1,
            exemplars: 11,
            flags: 10,
        };
        let mut numbers = std::mem::take(&mut self.numbers);
        numbers.counts.clear();
        numbers.negative_counts.clear();
        let (mut head, mut offset, mut negative_offset) = (Head::default(), 0, 0);
        let mut histogram = ExponentialHistogram {
            count: 0,
            sum: None,
            scale: 0,
            zero_count: 0,
            zero_threshold: 0.0,
            positive: Buckets::default(),
            negative: Buckets::default(),
        };
        while !message.is_at_end() {
            let tag = message.tag()?;
            match tag.field {
                4 | 5 | 7 | 12 | 13 | 14 => {
                    message.expect(tag, WireType::Fixed64)?;
                    let bits = message.fixed64()?;
                    match tag.field {
                        4 => histogram.count = bits,
                        5 => histogram.sum = Some(f64::from_bits(bits)),
                        7 => histogram.zero_count = bits,
                        14 => histogram.zero_threshold = f64::from_bits(bits),
                        _ => {}
                    }
                }
                6 => {
                    message.expect(tag, WireType::Varint)?;
                    histogram.scale = zigzag32(message.varint()?);
                }
                8 => read_buckets(&mut message, tag, &mut offset, &mut numbers.counts)?,
                9 => read_buckets(
                    &mut message,
                    tag,
                    &mut negative_offset,
                    &mut numbers.negative_counts,
                )?,
                _ if self.shared(&mut message, tag, &LAYOUT, &mut head, translator)? => {}
                _ => message.skip(tag.wire)?,
            }
        }
        numbers.take(self.memory)?;
        histogram.positive = Buckets {
            offset,
            counts: &numbers.counts,
        };
        histogram.negative = Buckets {
            offset: negative_offset,
            counts: &numbers.negative_counts,
        };
        translator.exponential_point(&mut self.shown(head), histogram);
        self.numbers = numbers;
        Ok(())
    }

    fn summary(&mut self, mut message: Reader<'a>, translator: &mut Translator<'_>) -> Result<()> {
        const LAYOUT: Layout = Layout {
            attributes: 7,
            exemplars: 0,
            flags: 8,
        };
        let mut numbers = std::mem::take(&mut self.numbers);
        numbers.quantiles.clear();
        let (mut head, mut count, mut sum) = (Head::default(), 0, 0.0);
        while !message.is_at_end() {
            let tag = message.tag()?;
            match tag.field {
                4 | 5 => {
                    message.expect(tag, WireType::Fixed64)?;
                    if tag.field == 4 {
                        count = message.fixed64()?;
                    } else {
                        sum = message.double()?;
                    }
                }
                6 => {
                    message.repeated(tag, WireType::Bytes, &mut numbers.quantiles, read_quantile)?
                }
                _ if self.shared(&mut message, tag, &LAYOUT, &mut head, translator)? => {}
                _ => message.skip(tag.wire)?,
            }
        }
        numbers.take(self.memory)?;
        let summary = Summary {
            count,
            sum,
            quantiles: &numbers.quantiles,
        };
        translator.summary_point(&mut self.shown(head), summary);
        self.numbers = numbers;
        Ok(())
    }

    /// The point that has been read.
    fn shown(&mut self, head: Head) -> Point<'a, '_> {
        Point {
            attributes: &mut self.attributes,
            start_ns: head.start_ns,
            time_ns: head.time_ns,
            flags: head.flags,
            exemplars: &self.exemplars,
        }
    }
}

fn read_quantile(message: &mut Reader<'_>) -> Result<(f64, f64)> {
    let mut pair = message.message("ValueAtQuantile")?;
    let (mut quantile, mut value) = (0.0, 0.0);
    while let Some(field) =
        pair.field(|field| matches!(field, 1 | 2).then_some(WireType::Fixed64))?
    {
        if field == 1 {
            quantile = pair.double()?;
        } else {
            value = pair.double()?;
        }
    }
    Ok((quantile, value))
}

fn read_buckets(
    message: &mut Reader<'_>,
    tag: Tag,
    offset: &mut i32,
    counts: &mut Vec<u64>,
) -> Result<()> {
    message.expect(tag, WireType::Bytes)?;
    let mut buckets = message.message("Buckets")?;
    while !buckets.is_at_end() {
        let tag = buckets.tag()?;
        match tag.field {
            1 => {
                buckets.expect(tag, WireType::Varint)?;
                *offset = zigzag32(buckets.varint()?);
            }
            2 => buckets.repeated(tag, WireType::Varint, counts, Reader::varint)?,
            _ => buckets.skip(tag.wire)?,
        }
    }
    Ok(())
}

fn read_exemplar<'a>(mut message: Reader<'a>, memory: &Memory<'_>) -> Result<ExemplarView<'a>> {
    let kinds = |field| match field {
        2 | 3 | 6 => Some(WireType::Fixed64),
        4 | 5 | 7 => Some(WireType::Bytes),
        _ => None,
    };
    let mut exemplar = ExemplarView {
        time_ns: 0,
        value: None,
        trace_id: &[],
        span_id: &[],
        attributes: Vec::new(),
    };
    while let Some(field) = message.field(kinds)? {
        match field {
            2 => exemplar.time_ns = message.fixed64()?,
            3 => exemplar.value = Some(message.double()?),
            4 => exemplar.span_id = message.bytes()?,
            5 => exemplar.trace_id = message.bytes()?,
            6 => exemplar.value = Some(message.fixed64()? as i64 as f64),
            _ => {
                let attribute = read_attribute(message.message("KeyValue")?, memory)?;
                if exemplar.attributes.len() < EXEMPLAR_ATTRIBUTES_MAX {
                    exemplar.attributes.push(attribute);
                }
            }
        }
    }
    Ok(exemplar)
}
