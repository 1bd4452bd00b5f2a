//! How large labels may be that storage takes.

use crate::RefusalReason;
use crate::refusal::{Refusal, shortened};

/// How large labels may be: a data point beyond is refused before anything of it is copied.
///
/// They are those of the storage that the batch goes to, which would refuse its series anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelLimits {
    /// Labels of a series, its name included; default no limit.
    pub labels_max: usize,
    /// Bytes of a label's name; default 1 MiB.
    pub name_bytes_max: usize,
    /// Bytes of a label's value; default 1 MiB.
    pub value_bytes_max: usize,
    /// Bytes of all names and values of a series; default 1 MiB.
    pub bytes_max: usize,
}

impl Default for LabelLimits {
    fn default() -> Self {
        Self {
            labels_max: usize::MAX,
            name_bytes_max: 1 << 20,
            value_bytes_max: 1 << 20,
            bytes_max: 1 << 20,
        }
    }
}

impl LabelLimits {
    /// Checks labels that each have another name; those without a value do not count.
    pub(crate) fn check<'l>(
        &self,
        labels: impl Iterator<Item = (&'l str, &'l str)>,
    ) -> Result<(), Refusal> {
        let (mut count, mut bytes) = (0_usize, 0_usize);
        for (name, value) in labels.filter(|(_, value)| !value.is_empty()) {
            self.check_pair(name, value)?;
            count += 1;
            bytes += name.len() + value.len();
        }
        if count > self.labels_max {
            let detail = format!(
                "{count} labels, the limit is {}: drop attributes at the sender, promote fewer or raise the limit",
                self.labels_max
            );
            return Err(Refusal::new(RefusalReason::TooManyLabels, detail));
        }
        if bytes > self.bytes_max {
            let detail = format!(
                "names and values of its labels have {bytes} bytes together, the limit is {}: shorten or drop \
                 attributes at the sender or raise the limit",
                self.bytes_max
            );
            return Err(Refusal::new(RefusalReason::LabelsTooLong, detail));
        }
        Ok(())
    }

    pub(crate) fn check_pair(&self, name: &str, value: &str) -> Result<(), Refusal> {
        if name.len() > self.name_bytes_max {
            let detail = format!(
                "label name {:?} has {} bytes, the limit is {}: rename the attribute at the sender or raise the limit",
                shortened(name),
                name.len(),
                self.name_bytes_max
            );
            return Err(Refusal::new(RefusalReason::LabelNameTooLong, detail));
        }
        if value.len() > self.value_bytes_max {
            let detail = format!(
                "the value of label {:?} has {} bytes, the limit is {}: shorten or drop the attribute at the sender or \
                 raise the limit",
                shortened(name),
                value.len(),
                self.value_bytes_max
            );
            return Err(Refusal::new(RefusalReason::LabelValueTooLong, detail));
        }
        Ok(())
    }
}
