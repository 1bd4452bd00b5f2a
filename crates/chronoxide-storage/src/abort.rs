//! Ending the process when a panic leaves state half changed.

/// Ends the process when a panic unwinds through where it stands: what is in memory cannot be trusted any more, what is
/// on disk is sound, and a restart reads it back.
#[derive(Debug)]
pub(crate) struct AbortOnPanic {
    what: &'static str,
    /// The thread was unwinding before: that panic is none of ours.
    was_panicking: bool,
}

impl AbortOnPanic {
    /// A guard for `what`, which names the work in the message.
    pub(crate) fn of(what: &'static str) -> Self {
        Self {
            what,
            was_panicking: std::thread::panicking(),
        }
    }
}

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.was_panicking {
            tracing::error!(
                during = self.what,
                "a panic in the storage: the process ends"
            );
            std::process::abort();
        }
    }
}
