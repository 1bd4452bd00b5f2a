//! Groups of writers: who waits for whom.

use std::collections::VecDeque;
use std::error::Error as _;
use std::fmt::Write;
use std::sync::Arc;

use chronoxide_format::log::Payload;
use parking_lot::{Condvar, Mutex};

use crate::{Error, Result};

/// A group takes no more members once it is this large.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// The groups that have not been written yet, oldest first.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: VecDeque<Arc<Group<T>>>,
    /// Somebody leads, or has been told to.
    led: bool,
    closed: bool,
}

/// Writers whose records are written together.
#[derive(Debug)]
pub(super) struct Group<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    payloads: Vec<Payload>,
    items: Vec<T>,
    bytes: usize,
    /// One of the members shall lead.
    may_lead: bool,
    outcome: Option<Outcome>,
}

/// The number of the first record, or why there is none.
type Outcome = std::result::Result<u64, Failure>;

#[derive(Clone, Debug)]
struct Failure {
    reason: Arc<str>,
    out_of_space: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            led: false,
            closed: false,
        }
    }
}

impl<T> Queue<T> {
    /// Joins the newest group: the group, the index of the record in it, and whether the caller has to lead.
    pub(super) fn join(&mut self, payload: Payload, item: T) -> Result<(Arc<Group<T>>, u64, bool)> {
        if self.closed {
            return Err(Error::Closed);
        }
        let group = match self.waiting.back() {
            Some(group) if group.has_room() => Arc::clone(group),
            _ => {
                let group = Arc::new(Group::new());
                self.waiting.push_back(Arc::clone(&group));
                group
            }
        };
        let index = group.push(payload, item);
        let leads = !std::mem::replace(&mut self.led, true);
        Ok((group, index, leads))
    }

    /// The oldest group, which takes no more members from here on. Called by who leads.
    pub(super) fn take(&mut self) -> Arc<Group<T>> {
        self.waiting
            .pop_front()
            .expect("who leads is a member of the oldest group")
    }

    /// Lets a member of the next group lead, if there is one.
    pub(super) fn pass_lead(&mut self) {
        match self.waiting.front() {
            Some(group) => group.let_lead(),
            None => self.led = false,
        }
    }

    pub(super) const fn close(&mut self) {
        self.closed = true;
    }
}

impl<T> Group<T> {
    const fn new() -> Self {
        Self {
            state: Mutex::new(State {
                payloads: Vec::new(),
                items: Vec::new(),
                bytes: 0,
                may_lead: false,
                outcome: None,
            }),
            changed: Condvar::new(),
        }
    }

    fn has_room(&self) -> bool {
        self.state.lock().bytes < GROUP_BYTES_MAX
    }

    fn push(&self, payload: Payload, item: T) -> u64 {
        let mut state = self.state.lock();
        let index = state.payloads.len() as u64;
        state.bytes += payload.framed_len();
        state.payloads.push(payload);
        state.items.push(item);
        index
    }

    fn let_lead(&self) {
        self.state.lock().may_lead = true;
        self.changed.notify_one();
    }

    /// Waits until the group is done (`false`) or the caller has to lead it (`true`).
    pub(super) fn wait_or_lead(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.outcome.is_some() {
                return false;
            }
            if std::mem::take(&mut state.may_lead) {
                return true;
            }
            self.changed.wait(&mut state);
        }
    }

    pub(super) fn take_members(&self) -> (Vec<Payload>, Vec<T>) {
        let mut state = self.state.lock();
        (
            std::mem::take(&mut state.payloads),
            std::mem::take(&mut state.items),
        )
    }

    /// Tells every member how it went.
    pub(super) fn finish(&self, written: Result<u64>) {
        let outcome = written.map_err(|error| Failure {
            reason: describe(&error).into(),
            out_of_space: error.is_out_of_space(),
        });
        self.state.lock().outcome = Some(outcome);
        self.changed.notify_all();
    }

    /// How it went for the record at `index`, once the group is done.
    pub(super) fn outcome(&self, index: u64) -> Result<u64> {
        let state = self.state.lock();
        match state
            .outcome
            .as_ref()
            .expect("asked only after the group was finished")
        {
            Ok(first) => Ok(first + index),
            Err(failure) => Err(Error::GroupFailed {
                reason: failure.reason.to_string(),
                out_of_space: failure.out_of_space,
            }),
        }
    }
}

/// The error and what caused it, on one line.
fn describe(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
