//! Events, bursts, alerts and changes of the verdict as JSON lines in a file, or in systemd's journal: for what collects logs.
//!
//! The run gives its records and never waits: a thread of its own writes. What it cannot write is dropped and counted, on stderr and,
//! as soon as that is possible, in the log itself.

mod entry;
mod file;
mod journal;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use serde::Serialize;
use thiserror::Error;

use self::{
    entry::{LogEntry, Priority, entry},
    file::LineFile,
    journal::Journal,
};
use crate::{
    engine::{diagnostics::Diagnostics, error::EngineError, worker},
    model::record::Record,
    output::json::write_line,
    text::PlainPath,
};

/// Where systemd's journal listens.
pub const JOURNAL: &str = "/run/systemd/journal/socket";

/// Entries that wait for the thread, while it waits for a disk.
const ON_THE_WAY: usize = 10_000;

/// Time between two looks at the file's path.
const LOOK: Duration = Duration::from_secs(1);

/// How long the end may take.
const END: Duration = Duration::from_millis(200);

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventTarget {
    /// systemd's journal, by its socket.
    Journal(PathBuf),
    File(PathBuf),
}

/// Why they cannot.
#[derive(Debug, Error)]
pub enum EventLogError {
    #[error(
        "no journal at {}: {source}; --events-to FILE writes to a file",
        PlainPath(path)
    )]
    Journal { path: PathBuf, source: io::Error },
    #[error("{}: {source}", PlainPath(path))]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Writes what a run reports.
pub struct EventLog {
    entries: SyncSender<LogEntry>,
    dropped: Arc<AtomicU64>,
    ended: Receiver<()>,
}

impl EventLog {
    /// Opens the target. `reopen` is set when the file is to be opened again.
    ///
    /// # Errors
    ///
    /// When it cannot be written to.
    pub fn start(
        target: &EventTarget,
        reopen: Arc<AtomicBool>,
        diagnostics: Diagnostics,
    ) -> Result<Self, EventLogError> {
        let (output, place) = match target {
            EventTarget::Journal(path) => {
                let journal = Journal::open(path).map_err(|source| EventLogError::Journal {
                    path: path.clone(),
                    source,
                })?;
                (EventOutput::Journal(journal), "the journal".to_owned())
            }
            EventTarget::File(path) => {
                let file = LineFile::open(path).map_err(|source| EventLogError::File {
                    path: path.clone(),
                    source,
                })?;
                (EventOutput::File(file), PlainPath(path).to_string())
            }
        };
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = EventWriter {
            output,
            place,
            dropped: Arc::clone(&dropped),
            reopen,
            diagnostics,
            failing: false,
        };
        let (entries, waiting) = sync_channel(ON_THE_WAY);
        let (alive, ended) = sync_channel(1);
        // Detached: it ends when there will be no more entries, and with the process in any case.
        worker::start("events", "writes events", move || {
            writer.run(&waiting);
            drop(alive);
        })?;
        Ok(Self {
            entries,
            dropped,
            ended,
        })
    }

    /// Takes records. It does not wait.
    pub fn take(&self, records: &[Record]) {
        for record in records {
            let sent = match entry(record) {
                Ok(None) => continue,
                Ok(Some(entry)) => self.entries.try_send(entry).is_ok(),
                Err(_) => false,
            };
            if !sent {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Ends it, after what was given was written.
    pub fn end(self) {
        drop(self.entries);
        // Ends by the end of the thread, which is an error here.
        let _ = self.ended.recv_timeout(END);
    }
}

enum EventOutput {
    Journal(Journal),
    File(LineFile),
}

impl EventOutput {
    fn write(&mut self, entry: &LogEntry) -> io::Result<()> {
        match self {
            Self::Journal(journal) => journal.write(entry),
            Self::File(file) => file.write(&entry.line),
        }
    }
}

/// The work of the thread.
struct EventWriter {
    output: EventOutput,
    /// Where it writes to, as users know it.
    place: String,
    /// Entries that were dropped, and that the log does not say yet.
    dropped: Arc<AtomicU64>,
    reopen: Arc<AtomicBool>,
    diagnostics: Diagnostics,
    failing: bool,
}

/// What stands in the log for entries that are not there.
#[derive(Serialize)]
struct DroppedEntries {
    #[serde(rename = "type")]
    kind: &'static str,
    records: u64,
}

impl EventWriter {
    fn run(mut self, entries: &Receiver<LogEntry>) {
        loop {
            self.follow_path();
            match entries.recv_timeout(LOOK) {
                Ok(entry) => self.write(&entry),
                Err(RecvTimeoutError::Timeout) => self.tell_dropped(),
                Err(RecvTimeoutError::Disconnected) => {
                    self.tell_dropped();
                    return;
                }
            }
        }
    }

    /// Opens the file again if that was asked for, or if its path leads elsewhere.
    fn follow_path(&mut self) {
        let EventOutput::File(file) = &mut self.output else {
            return;
        };
        let asked = self.reopen.swap(false, Ordering::Relaxed);
        if (asked || file.is_moved())
            && let Err(error) = file.reopen()
        {
            self.failed(&error);
        }
    }

    fn write(&mut self, entry: &LogEntry) {
        self.tell_dropped();
        match self.output.write(entry) {
            Ok(()) => self.works(),
            Err(error) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                self.failed(&error);
            }
        }
    }

    /// Writes how many were dropped, if any were.
    fn tell_dropped(&mut self) {
        let records = self.dropped.swap(0, Ordering::Relaxed);
        if records == 0 {
            return;
        }
        let told = dropped_entry(records).and_then(|entry| self.output.write(&entry));
        match told {
            Ok(()) => {
                let place = &self.place;
                self.diagnostics.notify(format_args!(
                    "{records} events could not be written to {place}"
                ));
            }
            Err(_) => {
                self.dropped.fetch_add(records, Ordering::Relaxed);
            }
        }
    }

    fn failed(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            let place = &self.place;
            self.diagnostics.notify(format_args!(
                "cannot write events to {place}: {error}; they are dropped until it works"
            ));
        }
    }

    fn works(&mut self) {
        if std::mem::take(&mut self.failing) {
            let place = &self.place;
            self.diagnostics
                .notify(format_args!("events are written to {place} again"));
        }
    }
}

fn dropped_entry(records: u64) -> io::Result<LogEntry> {
    let mut line = Vec::new();
    let kind = "dropped";
    write_line(&mut line, &DroppedEntries { kind, records })?;
    Ok(LogEntry {
        message: format!("{records} events could not be written"),
        priority: Priority::Warning,
        fields: vec![
            ("TYPE", kind.to_owned()),
            ("JSON", String::from_utf8_lossy(&line).trim().to_owned()),
        ],
        line,
    })
}

impl EventTarget {
    /// The file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Journal(_) => None,
            Self::File(path) => Some(path),
        }
    }
}

#[cfg(test)]
mod tests;
