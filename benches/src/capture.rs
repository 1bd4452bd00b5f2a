//! Reader of recorded scrapes: `TSCAP01`, zstd-compressed.

use std::io::Read;
use std::path::Path;

use chronoxide_model::Labels;

use crate::Job;

/// Bytes of window that the file may have been compressed with: 2^27.
const WINDOW_LOG_MAX: u32 = 27;

/// The jobs of the capture at `path`, or why there are none.
pub(crate) fn read(path: &Path) -> Result<Vec<Job>, String> {
    let compressed =
        std::fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut decoder = zstd::Decoder::new(compressed).map_err(|error| error.to_string())?;
    decoder
        .window_log_max(WINDOW_LOG_MAX)
        .map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    decoder
        .read_to_end(&mut bytes)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let mut cursor = Cursor { bytes: &bytes };
    if cursor.take(8)? != b"TSCAP01\n" {
        return Err(format!("{} is no capture", path.display()));
    }
    let jobs = cursor.u32()?;
    (0..jobs).map(|_| read_job(&mut cursor)).collect()
}

struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or("the capture is cut short")?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(*self
            .take(N)?
            .first_chunk()
            .expect("take gives what was asked for"))
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<&'a str, String> {
        let length = u16::from_le_bytes(self.array()?);
        std::str::from_utf8(self.take(length.into())?).map_err(|error| error.to_string())
    }
}

fn read_job(cursor: &mut Cursor<'_>) -> Result<Job, String> {
    let job = cursor.text()?.to_owned();
    let (scrapes, count) = (cursor.u32()?, cursor.u32()?);
    let times_ms = (0..scrapes)
        .map(|_| Ok(i64::from_le_bytes(cursor.array()?)))
        .collect::<Result<_, String>>()?;
    let described = (0..count)
        .map(|_| read_series(cursor, &job))
        .collect::<Result<Vec<(Labels, bool)>, String>>()?;
    let (series, counters) = described.into_iter().unzip();
    let column = |cursor: &mut Cursor<'_>| -> Result<Vec<f64>, String> {
        (0..scrapes)
            .map(|_| Ok(f64::from_le_bytes(cursor.array()?)))
            .collect()
    };
    let values = (0..count)
        .map(|_| column(cursor))
        .collect::<Result<_, String>>()?;
    Ok(Job {
        times_ms,
        series,
        counters,
        values,
    })
}

/// Labels of a series, and whether it is a counter or a part of a histogram.
fn read_series(cursor: &mut Cursor<'_>, job: &str) -> Result<(Labels, bool), String> {
    let is_counter = matches!(cursor.take(1)?, [1 | 3]);
    let name = cursor.text()?;
    let count = cursor.take(1)?[0];
    let mut pairs = vec![("__name__", name)];
    for _ in 0..count {
        pairs.push((cursor.text()?, cursor.text()?));
    }
    if !pairs.iter().any(|(label, _)| *label == "job") {
        pairs.push(("job", job));
    }
    let labels = Labels::from_pairs(pairs).map_err(|error| error.to_string())?;
    Ok((labels, is_counter))
}
