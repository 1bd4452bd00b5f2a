//! Pages: the float samples of a batch, so many rows at a time, and those given back for the next batch.

use parking_lot::Mutex;

/// Rows of a page.
pub(super) const ROWS: usize = 4096;

/// Columns of [`ROWS`] float samples; which of them are in use its batch knows. Pages do not move as a batch grows,
/// as one column of all rows would again and again.
#[derive(Debug)]
pub(super) struct Page {
    times: Times,
    values: Box<[f64; ROWS]>,
    /// For each sample, the row in its batch of the one before it of the same series.
    previous: Box<[u32; ROWS]>,
    /// There once a sample of the page has had one; 0 when unknown.
    start_timestamps_ms: Option<Box<[i64; ROWS]>>,
}

/// Timestamps. Those of a page are seldom far from one another, and half as wide when they are not.
#[derive(Debug)]
enum Times {
    /// Milliseconds after the base.
    Near {
        base_ms: i64,
        offsets: Box<[u32; ROWS]>,
    },
    Far(Box<[i64; ROWS]>),
}

/// The base of a page is so far before its first sample.
const BEFORE_FIRST_MS: i64 = 1 << 31;

/// Bytes that a float sample takes, without a start timestamp.
pub(super) const FLOAT_BYTES: usize = 2 * size_of::<u32>() + size_of::<f64>();

impl Page {
    fn new() -> Self {
        Self {
            times: Times::Near {
                base_ms: 0,
                offsets: column(),
            },
            values: column(),
            previous: column(),
            start_timestamps_ms: None,
        }
    }

    /// Writes timestamps from row `at` on; row 0 is the first to be written.
    pub(super) fn write_times(&mut self, at: usize, timestamps_ms: &[i64]) {
        let (Some(min), Some(max)) = (timestamps_ms.iter().min(), timestamps_ms.iter().max())
        else {
            return;
        };
        if let Times::Near { base_ms, offsets } = &mut self.times {
            if at == 0 {
                *base_ms = timestamps_ms[0].saturating_sub(BEFORE_FIRST_MS);
            }
            let base_ms = *base_ms;
            if *min >= base_ms && max.saturating_sub(base_ms) <= i64::from(u32::MAX) {
                let rows = offsets[at..].iter_mut();
                for (offset, time) in rows.zip(timestamps_ms) {
                    *offset = (time - base_ms) as u32;
                }
                return;
            }
            let mut wide = column::<i64>();
            for (time, offset) in wide.iter_mut().zip(&offsets[..at]) {
                *time = base_ms + i64::from(*offset);
            }
            self.times = Times::Far(wide);
        }
        if let Times::Far(times) = &mut self.times {
            times[at..at + timestamps_ms.len()].copy_from_slice(timestamps_ms);
        }
    }

    /// Writes values from row `at` on.
    pub(super) fn write_values(&mut self, at: usize, values: &[f64]) {
        self.values[at..at + values.len()].copy_from_slice(values);
    }

    /// Writes start timestamps from row `at` on, one of 0 for each of `rows` when there are none.
    pub(super) fn write_starts(&mut self, at: usize, rows: usize, starts_ms: &[i64]) {
        if starts_ms.is_empty() {
            if let Some(column) = &mut self.start_timestamps_ms {
                column[at..at + rows].fill(0);
            }
            return;
        }
        let column = self.start_timestamps_ms.get_or_insert_with(column);
        column[at..at + rows].copy_from_slice(starts_ms);
    }

    /// The rows from `at` on that are to say which sample of their series came before.
    pub(super) fn previous_mut(&mut self, at: usize) -> &mut [u32] {
        &mut self.previous[at..]
    }

    pub(super) fn time(&self, row: usize) -> i64 {
        match &self.times {
            Times::Near { base_ms, offsets } => base_ms + i64::from(offsets[row]),
            Times::Far(times) => times[row],
        }
    }

    pub(super) fn value(&self, row: usize) -> f64 {
        self.values[row]
    }

    pub(super) fn previous(&self, row: usize) -> u32 {
        self.previous[row]
    }

    pub(super) fn start(&self, row: usize) -> i64 {
        let starts = self.start_timestamps_ms.as_ref();
        starts.map_or(0, |starts| starts[row])
    }

