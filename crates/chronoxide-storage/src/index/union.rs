//! The series that have any of several label pairs.

use chronoxide_format::Result;
use chronoxide_format::part::{PostingsDirectory, PostingsList};
use roaring::RoaringBitmap;

/// Lists shorter than this are gathered and sorted; longer ones become bitmaps of their own.
const SHORT_LIST_BYTES: usize = 128;

/// After so many lists, which take a fraction of a millisecond, it is asked whether to go on.
const CHECK_LISTS: usize = 256;

/// Ranks of the series that have one of `pairs`, unless `go_on` says to stop.
pub(super) fn union(
    postings: &PostingsDirectory<'_>,
    pairs: impl IntoIterator<Item = u32>,
    go_on: &dyn Fn() -> bool,
) -> Result<Option<RoaringBitmap>> {
    let mut ranks = RoaringBitmap::new();
    let mut gathered = Vec::new();
    for (turn, pair) in (1..).zip(pairs) {
        if turn % CHECK_LISTS == 0 && !go_on() {
            return Ok(None);
        }
        let list = postings.list(pair)?;
        if list.encoded_len() < SHORT_LIST_BYTES {
            gather(&list, &mut ranks, &mut gathered)?;
        } else {
            ranks |= bitmap(&list)?;
        }
    }
    gathered.sort_unstable();
    gathered.dedup();
    let gathered = RoaringBitmap::from_sorted_iter(gathered)
        .expect("the ranks were sorted and deduplicated above");
    ranks |= gathered;
    Ok(Some(ranks))
}

fn gather(
    list: &PostingsList<'_>,
    ranks: &mut RoaringBitmap,
    gathered: &mut Vec<u32>,
) -> Result<()> {
    list.for_each_run(|start, len| {
        if len > 8 {
            ranks.insert_range(start..start + len);
        } else {
            gathered.extend(start..start + len);
        }
    })
}

fn bitmap(list: &PostingsList<'_>) -> Result<RoaringBitmap> {
    let mut ranks = RoaringBitmap::new();
    list.for_each_run(|start, len| {
        if len > 1 {
            ranks.insert_range(start..start + len);
        } else {
            // Runs ascend, so that this never fails.
            let _ = ranks.try_push(start);
        }
    })?;
    Ok(ranks)
}
