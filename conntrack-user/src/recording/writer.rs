//! Appends records to a recording. It has two halves, so that a slow disk or a stuck reader of a pipe delays no reading: the
//! [`Recorder`] takes records in the thread that reads the kernel, and the [`BlockWriter`] writes and syncs their blocks in a
//! thread that the caller starts.
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

/// The most bytes of blocks that wait for the medium: of most recordings, a quarter of an hour or more.
const MAX_QUEUED: usize = 32 << 20;

/// What blocks are written to.
pub trait Medium: Write + Send + 'static {
    /// Makes what was written survive a crash of the machine, where the medium can do that.
    ///
    /// # Errors
    ///
    /// When syncing failed.
    fn sync(&mut self) -> io::Result<()>;

    /// Removes all but the first `bytes` of what was written, after a failure.
    fn truncate(&mut self, bytes: u64);
}

/// What has been written and synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub blocks: u32,
    pub records: u64,
    pub bytes: u64,
    /// The greatest time of a record.
    pub until: Option<Timestamp>,
}

/// Why records are missing in a recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A record could not be encoded.
    #[error(transparent)]
    Encode(io::Error),
    /// A block could not be written or synced. Nothing is written after that.
    #[error(transparent)]
    Medium(io::Error),
    /// The medium was too slow for a while. What came later was written.
    #[error("{records} records were left out: writing did not keep up")]
    TooSlow {
        /// Records in blocks for which the queue had no room.
        records: u64,
    },
    /// The medium was stuck at the end.
    #[error("writing is stuck: what was left was given up after {:.1} s", .waited.as_secs_f64())]
    Stuck {
        /// How long the recorder waited for it.
        waited: Duration,
    },
    /// The writer's thread ended before the recording did.
    #[error("the thread that writes has ended")]
    NoWriter,
}

impl RecordError {
    /// Whether nothing was written after the error.
    #[must_use]
    pub fn is_final(&self) -> bool {
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
    /// What has been written by now.
    Kept(Kept),
    /// The writer has ended, with this result.
    End(io::Result<()>),
}

/// Creates the two halves of a recording to a medium. `interval` is the time between flushes.
pub fn recorder<M: Medium, C: Clock>(
    medium: M,
    clock: C,
    interval: Duration,
) -> (Recorder<C>, BlockWriter<M>) {
    with_room(MAX_QUEUED, medium, BlockEncoder::new(clock, interval))
}

/// Like [`recorder`], with another limit of the bytes that wait for the medium.
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

/// Takes records and hands their blocks to the writer. Only [`Recorder::finish`] waits for the medium.
pub struct Recorder<C> {
    encoder: BlockEncoder<C>,
    /// The channel to the writer; closed after the last block.
    blocks: Option<Sender<EncodedBlock>>,
    /// Bytes of blocks that the writer has not written yet.
    queued: Arc<AtomicUsize>,
    /// The most bytes that may wait.
    room: usize,
    progress: Receiver<WriterReport>,
    kept: Kept,
    /// The writer's result, once it has ended.
    end: Option<Result<(), RecordError>>,
    left_out: u64,
}

impl<C: Clock> Recorder<C> {
    /// Takes a record.
    ///
    /// # Errors
    ///
    /// When nothing can be written any more; [`Recorder::finish`] returns the cause.
    pub fn write(&mut self, record: &Record) -> Result<(), RecordError> {
        let block = self.encoder.add(record).map_err(RecordError::Encode)?;
        self.send(block)
    }

    /// Ends the block if a record would wait too long until the next flush.
    ///
    /// # Errors
    ///
    /// Those of [`Recorder::write`].
    pub fn flush(&mut self) -> Result<(), RecordError> {
        let block = self.encoder.flush().map_err(RecordError::Encode)?;
        self.send(block)
    }

    /// Blocks ended so far.
    #[cfg(test)]
    pub(super) fn sent(&self) -> u32 {
        self.encoder.completed()
    }

    /// How many records were dropped so far, because too much waits to be written. Readers of the recording report their blocks as
    /// missing.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Writes the rest, and waits until everything is synced, but no longer than `patience`. Returns what has been written, and the
    /// error if that is not everything. A stuck writer's thread remains until the process ends.
    pub fn finish(mut self, patience: Duration) -> (Kept, Result<(), RecordError>) {
        let last = self.encoder.complete().map_err(RecordError::Encode);
        let sent = last.and_then(|block| self.send(block));
        // Closing the channel ends the writer after its last block.
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

/// Writes blocks to a medium.
pub struct BlockWriter<M> {
    medium: M,
    arriving: Receiver<EncodedBlock>,
    queued: Arc<AtomicUsize>,
    report: Sender<WriterReport>,
}

impl<M: Medium> BlockWriter<M> {
    /// Writes blocks as they arrive, until the recorder is finished or dropped, or a block cannot be written. Blocks for as long as
    /// the recording lasts.
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
                medium.truncate(kept.bytes);
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