    /// Bytes of memory that each row takes on top of [`FLOAT_BYTES`].
    pub(super) fn extra_row_bytes(&self) -> usize {
        let wide = matches!(self.times, Times::Far(_)).then_some(size_of::<u32>());
        let starts = self.start_timestamps_ms.as_ref().map(|_| size_of::<i64>());
        wide.unwrap_or(0) + starts.unwrap_or(0)
    }
}

/// A column of zeros, made where it stays.
fn column<T: Copy + Default>() -> Box<[T; ROWS]> {
    let Ok(column) = vec![T::default(); ROWS].into_boxed_slice().try_into() else {
        unreachable!("a column has as many rows as were asked for")
    };
    column
}

/// Pages of batches that are in parts now. Taking them again spares the system from handing out cleared memory a page
/// fault at a time, and costs nothing: what one batch has given back the next is about to need.
#[derive(Debug, Default)]
pub(super) struct SparePages {
    pages: Mutex<Vec<Page>>,
}

impl SparePages {
    /// A page whose rows may hold anything.
    pub(super) fn take(&self) -> Page {
        self.pages.lock().pop().unwrap_or_else(Page::new)
    }

    /// Keeps the pages of a batch, never more than it had: the next will hardly be larger.
    pub(super) fn give_back(&self, mut pages: Vec<Page>) {
        let keep = pages.len();
        pages.retain(|page| matches!(page.times, Times::Near { .. }));
        for page in &mut pages {
            page.start_timestamps_ms = None;
        }
        let mut spare = self.pages.lock();
        pages.append(&mut spare);
        let rest = pages.split_off(keep.min(pages.len()));
        *spare = pages;
        drop(spare);
        drop(rest);
    }

    /// Bytes of memory of the pages that nobody uses.
    pub(super) fn memory_bytes(&self) -> usize {
        self.pages.lock().len() * ROWS * FLOAT_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE_BYTES: usize = ROWS * FLOAT_BYTES;

    #[test]
    fn as_many_pages_are_kept_as_the_last_batch_had() {
        let spare = SparePages::default();
        let many: Vec<Page> = (0..5).map(|_| spare.take()).collect();
        assert_eq!(spare.memory_bytes(), 0);
        spare.give_back(many);
        assert_eq!(spare.memory_bytes(), 5 * PAGE_BYTES);
        let few = vec![spare.take(), spare.take()];
        spare.give_back(few);
        assert_eq!(spare.memory_bytes(), 2 * PAGE_BYTES);
        spare.give_back(Vec::new());
        assert_eq!(spare.memory_bytes(), 0);
    }

    #[test]
    fn a_page_taken_again_knows_no_start_timestamps() {
        let spare = SparePages::default();
        let mut page = spare.take();
        page.write_starts(1, 2, &[7, 8]);
        page.write_starts(3, 1, &[]);
        let starts: Vec<i64> = (0..4).map(|row| page.start(row)).collect();
        assert_eq!(starts, [0, 7, 8, 0]);
        assert_eq!(page.extra_row_bytes(), 8);
        spare.give_back(vec![page]);
        assert_eq!(spare.take().start(1), 0);
    }

    #[test]
    fn timestamps_of_any_distance_are_kept() {
        const DAY_MS: i64 = 86_400_000;
        let now = 1_700_000_000_000;
        let near = [now, now - 24 * DAY_MS, now + 24 * DAY_MS];
        let ends = [i64::MIN, i64::MAX, 0];
        for (first, second, extra) in [
            (near, near, 0),
            (near, [now, now - 30 * DAY_MS, now], 4),
            (near, ends, 4),
            (ends, near, 4),
            ([i64::MIN; 3], [i64::MIN + 5; 3], 0),
        ] {
            let spare = SparePages::default();
            let mut page = spare.take();
            page.write_times(0, &first);
            page.write_times(3, &second);
            page.write_times(6, &[]);
            let read: Vec<i64> = (0..6).map(|row| page.time(row)).collect();
            assert_eq!(read, [first, second].concat());
            assert_eq!(page.extra_row_bytes(), extra);
            spare.give_back(vec![page]);
            let mut again = spare.take();
            again.write_times(0, &near);
            assert_eq!(again.time(1), near[1]);
            assert_eq!(again.extra_row_bytes(), 0);
        }
    }
}
