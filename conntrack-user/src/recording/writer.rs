//! Appends records to a recording: blocks about once a second, written and synced by a thread of its own,
//! so that a slow disk does not hold up the readings.

use std::{
    fs::File,
    io::{self, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    clock::Clock,
    model::record::Record,
    output::Sink,
    recording::block::{self, Label},
};

/// No record waits longer than this before it is written.
pub const AT_MOST: Duration = Duration::from_secs(1);

/// A block is ended early when it has so many bytes of records.
const LARGE: usize = 4 << 20;

/// Blocks that may wait for the disk.
const QUEUE: usize = 16;

/// Where blocks go.
pub trait Medium: Write + Send + 'static {
    /// Has what was written outlive a crash of the machine, where the medium can.
    ///
    /// # Errors
    ///
    /// When it could not be kept.
    fn sync(&mut self) -> io::Result<()>;

    /// After a failure: gives up all but the first `bytes` that were written.
    fn keep(&mut self, bytes: u64);
}

/// A file that blocks are appended to.
#[derive(Debug)]
pub struct Appended {
    file: File,
    before: u64,
}

impl Appended {
    /// At the end of `file`, which has `before` bytes.
    #[must_use]
    pub fn new(file: File, before: u64) -> Self {
        Self { file, before }
    }
}

impl Write for Appended {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Medium for Appended {
    fn sync(&mut self) -> io::Result<()> {
        match self.file.sync_data() {
            // A pipe or device has nothing to sync.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }

    fn keep(&mut self, bytes: u64) {
        // If it fails the reader copes with half a block.
        let _ = self.file.set_len(self.before + bytes);
    }
}

/// What has been written for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Blocks.
    pub blocks: u32,
    /// Records.
    pub records: u64,
    /// Bytes.
    pub bytes: u64,
    /// The greatest time of a record.
    pub until: Option<Timestamp>,
}

/// A block on its way.
struct Parcel {
    bytes: Vec<u8>,
    records: u32,
    until: Option<Timestamp>,
}

/// Records to blocks.
pub struct Recorder<C> {
    clock: C,
    interval: Duration,
    lines: Vec<u8>,
    label: Label,
    since: Option<Duration>,
    parcels: Option<SyncSender<Parcel>>,
    thread: Option<JoinHandle<(Kept, io::Result<()>)>>,
    kept: Kept,
    failure: Option<io::Error>,
}

impl<C: Clock> Recorder<C> {
    /// Onto a medium. `interval` is the time between flushes.
    pub fn new(mut medium: impl Medium, clock: C, interval: Duration) -> Self {
        let (parcels, arriving) = sync_channel(QUEUE);
        Self {
            clock,
            interval,
            lines: Vec::new(),
            label: Label::default(),
            since: None,
            parcels: Some(parcels),
            thread: Some(std::thread::spawn(move || store(&mut medium, &arriving))),
            kept: Kept::default(),
            failure: None,
        }
    }

    /// Writes what is left and waits until all is kept: what that is, and why it is not all.
    pub fn finish(mut self) -> (Kept, io::Result<()>) {
        let sent = self.send();
        self.join();
        match self.failure.take() {
            Some(error) => (self.kept, Err(error)),
            None => (self.kept, sent),
        }
    }

    /// Blocks sent to be written so far.
    #[must_use]
    pub fn sent(&self) -> u32 {
        self.label.sequence
    }

    fn append(&mut self, record: &Record) -> io::Result<()> {
        serde_json::to_writer(&mut self.lines, record)?;
        self.lines.push(b'\n');
        self.label.records += 1;
        self.label.greets |= matches!(record, Record::Hello(_));
        self.label.ends |= matches!(record, Record::Summary(_));
        if let Some(time) = record.time() {
            let (first, last) = self.label.times.unwrap_or((time.0, time.0));
            self.label.times = Some((first.min(time.0), last.max(time.0)));
        }
        Ok(())
    }

    /// Sends what has come together as a block.
    fn send(&mut self) -> io::Result<()> {
        self.since = None;
        if self.label.records == 0 {
            return Ok(());
        }
        let next = Label {
            sequence: self.label.sequence.wrapping_add(1),
            ..Label::default()
        };
        let label = std::mem::replace(&mut self.label, next);
        let parcel = Parcel {
            bytes: block::encode(label, &self.lines)?,
            records: label.records,
            until: label.times.map(|(_, last)| last),
        };
        self.lines.clear();
        let sent = self.parcels.as_ref().map(|parcels| parcels.send(parcel));
        if !matches!(sent, Some(Ok(()))) {
            // The thread has ended: it says why.
            self.join();
            return Err(io::Error::other("the recording cannot be written"));
        }
        Ok(())
    }

    fn join(&mut self) {
        self.parcels = None;
        if let Some(thread) = self.thread.take() {
            match thread.join() {
                Ok((kept, stored)) => {
                    self.kept = kept;
                    self.failure = stored.err();
                }
                Err(_) => self.failure = Some(io::Error::other("the thread that writes panicked")),
            }
        }
    }
}

/// Writes what arrives until nothing more does, or one block cannot be written.
fn store(medium: &mut impl Medium, arriving: &Receiver<Parcel>) -> (Kept, io::Result<()>) {
    let mut kept = Kept::default();
    for parcel in arriving {
        let stored = medium
            .write_all(&parcel.bytes)
            .and_then(|()| medium.flush())
            .and_then(|()| medium.sync());
        if let Err(error) = stored {
            medium.keep(kept.bytes);
            return (kept, Err(error));
        }
        kept.blocks += 1;
        kept.records += u64::from(parcel.records);
        kept.bytes += parcel.bytes.len() as u64;
        kept.until = kept.until.max(parcel.until);
    }
    (kept, Ok(()))
}

impl<C: Clock> Sink for Recorder<C> {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        self.append(record)?;
        if self.lines.len() >= LARGE {
            self.send()?;
        }
        Ok(())
    }

    /// Ends the block when waiting for another interval could have a record wait too long.
    fn flush(&mut self) -> io::Result<()> {
        if self.label.records == 0 {
            return Ok(());
        }
        let now = self.clock.now().monotonic;
        let waited = now.saturating_sub(*self.since.get_or_insert(now));
        if waited + self.interval >= AT_MOST || self.label.ends {
            self.send()?;
        }
        Ok(())
    }
}
