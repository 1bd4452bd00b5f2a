//! What many series have each, freed without keeping anybody waiting.

use std::ops::{Deref, DerefMut};

/// So many are freed in a few milliseconds.
const FEW: usize = 1 << 15;

/// One for each series, such as its labels. To free those of a million takes a tenth of a second, in which a query that was
/// cancelled would not end: another thread does it.
#[derive(Debug)]
pub(super) struct Many<T: Send + 'static>(Vec<T>);

impl<T: Send> Many<T> {
    /// Room for so many.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// All of them, freed by whoever takes them.
    pub(super) fn take(&mut self) -> Vec<T> {
        std::mem::take(&mut self.0)
    }
}

impl<T: Send> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Send> FromIterator<T> for Many<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

impl<T: Send> Deref for Many<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T: Send> DerefMut for Many<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<T: Send + 'static> Drop for Many<T> {
    fn drop(&mut self) {
        if self.0.len() <= FEW {
            return;
        }
        let all = self.take();
        let thread = std::thread::Builder::new().name("chronoxide-free".to_owned());
        // Without a thread they are freed here.
        let _ = thread.spawn(move || drop(all));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn all_are_freed_however_many_they_are() {
        for count in [1, FEW + 1] {
            let one = Arc::new(());
            let many: Many<Arc<()>> = (0..count).map(|_| Arc::clone(&one)).collect();
            assert_eq!(Arc::strong_count(&one), count + 1);
            drop(many);
            let begun = Instant::now();
            while Arc::strong_count(&one) > 1 {
                assert!(begun.elapsed() < Duration::from_secs(20), "{count}");
                std::thread::yield_now();
            }
        }
    }
}
