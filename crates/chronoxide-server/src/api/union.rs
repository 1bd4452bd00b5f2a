//! The union of sorted lists.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The items of `lists`, each of which ascends, in order and each once.
///
/// Nothing is read from a list before it is asked for, so that whoever stops early pays for no more.
pub(super) fn union<T: Ord>(
    lists: impl IntoIterator<Item = impl Iterator<Item = T>>,
) -> impl Iterator<Item = T> {
    let mut lists: Vec<_> = lists.into_iter().collect();
    let mut heads: BinaryHeap<Reverse<(T, usize)>> = lists
        .iter_mut()
        .enumerate()
        .filter_map(|(index, list)| Some(Reverse((list.next()?, index))))
        .collect();
    std::iter::from_fn(move || {
        let Reverse((least, index)) = heads.pop()?;
        heads.extend(lists[index].next().map(|item| Reverse((item, index))));
        while let Some(Reverse((item, index))) = heads.peek()
            && *item == least
        {
            let index = *index;
            heads.pop();
            heads.extend(lists[index].next().map(|item| Reverse((item, index))));
        }
        Some(least)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_lists_have_is_given_once_and_in_order() {
        let lists = [vec![1, 3, 5], vec![], vec![1, 2, 3], vec![5, 9]];
        let all: Vec<i32> = union(lists.map(Vec::into_iter)).collect();
        assert_eq!(all, [1, 2, 3, 5, 9]);
    }

    #[test]
    fn lists_are_read_no_further_than_asked() {
        let read = std::cell::Cell::new(0);
        let long = (0..1000).inspect(|_| read.set(read.get() + 1));
        assert_eq!(union([long]).take(3).count(), 3);
        assert!(read.get() <= 4, "{}", read.get());
    }
}
