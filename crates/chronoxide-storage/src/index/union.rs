//! The series that have any of several label pairs.

use chronoxide_format::Result;
use chronoxide_format::part::{PostingsDirectory, PostingsList};
use roaring::RoaringBitmap;

/// Lists shorter than this are gathered and sorted; longer ones become bitmaps of their own.
const SHORT_LIST_BYTES: usize = 128;

/// Ranks of the series that have one of `pairs`.
pub(super) fn union(
    postings: &PostingsDirectory<'_>,
    pairs: impl IntoIterator<Item = u32>,
) -> Result<RoaringBitmap> {
    let mut ranks = RoaringBitmap::new();
    let mut gathered = Vec::new();
    for pair in pairs {
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
    Ok(ranks)
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
