//! What all series of one resource share: promoted attributes, `job`, `instance`, and `target_info`.

use crate::label_set::{Collision, LabelSet};
use crate::naming::LabelNamer;
use crate::view::Attribute;
use crate::{Options, RefusalReason, refusal::Refusal};

/// How many attributes a resource, a scope or a data point may have.
pub(crate) const ATTRIBUTES_MAX: usize = 1024;

/// How many bytes of label text a series may have, values joined on the way included.
pub(crate) const LABEL_BYTES_MAX: usize = 1 << 20;

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE_ID: &str = "service.instance.id";

/// Labels of one resource, and the times that its `target_info` has to cover.
#[derive(Debug, Default)]
pub(crate) struct Resource {
    pub(crate) promoted: LabelSet,
    job: String,
    instance: String,
    /// Labels of `target_info`, sorted; empty when it has nothing to say.
    pub(crate) target: LabelSet,
    /// Earliest and latest time of an accepted data point.
    pub(crate) times_ms: Option<(i64, i64)>,
    /// Why no data point of the resource can be taken.
    pub(crate) refusal: Option<Refusal>,
}

impl Resource {
    /// The resource with these attributes, and how many of them gave no label.
    pub(crate) fn new(
        attributes: &mut [Attribute<'_>],
        options: &Options,
        namer: &LabelNamer,
    ) -> (Self, u64) {
        let mut resource = Self::default();
        if let Err(refusal) = check_count(attributes.len(), "resource") {
            resource.refusal = Some(refusal);
            return (resource, 0);
        }
        sort_attributes(attributes);
        resource.job = match (
            text(attributes, SERVICE_NAMESPACE),
            text(attributes, SERVICE_NAME),
        ) {
            (_, name) if name.is_empty() => String::new(),
            (namespace, name) if namespace.is_empty() => name,
            (namespace, name) => format!("{namespace}/{name}"),
        };
        resource.instance = text(attributes, SERVICE_INSTANCE_ID);
        let mut dropped = 0;
        for attribute in unique(attributes) {
            if options.promote.includes(attribute.key)
                && !resource
                    .promoted
                    .add_attribute(namer, "", attribute, Collision::Replace)
            {
                dropped += 1;
            }
        }
        dropped += resource.fill_target(attributes, options, namer);
        let texts = [&resource.promoted, &resource.target].map(LabelSet::text_bytes);
        if let Err(refusal) = texts
            .into_iter()
            .try_for_each(|bytes| check_bytes(bytes, "resource"))
        {
            resource.refusal = Some(refusal);
        }
        // They stand in the keys of all its series.
        let shared = resource.promoted.iter().chain(resource.identity());
        let shared = options.label_limits.check(shared).err();
        resource.refusal = resource.refusal.or(shared);
        (resource, dropped)
    }

    fn fill_target(
        &mut self,
        attributes: &[Attribute<'_>],
        options: &Options,
        namer: &LabelNamer,
    ) -> u64 {
        let descriptive = attributes
            .iter()
            .any(|attribute| !is_identifying(attribute.key));
        if !descriptive || (self.job.is_empty() && self.instance.is_empty()) {
            return 0;
        }
        let mut dropped = 0;
        for attribute in unique(attributes) {
            if (options.keep_identifying_attributes || !is_identifying(attribute.key))
                && !self
                    .target
                    .add_attribute(namer, "", attribute, Collision::Join)
            {
                dropped += 1;
            }
        }
        let mut target = std::mem::take(&mut self.target);
        for (name, value) in self.identity() {
            target.set(name, value);
        }
        target.sort();
        self.target = target;
        dropped
    }

    /// `job` and `instance`, as far as there are.
    pub(crate) fn identity(&self) -> impl Iterator<Item = (&str, &str)> {
        let identity = [
            ("job", self.job.as_str()),
            ("instance", self.instance.as_str()),
        ];
        identity.into_iter().filter(|(_, value)| !value.is_empty())
    }

    /// Notes that an accepted data point has this time.
    pub(crate) fn note_time(&mut self, time_ms: i64) {
        self.times_ms = Some(match self.times_ms {
            None => (time_ms, time_ms),
            Some((first, last)) => (first.min(time_ms), last.max(time_ms)),
        });
    }
}

fn is_identifying(key: &str) -> bool {
    matches!(key, SERVICE_NAME | SERVICE_NAMESPACE | SERVICE_INSTANCE_ID)
}

/// The text of attribute `key`; empty when there is none.
fn text(attributes: &[Attribute<'_>], key: &str) -> String {
    let mut text = String::new();
    if let Some(attribute) = attributes.iter().rfind(|attribute| attribute.key == key) {
        attribute.value.write_text(&mut text);
    }
    text
}

/// Sorts attributes by key; equal keys keep their order.
pub(crate) fn sort_attributes(attributes: &mut [Attribute<'_>]) {
    if !attributes.is_sorted_by(|a, b| a.key <= b.key) {
        attributes.sort_by(|a, b| a.key.cmp(b.key));
    }
}

/// Sorted attributes without those that a later one of the same key replaces.
pub(crate) fn unique<'s, 'a>(
    attributes: &'s [Attribute<'a>],
) -> impl Iterator<Item = &'s Attribute<'a>> {
    attributes
        .iter()
        .enumerate()
        .filter_map(|(index, attribute)| {
            let replaced = attributes
                .get(index + 1)
                .is_some_and(|next| next.key == attribute.key);
            (!replaced).then_some(attribute)
        })
}

pub(crate) fn check_count(count: usize, place: &str) -> Result<(), Refusal> {
    if count <= ATTRIBUTES_MAX {
        return Ok(());
    }
    let detail = format!("the {place} has {count} attributes, the limit is {ATTRIBUTES_MAX}");
    Err(Refusal::new(RefusalReason::LabelsTooLarge, detail))
}

pub(crate) fn check_bytes(bytes: usize, place: &str) -> Result<(), Refusal> {
    if bytes <= LABEL_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("the {place} has {bytes} bytes of labels, the limit is {LABEL_BYTES_MAX}");
    Err(Refusal::new(RefusalReason::LabelsTooLarge, detail))
}
