//! The stream for readers over the network: each tick's JSON lines, kept once for all of them.

use std::{
    collections::VecDeque,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::body::Bytes;
use tokio::sync::Notify;

use super::{latecomers::ForLatecomers, limits};
use crate::{
    model::record::{Record, Sample},
    output::json::write_line,
};

/// Whether samples have their buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamForm {
    /// As `stream --format json` writes it.
    Plain,
    /// As `stream --format json --buckets` does.
    WithBuckets,
    /// The same, each record as an event for a browser.
    Events,
}

/// After how long a browser asks again that has lost the connection, in milliseconds.
const RETRY: &str = "retry: 1000\n\n";

/// The stream, in both forms.
#[derive(Debug, Default)]
pub(super) struct Broadcast {
    state: Mutex<BroadcastState>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct BroadcastState {
    hello: Option<Bytes>,
    latest: ForLatecomers,
    forms: [FormState; 3],
    over: bool,
    dropped: u64,
    lost_bytes: u64,
}

/// One form of it. Places in it are counted in bytes since the start.
#[derive(Debug, Default)]
struct FormState {
    readers: u64,
    /// Where the first of the chunks starts.
    start: u64,
    end: u64,
    chunks: VecDeque<Bytes>,
}

/// What comes next for a reader.
pub(super) enum Next {
    /// Whole lines, to be sent as they are.
    Lines(Bytes),
    /// Nothing yet.
    Nothing,
    /// Nothing more: the run is over.
    Over,
    /// It is too far behind.
    Lost,
}

/// A reader. It counts as one until it is dropped.
pub(super) struct StreamReader<'a> {
    broadcast: &'a Broadcast,
    form: StreamForm,
    at: u64,
    /// What comes first: the hello, and in events the last of what is only said when it changes.
    first: Option<Bytes>,
}

impl Broadcast {
    /// Adds the records of a tick.
    ///
    /// # Errors
    ///
    /// When a record cannot be written as JSON.
    pub(super) fn add(&self, records: &[Record]) -> io::Result<()> {
        let mut state = self.state();
        for record in records {
            state.latest.take(record);
            if let Record::Hello(_) = record {
                state.hello = Some(lines(std::slice::from_ref(record), StreamForm::Plain)?);
            }
        }
        for form in [
            StreamForm::Plain,
            StreamForm::WithBuckets,
            StreamForm::Events,
        ] {
            if !records.is_empty() && state.forms[form as usize].readers > 0 {
                let lines = lines(records, form)?;
                state.forms[form as usize].push(lines);
            }
        }
        state.over |= records.iter().any(|r| matches!(r, Record::Summary(_)));
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Ends it.
    pub(super) fn close(&self) {
        self.state().over = true;
        self.changed.notify_waiters();
    }

    /// A new reader; `None` if there are too many.
    pub(super) fn reader(&self, form: StreamForm) -> Option<StreamReader<'_>> {
        let mut state = self.state();
        if state.readers() >= limits::STREAM_CLIENTS {
            return None;
        }
        let first = match form {
            // What cannot be written now cannot be later, which is said then.
            StreamForm::Events => state.latest.first_events().ok(),
            StreamForm::Plain | StreamForm::WithBuckets => state.hello.clone(),
        };
        let of_form = &mut state.forms[form as usize];
        of_form.readers += 1;
        Some(StreamReader {
            broadcast: self,
            form,
            at: of_form.end,
            first,
        })
    }

    /// Readers now; those that were dropped, and the bytes that they did not get.
    pub(super) fn count(&self) -> (u64, u64, u64) {
        let state = self.state();
        (state.readers(), state.dropped, state.lost_bytes)
    }

    fn state(&self) -> MutexGuard<'_, BroadcastState> {
        // Every update of the state is complete.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BroadcastState {
    fn readers(&self) -> u64 {
        self.forms.iter().map(|form| form.readers).sum()
    }
}

impl FormState {
    fn push(&mut self, lines: Bytes) {
        self.end += lines.len() as u64;
        self.chunks.push_back(lines);
        while self.chunks.len() > 1 && self.end - self.start > limits::STREAM_BYTES as u64 {
            let first = self.chunks.pop_front();
            self.start += first.map_or(0, |chunk| chunk.len() as u64);
        }
    }

    /// The chunk that starts at a place.
    fn chunk(&self, at: u64) -> Option<&Bytes> {
        let mut start = self.start;
        self.chunks.iter().find(|chunk| {
            let found = start == at;
            start += chunk.len() as u64;
            found
        })
    }
}

impl StreamReader<'_> {
    /// What comes next.
    pub(super) fn next(&mut self) -> Next {
        if let Some(first) = self.first.take() {
            return Next::Lines(first);
        }
        let state = self.broadcast.state();
        let form = &state.forms[self.form as usize];
        if self.at < form.start {
            return Next::Lost;
        }
        match form.chunk(self.at) {
            Some(chunk) => {
                self.at += chunk.len() as u64;
                Next::Lines(chunk.clone())
            }
            None if state.over => Next::Over,
            None => Next::Nothing,
        }
    }

    /// Waits until there may be more.
    pub(super) async fn more(&mut self) {
        let changed = self.broadcast.changed.notified();
        tokio::pin!(changed);
        // Registered before the check, so that no change between the two is missed.
        changed.as_mut().enable();
        let nothing = {
            let state = self.broadcast.state();
            state.forms[self.form as usize].end == self.at && !state.over
        };
        if nothing {
            changed.await;
        }
    }

    /// Counts it as dropped; returns the bytes that it did not get. `unsent` were on their way.
    pub(super) fn dropped(&self, unsent: u64) -> u64 {
        let mut state = self.broadcast.state();
        let lost = state.forms[self.form as usize].end - self.at + unsent;
        state.dropped += 1;
        state.lost_bytes += lost;
        lost
    }
}

impl Drop for StreamReader<'_> {
    fn drop(&mut self) {
        let mut state = self.broadcast.state();
        let form = &mut state.forms[self.form as usize];
        form.readers -= 1;
        if form.readers == 0 {
            // Nobody will ask for them.
            form.chunks.clear();
            form.start = form.end;
        }
    }
}

impl ForLatecomers {
    fn first_events(&self) -> io::Result<Bytes> {
        let mut out = RETRY.as_bytes().to_vec();
        for record in self.records() {
            write_event(&mut out, record)?;
        }
        Ok(out.into())
    }
}

impl StreamForm {
    /// The last line of a reader that is dropped.
    pub(super) fn dropped(self, lost: u64) -> Bytes {
        let line = format!("{{\"type\":\"dropped\",\"lost_bytes\":{lost}}}\n");
        match self {
            Self::Events => format!("data: {line}\n").into(),
            Self::Plain | Self::WithBuckets => line.into(),
        }
    }
}

/// A line of JSON has no line breaks within, so it is one line of an event.
fn write_event(out: &mut Vec<u8>, record: &Record) -> io::Result<()> {
    out.extend(b"data: ");
    write_line(out, record)?;
    out.push(b'\n');
    Ok(())
}

fn lines(records: &[Record], form: StreamForm) -> io::Result<Bytes> {
    let mut out = Vec::new();
    for record in records {
        match record {
            record if form == StreamForm::Events => write_event(&mut out, record)?,
            Record::Sample(sample) if form == StreamForm::Plain && sample.buckets.is_some() => {
                let plain = Sample {
                    buckets: None,
                    ..(**sample).clone()
                };
                write_line(&mut out, &Record::Sample(Box::new(plain)))?;
            }
            record => write_line(&mut out, record)?,
        }
    }
    Ok(out.into())
}
