//! What was found damaged in a part while it was read.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// Damage in one part, noted from any thread.
///
/// Reads that touch it fail, others do not. It is logged once for each page, and merges leave the part alone, so that
/// what can still be read of it stays readable.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    found: AtomicBool,
    pages: Mutex<BTreeSet<u32>>,
}

/// Pages that are told apart; a part that has more is damaged beyond counting.
const PAGES_MAX: usize = 1024;

impl Damage {
    /// Whether anything was found damaged.
    pub(crate) fn is_damaged(&self) -> bool {
        self.found.load(Ordering::Relaxed)
    }

    /// How many data pages were found damaged.
    pub(crate) fn pages(&self) -> usize {
        self.pages.lock().len()
    }

    /// Notes that data page `page`, at byte `offset` of the file, is damaged.
    pub(super) fn note_page(&self, path: &Path, page: u32, offset: u64) {
        self.found.store(true, Ordering::Relaxed);
        let mut pages = self.pages.lock();
        if pages.len() < PAGES_MAX && pages.insert(page) {
            tracing::error!(
                part = %path.display(),
                page,
                offset,
                "a page of a part is damaged; queries that need it fail until the part is restored or removed"
            );
        }
    }

    /// Notes something else that is wrong.
    pub(super) fn note(&self, path: &Path, problem: &chronoxide_format::Error) {
        if !self.found.swap(true, Ordering::Relaxed) {
            tracing::error!(
                part = %path.display(),
                problem = problem as &dyn std::error::Error,
                "a part is damaged; queries that need what is damaged fail until the part is restored or removed"
            );
        }
    }
}
