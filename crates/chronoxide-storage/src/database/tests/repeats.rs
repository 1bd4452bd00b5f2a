//! Batches in which a series may have one value at a time.

use chronoxide_model::{KeyEncoding, LabelsError, RejectReason, Sample};

use super::*;

#[test]
fn a_batch_that_refuses_repeats_keeps_the_first_value_of_a_time() {
    let place = Place::new();
    let db = place.open(Options::default());
    for round in 0..2 {
        let now_ms = START_MS + round;
        let mut batch = WriteBatch::new();
        batch.refuse_repeats();
        batch.push(series("b"), now_ms, 1.0);
        batch.push(series("a"), now_ms, f64::NAN);
        // Another key for a series that is there already.
        batch.start_series_copied(b"a", &NamedByKey);
        batch.push_sample(Sample::new(now_ms, f64::NAN));
        batch.start_series_copied(b"b", &NamedByKey);
        batch.push_sample(Sample::new(now_ms, 2.0));
        batch.push(series("b"), now_ms + 5, 3.0);
        let outcome = db.write(&batch).unwrap();
        assert_eq!(outcome.samples_accepted, 4);
        assert_eq!(outcome.series_rejected, [3]);
        let [rejection] = &outcome.rejections[..] else {
            panic!("{outcome:?}");
        };
        assert_eq!(
            (rejection.reason, rejection.samples, &*rejection.series),
            (RejectReason::Duplicate, 1, r#"b{job="test"}"#)
        );
        let detail = format!("a second value at {now_ms} ms");
        assert!(rejection.detail.starts_with(&detail), "{rejection:?}");
    }
    let floats = read_floats(&db);
    let times = [0, 1, 5, 6].map(|offset| START_MS + offset);
    let expected = times.into_iter().zip([1.0, 1.0, 3.0, 3.0]);
    assert_eq!(floats[1], (series("b"), expected.collect()));
}

/// Keys that are the names of [`series`].
#[derive(Debug)]
struct NamedByKey;

impl KeyEncoding for NamedByKey {
    fn id(&self) -> u8 {
        200
    }

    fn decode(&self, key: &[u8]) -> Result<Labels, LabelsError> {
        Ok(series(std::str::from_utf8(key).unwrap()))
    }
}
