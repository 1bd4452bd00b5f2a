//! Changes on their way to disk: others build on them already, and they may still fail.

use crate::hashed::HashedMap;

use super::Stream;

/// What to go back to when changes of a stream fail.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    streams: HashedMap<Versions>,
}

/// The versions of one stream that the newest has displaced.
#[derive(Debug)]
struct Versions {
    /// The last one that is stored; `None` when the stream is in no request that has been.
    stored: Option<Stream>,
    /// Later ones that are not stored yet, oldest first, by the number of their request.
    waiting: Vec<(u64, Stream)>,
    /// The request of the newest version, which stands in the table.
    newest: u64,
}

/// What becomes of a stream's entry in the table.
#[derive(Debug)]
pub(super) enum Fallback {
    Keep,
    Replace(Stream),
    Remove,
}

impl InFlight {
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Notes that request `number` has displaced `former`.
    pub(super) fn begin(&mut self, key: u128, number: u64, former: Option<Stream>) {
        match self.streams.get_mut(&key) {
            Some(versions) => {
                let former = former.expect("a version in flight stands in the table");
                versions.waiting.push((versions.newest, former));
                versions.newest = number;
            }
            None => {
                self.streams.insert(
                    key,
                    Versions {
                        stored: former,
                        waiting: Vec::new(),
                        newest: number,
                    },
                );
            }
        }
    }

    /// Notes that the version of request `number` is stored, and with it all before.
    pub(super) fn succeed(&mut self, key: u128, number: u64) {
        let Some(versions) = self.streams.get_mut(&key) else {
            // A later one was stored first.
            return;
        };
        if versions.newest == number {
            self.streams.remove(&key);
        } else if let Some(index) = versions.index_of(number) {
            let (_, stored) = versions.waiting.swap_remove(index);
            versions.waiting.retain(|(other, _)| *other > number);
            versions.stored = Some(stored);
        }
    }

    /// Notes that the version of request `number` is not stored; a later one, which has it in its total, may still be.
    pub(super) fn fail(&mut self, key: u128, number: u64) -> Fallback {
        let Some(versions) = self.streams.get_mut(&key) else {
            return Fallback::Keep;
        };
        if versions.newest != number {
            versions.waiting.retain(|(other, _)| *other != number);
            return Fallback::Keep;
        }
        if let Some((earlier, stream)) = versions.waiting.pop() {
            versions.newest = earlier;
            return Fallback::Replace(stream);
        }
        let versions = self.streams.remove(&key);
        match versions.and_then(|versions| versions.stored) {
            Some(stored) => Fallback::Replace(stored),
            None => Fallback::Remove,
        }
    }
}

impl Versions {
    fn index_of(&self, number: u64) -> Option<usize> {
        self.waiting.iter().position(|(other, _)| *other == number)
    }
}
