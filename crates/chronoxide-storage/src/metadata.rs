//! Type, help and unit of metrics, by name.

use std::collections::BTreeMap;

use chronoxide_model::Metadata;
use parking_lot::RwLock;

/// What is known of each metric.
#[derive(Debug, Default)]
pub(crate) struct MetadataStore {
    by_name: RwLock<BTreeMap<String, Metadata>>,
}

impl MetadataStore {
    /// Those of `entries` that say something new.
    pub(crate) fn news(&self, entries: &[(String, Metadata)]) -> Vec<(String, Metadata)> {
        let known = self.by_name.read();
        let is_news = |(name, metadata): &&(String, Metadata)| known.get(name) != Some(metadata);
        entries.iter().filter(is_news).cloned().collect()
    }

    /// Takes over what is durable now.
    pub(crate) fn insert(&self, entries: impl IntoIterator<Item = (String, Metadata)>) {
        let mut entries = entries.into_iter().peekable();
        if entries.peek().is_some() {
            self.by_name.write().extend(entries);
        }
    }

    /// What is known of metric `name`.
    pub(crate) fn get(&self, name: &str) -> Option<Metadata> {
        self.by_name.read().get(name).cloned()
    }

    /// Everything known, by name.
    pub(crate) fn all(&self) -> Vec<(String, Metadata)> {
        let known = self.by_name.read();
        known
            .iter()
            .map(|(name, metadata)| (name.clone(), metadata.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_news_is_kept() {
        let store = MetadataStore::default();
        let entry = |help: &str| {
            let metadata = Metadata {
                help: help.to_owned(),
                ..Metadata::default()
            };
            ("up".to_owned(), metadata)
        };
        let news = store.news(&[entry("a")]);
        assert_eq!(news.len(), 1);
        store.insert(news);
        assert!(store.news(&[entry("a")]).is_empty());
        store.insert(store.news(&[entry("b")]));
        assert_eq!(store.get("up").unwrap().help, "b");
        assert_eq!(store.all().len(), 1);
        assert_eq!(store.get("down"), None);
    }
}
