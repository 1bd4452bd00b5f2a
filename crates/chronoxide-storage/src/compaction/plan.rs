//! Which parts to join next.

use std::path::PathBuf;

use crate::part::{FINAL_LEVEL, Packing, PartSummary};

/// As many parts of one level make one of the next: a sample is rewritten about once for each power of this number of
/// flushes in a day.
pub const FAN_IN: usize = 8;

/// The most parts one merge joins while its partition is still written to.
const INPUTS_MAX: usize = 2 * FAN_IN;

/// What a part that is rewritten must at least gain: a sixteenth of its own size.
const WORTHWHILE: u64 = 16;

/// Parts to join. They are neighbours in WAL sequence, so that what is newer stays newer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MergeTask {
    /// The files, from the oldest to the newest.
    pub inputs: Vec<PathBuf>,
    /// Level of the part they become.
    pub level: u8,
    /// Which of its chunks are worth the time to make them as small as they get.
    pub packing: Packing,
}

/// The next merge in a partition with these parts that is still written to: the oldest run of [`FAN_IN`] or more
/// neighbours of the lowest level that has one.
#[must_use]
pub(crate) fn plan(parts: &[PartSummary]) -> Option<MergeTask> {
    let sorted = in_sequence(parts);
    let runs = sorted.chunk_by(|a, b| a.header.level == b.header.level);
    let long_enough = runs.filter(|run| run.len() >= FAN_IN);
    let run = long_enough.min_by_key(|run| run[0].header.level)?;
    Some(task(&run[..run.len().min(INPUTS_MAX)], Packing::Long))
}

/// The next merge in a partition with these parts while hardly anything is written: its newest parts become one, as many
/// as there are without one that has more samples than all others of them together. So a sample is rewritten only when
/// the part it is in becomes twice as large, however often there is time.
#[must_use]
pub(crate) fn plan_resting(parts: &[PartSummary]) -> Option<MergeTask> {
    let sorted = in_sequence(parts);
    let (mut all, mut most, mut joined) = (0, 0, 0);
    for (count, part) in (1..).zip(sorted.iter().rev()) {
        all += part.samples;
        most = most.max(part.samples);
        if most <= all - most {
            joined = count;
        }
    }
    (joined > 1).then(|| task(&sorted[sorted.len() - joined..], Packing::Long))
}

/// The next merge in a partition that is hardly written to any more: all its parts become one, unless that would
/// rewrite a large part for the sake of a few small ones. What merges on the way have left in short chunks gets as small as it
/// can, once, also where there is nothing else to join it with.
#[must_use]
pub(crate) fn plan_closed(parts: &[PartSummary]) -> Option<MergeTask> {
    let largest = parts.iter().max_by_key(|part| part.bytes)?;
    let others = parts.iter().map(|part| part.bytes).sum::<u64>() - largest.bytes;
    let joins = parts.len() > 1
        && (others.saturating_mul(WORTHWHILE) >= largest.bytes || parts.len() >= FAN_IN);
    (joins || may_get_smaller(largest)).then(|| task(&in_sequence(parts), Packing::All))
}

/// Whether most chunks of a part are of those that only the last merge of a partition tries to make smaller.
fn may_get_smaller(part: &PartSummary) -> bool {
    let level = part.header.level;
    let count = part.samples.checked_div(part.chunks).unwrap_or(0);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let bytes = part.bytes.checked_div(part.chunks).unwrap_or(0);
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Packing::All.gains(level, count, bytes)
}

fn in_sequence(parts: &[PartSummary]) -> Vec<&PartSummary> {
    let mut sorted: Vec<&PartSummary> = parts.iter().collect();
    sorted.sort_by_key(|part| part.header.sequence());
    sorted
}

fn task(parts: &[&PartSummary], packing: Packing) -> MergeTask {
    let levels = parts.iter().map(|part| part.header.level);
    let level = match packing {
        Packing::All => FINAL_LEVEL,
        Packing::None | Packing::Long => {
            let highest = levels.max().unwrap_or(0);
            highest.saturating_add(1).min(FINAL_LEVEL - 1)
        }
    };
    MergeTask {
        inputs: parts.iter().map(|part| part.path.clone()).collect(),
        level,
        packing,
    }
}

#[cfg(test)]
mod tests {
    use chronoxide_model::TimeRange;

    use super::*;
    use crate::part::PartHeader;

    /// Parts of these levels and sizes, in sequence.
    fn parts(levels: &[(u8, u64)]) -> Vec<PartSummary> {
        (1..)
            .zip(levels)
            .map(|(seq, (level, bytes))| PartSummary {
                path: PathBuf::from(format!("{seq}")),
                bytes: *bytes,
                checksum: 0,
                header: PartHeader {
                    level: *level,
                    wal_seq_min: seq * 10,
                    wal_seq_max: seq * 10 + 9,
                },
                range: TimeRange::at(0),
                series: 1,
                chunks: 1,
                columns: 1,
                samples: *bytes,
                histograms: 0,
            })
            .collect()
    }

