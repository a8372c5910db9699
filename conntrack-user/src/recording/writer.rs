//! Appends records to a recording. Two halves, so that a slow disk or a stuck reader holds nothing up: the [`Recorder`]
//! takes records in the thread that reads, the [`BlockWriter`] writes and syncs their blocks in another, which is for
//! the caller to start.
//!
//! ```text
//! Recorder -- blocks --> BlockWriter -- bytes --> medium
//!          <-- progress --
//! ```

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    clock::Clock,
    model::record::Record,
    recording::encoder::{BlockEncoder, EncodedBlock},
};

/// Bytes of blocks that may wait for the medium: a quarter of an hour or more of most recordings.
const QUEUED: usize = 32 << 20;

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

/// What has been written for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub blocks: u32,
    pub records: u64,
    pub bytes: u64,
    /// The greatest time of a record.
    pub until: Option<Timestamp>,
}

/// Why a recording lacks records.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A record has no place in a block.
    #[error(transparent)]
    Encode(io::Error),
    /// The medium did not take or keep a block. Nothing is written after that.
    #[error(transparent)]
    Medium(io::Error),
    /// The medium took blocks too slowly. What came later was written.
    #[error("{records} records were left out: writing did not keep up")]
    TooSlow {
        /// Records of blocks that had no room to wait.
        records: u64,
    },
    /// The medium took nothing at the end.
    #[error("writing is stuck: what was left was given up after {:.1} s", .waited.as_secs_f64())]
    Stuck {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The writer ended before the recording did.
    #[error("the thread that writes has ended")]
    NoWriter,
}

impl RecordError {
    /// Whether nothing was written after what is kept.
    #[must_use]
    pub fn ends_it(&self) -> bool {
        !matches!(self, Self::TooSlow { .. })
    }
}

impl From<RecordError> for io::Error {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Encode(error) | RecordError::Medium(error) => error,
            error => Self::other(error),
        }
    }
}

enum WriterReport {
    /// What is written by now.
    Kept(Kept),
    /// How it ended.
    End(io::Result<()>),
}

/// Both halves of a recording onto a medium. `interval` is the time between flushes.
pub fn recorder<M: Medium, C: Clock>(
    medium: M,
    clock: C,
    interval: Duration,
) -> (Recorder<C>, BlockWriter<M>) {
    with_room(QUEUED, medium, BlockEncoder::new(clock, interval))
}

/// The same, where so many bytes of blocks may wait.
pub(super) fn with_room<M: Medium, C: Clock>(
    room: usize,
    medium: M,
    encoder: BlockEncoder<C>,
) -> (Recorder<C>, BlockWriter<M>) {
    let (blocks, arriving) = channel();
    let (report, progress) = channel();
    let queued = Arc::new(AtomicUsize::new(0));
    let writer = BlockWriter {
        medium,
        arriving,
        queued: Arc::clone(&queued),
        report,
    };
    let recorder = Recorder {
        encoder,
        blocks: Some(blocks),
        queued,
        room,
        progress,
        kept: Kept::default(),
        end: None,
        left_out: 0,
    };
    (recorder, writer)
}

/// Takes records. Does not wait for the medium before [`Recorder::finish`].
pub struct Recorder<C> {
    encoder: BlockEncoder<C>,
    /// `None` after the last one.
    blocks: Option<Sender<EncodedBlock>>,
    /// Bytes of blocks that the writer has not written yet.
    queued: Arc<AtomicUsize>,
    /// How many they may be.
    room: usize,
    progress: Receiver<WriterReport>,
    kept: Kept,
    /// How the writer ended.
    end: Option<Result<(), RecordError>>,
    left_out: u64,
}

impl<C: Clock> Recorder<C> {
    /// Takes a record.
    ///
    /// # Errors
    ///
    /// When nothing can be written any more; [`Recorder::finish`] says why.
    pub fn write(&mut self, record: &Record) -> Result<(), RecordError> {
        let block = self.encoder.add(record).map_err(RecordError::Encode)?;
        self.send(block)
    }

