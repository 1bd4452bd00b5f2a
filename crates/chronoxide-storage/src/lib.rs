//! The embeddable storage engine of chronoxide.

mod clock;
mod error;
mod fs;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{Error, Result};
pub use fs::{DirEntry, Fs, FsFile, FsLock, Map, RealFs};