    fn names(task: Option<MergeTask>) -> Vec<String> {
        let inputs = task.map_or(Vec::new(), |task| task.inputs);
        inputs
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    #[test]
    fn too_few_neighbours_of_a_level_are_left_alone() {
        assert_eq!(plan(&[]), None);
        assert_eq!(plan(&parts(&[(0, 1); 7])), None);
        let split = [&[(1, 9); 7][..], &[(0, 1); 7]].concat();
        assert_eq!(plan(&parts(&split)), None);
    }

    #[test]
    fn the_lowest_level_goes_first_and_order_of_input_does_not_matter() {
        let levels = [&[(1, 9); 8][..], &[(0, 1); 9]].concat();
        let mut parts = parts(&levels);
        parts.reverse();
        let task = plan(&parts).unwrap();
        assert_eq!(task.level, 1);
        let expected: Vec<String> = (9..=17).map(|seq| seq.to_string()).collect();
        assert_eq!(names(Some(task)), expected);
    }

    #[test]
    fn a_day_of_flushes_ends_in_few_parts() {
        let mut levels: Vec<(u8, u64)> = Vec::new();
        let mut rewritten = 0;
        for _ in 0..720 {
            levels.push((0, 1));
            while let Some(task) = plan(&parts(&levels)) {
                let first: usize = task.inputs[0].to_str().unwrap().parse().unwrap();
                let inputs = first - 1..first - 1 + task.inputs.len();
                let bytes = levels[inputs.clone()].iter().map(|(_, bytes)| bytes).sum();
                rewritten += bytes;
                levels.splice(inputs, [(task.level, bytes)]);
            }
        }
        assert!(levels.len() < 3 * FAN_IN, "{} parts", levels.len());
        assert!(rewritten <= 3 * 720, "{rewritten} written for 720");
    }

    #[test]
    fn at_rest_the_newest_parts_are_joined_as_far_as_they_double() {
        assert_eq!(plan_resting(&[]), None);
        assert_eq!(plan_resting(&parts(&[(0, 5)])), None);
        assert_eq!(plan_resting(&parts(&[(1, 100), (0, 99)])), None);
        // The last part is smaller, for it was flushed when nothing came any more.
        let left = parts(&[(1, 80), (0, 10), (0, 10), (0, 10), (0, 3)]);
        let task = plan_resting(&left).unwrap();
        assert_eq!(task.level, 1);
        assert_eq!(names(Some(task)), ["2", "3", "4", "5"]);
        let equal = parts(&[(1, 80), (1, 80), (0, 1)]);
        assert_eq!(names(plan_resting(&equal)), ["1", "2", "3"]);
    }

    #[test]
    fn resting_after_each_flush_rewrites_a_sample_a_few_times() {
        let mut levels: Vec<(u8, u64)> = Vec::new();
        let (mut rewritten, mut most) = (0, 0);
        for _ in 0..1024 {
            levels.push((0, 1));
            while let Some(task) = plan_resting(&parts(&levels)) {
                let kept = levels.len() - task.inputs.len();
                let samples = levels
                    .split_off(kept)
                    .iter()
                    .map(|(_, samples)| samples)
                    .sum();
                rewritten += samples;
                levels.push((task.level, samples));
            }
            most = most.max(levels.len());
        }
        assert!(rewritten <= 10 * 1024, "{rewritten} written for 1024");
        assert!(most <= 11, "{most} parts");
    }

    #[test]
    fn a_closed_partition_becomes_one_part_if_that_is_worth_it() {
        assert_eq!(plan_closed(&parts(&[(3, 5000)])), None);
        assert_eq!(names(plan_closed(&parts(&[(3, 100), (0, 50)]))), ["1", "2"]);
        assert_eq!(plan_closed(&parts(&[(3, 1_000_000), (0, 50)])), None);
        let many = [&[(3, 1_000_000)][..], &[(0, 1); 7]].concat();
        assert_eq!(plan_closed(&parts(&many)).unwrap().inputs.len(), 8);
    }

    #[test]
    fn short_chunks_of_a_closed_partition_are_packed_once() {
        let of = |level, samples| {
            let mut parts = parts(&[(level, 10_000)]);
            (parts[0].chunks, parts[0].samples) = (10, samples);
            plan_closed(&parts)
        };
        let task = of(3, 5_000).unwrap();
        assert_eq!((task.level, task.packing), (FINAL_LEVEL, Packing::All));
        assert_eq!(of(task.level, 5_000), None, "it was tried");
        assert_eq!(of(3, 20_000), None, "merges on the way have tried them");
        assert_eq!(of(3, 50), None, "too short to gain anything");

        let mut late = parts(&[(3, 10_000), (0, 50)]);
        (late[0].chunks, late[0].samples) = (10, 5_000);
        assert_eq!(names(plan_closed(&late)), ["1", "2"]);
        // What is filled in later is merged on the way again before it is final again.
        let again = parts(&[(FINAL_LEVEL, 50), (0, 50)]);
        let task = plan_resting(&again).unwrap();
        assert_eq!((task.level, task.packing), (FINAL_LEVEL - 1, Packing::Long));
    }
}