    /// Ends the block when waiting for another interval could have a record wait too long.
    ///
    /// # Errors
    ///
    /// As [`Recorder::write`].
    pub fn flush(&mut self) -> Result<(), RecordError> {
        let block = self.encoder.flush().map_err(RecordError::Encode)?;
        self.send(block)
    }

    /// Blocks ended so far.
    #[cfg(test)]
    pub(super) fn sent(&self) -> u32 {
        self.encoder.completed()
    }

    /// Records left out so far, because what waits to be written has no room for more. The blocks they would be in are
    /// missed when the recording is read.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Writes what is left, and waits until all is kept, but no longer than `patience`: what is kept, and why it is not
    /// all. A writer that is stuck remains so until the process ends.
    pub fn finish(mut self, patience: Duration) -> (Kept, Result<(), RecordError>) {
        let last = self.encoder.complete().map_err(RecordError::Encode);
        let sent = last.and_then(|block| self.send(block));
        // After the last block the writer ends.
        self.blocks = None;
        let deadline = self.now().saturating_add(patience);
        while self.end.is_none() {
            match self
                .progress
                .recv_timeout(deadline.saturating_sub(self.now()))
            {
                Ok(progress) => self.take(progress),
                Err(RecvTimeoutError::Disconnected) => self.end = Some(Err(RecordError::NoWriter)),
                Err(RecvTimeoutError::Timeout) => {
                    self.end = Some(Err(RecordError::Stuck { waited: patience }));
                }
            }
        }
        let complete = match self.left_out {
            0 => Ok(()),
            records => Err(RecordError::TooSlow { records }),
        };
        let ended = self.end.take().unwrap_or(Ok(()));
        (self.kept, ended.and(sent).and(complete))
    }

    fn now(&self) -> Duration {
        self.encoder.clock().now().monotonic
    }

    fn send(&mut self, block: Option<EncodedBlock>) -> Result<(), RecordError> {
        while let Ok(progress) = self.progress.try_recv() {
            self.take(progress);
        }
        if self.end.is_some() {
            return Err(RecordError::NoWriter);
        }
        let (Some(block), Some(blocks)) = (block, &self.blocks) else {
            return Ok(());
        };
        let bytes = block.bytes.len();
        if self.queued.load(Ordering::Relaxed) + bytes > self.room {
            self.left_out += u64::from(block.records);
            return Ok(());
        }
        self.queued.fetch_add(bytes, Ordering::Relaxed);
        blocks.send(block).map_err(|_| RecordError::NoWriter)
    }

    fn take(&mut self, progress: WriterReport) {
        match progress {
            WriterReport::Kept(kept) => self.kept = kept,
            WriterReport::End(end) => self.end = Some(end.map_err(RecordError::Medium)),
        }
    }
}

/// Writes blocks onto a medium.
pub struct BlockWriter<M> {
    medium: M,
    arriving: Receiver<EncodedBlock>,
    queued: Arc<AtomicUsize>,
    report: Sender<WriterReport>,
}

impl<M: Medium> BlockWriter<M> {
    /// Writes what arrives until the recorder is finished or dropped, or one block cannot be written: takes as long as
    /// the recording does.
    pub fn run(mut self) {
        let end = self.write();
        // The recorder may have given up waiting.
        let _ = self.report.send(WriterReport::End(end));
    }

    fn write(&mut self) -> io::Result<()> {
        let mut kept = Kept::default();
        while let Ok(block) = self.arriving.recv() {
            let medium = &mut self.medium;
            let stored = medium
                .write_all(&block.bytes)
                .and_then(|()| medium.flush())
                .and_then(|()| medium.sync());
            self.queued.fetch_sub(block.bytes.len(), Ordering::Relaxed);
            if let Err(error) = stored {
                medium.keep(kept.bytes);
                return Err(error);
            }
            kept.blocks += 1;
            kept.records += u64::from(block.records);
            kept.bytes += block.bytes.len() as u64;
            kept.until = kept.until.max(block.until);
            let _ = self.report.send(WriterReport::Kept(kept));
        }
        Ok(())
    }
}
