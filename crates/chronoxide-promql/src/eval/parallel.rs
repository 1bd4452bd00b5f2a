//! Work on many series spread over threads, with results in the order of the series.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope, scope};

use crate::Error;

/// So many series are worked on before their results are handed over.
const BLOCK: usize = 16;

/// So many blocks may lie ready at each thread, which bounds memory when the receiver is slower.
const BLOCKS_READY: usize = 2;

/// Threads that the queries of one engine may start beside their own, all together.
#[derive(Debug)]
pub(crate) struct Helpers {
    free: AtomicUsize,
}

impl Helpers {
    /// `count` threads.
    pub(crate) const fn new(count: usize) -> Self {
        Self {
            free: AtomicUsize::new(count),
        }
    }

    /// At most `wanted` of the threads that are free; none rather than one, which would be no help.
    pub(crate) fn take(&self, wanted: usize) -> Taken<'_> {
        let free = &self.free;
        let mut count = 0;
        if wanted > 1 {
            // Nothing else is guarded by the number, so that no order has to be kept.
            let _ = free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
                count = if free > 1 { wanted.min(free) } else { 0 };
                Some(free - count)
            });
        }
        Taken { free, count }
    }
}

/// Threads that a query may start until this is dropped.
#[derive(Debug)]
pub(crate) struct Taken<'h> {
    free: &'h AtomicUsize,
    count: usize,
}

impl Taken<'_> {
    /// How many they are.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.free.fetch_add(self.count, Ordering::Relaxed);
    }
}

/// How many results of `threads` threads may wait for the receiver.
pub(crate) const fn results_ready(threads: usize) -> usize {
    // The blocks that lie ready, and the one each thread is working on.
    threads * BLOCK * (BLOCKS_READY + 1)
}

/// Work on one series, by index, with memory that a thread reuses.
pub(crate) type Work<'w, S, T> = &'w (dyn Fn(usize, &mut S) -> Result<Option<T>, Error> + Sync);

/// The results of one block of series.
type Block<T> = Result<Vec<T>, Error>;

/// Does `work` for the series `0..count` on up to `threads` threads and hands what they give to `sink`, in order.
///
/// # Errors
/// The first that `work` or `sink` fails with, or when a thread cannot be started.
pub(crate) fn in_order<S: Default, T: Send>(
    threads: usize,
    count: usize,
    work: Work<'_, S, T>,
    sink: &mut dyn FnMut(T) -> Result<(), Error>,
) -> Result<(), Error> {
    let blocks = count.div_ceil(BLOCK);
    let threads = threads.min(blocks);
    if threads < 2 {
        let mut state = S::default();
        for index in 0..count {
            if let Some(result) = work(index, &mut state)? {
                sink(result)?;
            }
        }
        return Ok(());
    }
    scope(|scope| {
        // Leaving early drops the receivers, and the threads end at their next block.
        let receivers = (0..threads)
            .map(|first| start(scope, first, threads, count, work))
            .collect::<Result<Vec<_>, _>>()?;
        for block in 0..blocks {
            let results = receivers[block % threads]
                .recv()
                .map_err(|_| Error::execution("a thread of the query ended early"))?;
            results?.into_iter().try_for_each(&mut *sink)?;
        }
        Ok(())
    })
}

/// Starts the thread that works on every `threads`-th block, from block `first` on.
fn start<'scope, 'env, S: Default, T: Send + 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    first: usize,
    threads: usize,
    count: usize,
    work: Work<'scope, S, T>,
) -> Result<Receiver<Block<T>>, Error> {
    let (sender, receiver) = sync_channel(BLOCKS_READY);
    Builder::new()
        .name(format!("query-{first}"))
        .spawn_scoped(scope, move || {
            work_on_blocks(first, threads, count, work, &sender);
        })
        .map_err(|error| Error::execution(format!("cannot start a thread: {error}")))?;
    Ok(receiver)
}

fn work_on_blocks<S: Default, T>(
    first: usize,
    threads: usize,
    count: usize,
    work: Work<'_, S, T>,
    sender: &SyncSender<Block<T>>,
) {
    let mut state = S::default();
    for start in (first * BLOCK..count).step_by(threads * BLOCK) {
        let end = (start + BLOCK).min(count);
        let results: Block<T> = (start..end)
            .filter_map(|index| work(index, &mut state).transpose())
            .collect();
        let failed = results.is_err();
        if sender.send(results).is_err() || failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(threads: usize, count: usize) -> Vec<usize> {
        let mut out = Vec::new();
        let work = |index: usize, _: &mut ()| Ok((!index.is_multiple_of(3)).then_some(index));
        in_order(threads, count, &work, &mut |index| {
            out.push(index);
            Ok(())
        })
        .unwrap();
        out
    }

    #[test]
    fn results_come_in_the_order_of_the_series() {
        for count in [0_usize, 1, 15, 16, 17, 1000] {
            let expected: Vec<usize> = (0..count)
                .filter(|index| !usize::is_multiple_of(*index, 3))
                .collect();
            for threads in [0, 1, 2, 3, 8] {
                assert_eq!(numbers(threads, count), expected, "{threads} {count}");
            }
        }
    }

    #[test]
    fn queries_share_a_number_of_threads() {
        let helpers = Helpers::new(5);
        assert_eq!(helpers.take(1).count(), 0);
        let first = helpers.take(4);
        assert_eq!(first.count(), 4);
        assert_eq!(helpers.take(4).count(), 0, "one is no help");
        drop(first);
        assert_eq!(helpers.take(8).count(), 5);
        assert_eq!(helpers.take(2).count(), 2);
    }

    #[test]
    fn the_first_error_in_order_ends_the_work() {
        let work = |index: usize, _: &mut ()| {
            if index == 500 {
                Err(Error::Cancelled)
            } else {
                Ok(Some(index))
            }
        };
        let mut last = 0;
        let result = in_order(3, 100_000, &work, &mut |index| {
            last = index;
            Ok(())
        });
        assert!(matches!(result, Err(Error::Cancelled)));
        assert_eq!(last, 495, "blocks before the failed one are handed over");
        let result = in_order(
            3,
            100_000,
            &|index: usize, _: &mut ()| Ok(Some(index)),
            &mut |index| {
                if index == 40 {
                    Err(Error::Cancelled)
                } else {
                    Ok(())
                }
            },
        );
        assert!(matches!(result, Err(Error::Cancelled)));
    }
}
