//! What waits to be sent: frames of cells in segments, oldest first, within a bound.
//!
//! What was appended is there after the process was killed, and is sent again from the last request that was answered. A frame that
//! was cut off ends its segment; nothing of it was sent, as only whole frames are. The newest segment is never removed: it says up
//! to which cell there were any.

mod batch;
mod frame;
mod mark;
mod store;

use std::{
    collections::{HashMap, VecDeque},
    io,
};

use self::{batch::QueueReader, store::Segment};
pub(super) use self::{
    batch::{Batch, BatchLimits},
    mark::QueuePlace,
    store::{DirStore, MemoryStore, SegmentStore},
};
use super::{
    series::{SeriesNames, labels},
    wire::{QueuedCell, QueuedFrame, QueuedSeries},
};
use crate::model::cells::{GridMetric, InstanceCells};

/// The most bytes of a segment, as a part of the bound of all.
const PART: u64 = 16;

/// The fewest and the most.
const SEGMENT_BYTES: (u64, u64) = (64 << 10, 1 << 20);

/// The most cells of a frame.
const FRAME_CELLS: usize = 64;

/// What waits to be sent.
pub(super) struct Queue<S> {
    store: S,
    names: SeriesNames,
    /// The most bytes of all segments.
    limit: u64,
    segments: VecDeque<SegmentState>,
    /// The numbers of series in the segment that is appended to; `None` when the next frame starts a new one.
    writing: Option<HashMap<(String, GridMetric), u32>>,
    reading: QueueReader,
    /// What was answered.
    sent: QueuePlace,
    /// The end of the last cell of what was answered or dropped.
    done_to: Option<i64>,
    /// The end of the last cell of all.
    last: Option<i64>,
    /// Samples that were dropped to keep the bound, since the start.
    dropped: u64,
    /// Samples that were read, and are neither answered nor refused.
    in_flight: u64,
}

#[derive(Clone, Copy, Debug)]
struct SegmentState {
    number: Segment,
    /// Bytes of whole frames.
    bytes: u64,
    samples: u64,
    /// The samples of those that were read.
    read: u64,
    /// The ends of the first and the last cell.
    span: Option<(i64, i64)>,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Bytes in the store.
    pub(super) bytes: u64,
    /// Samples that no answer was for.
    pub(super) samples: u64,
    /// The end of the last cell before them, or of the first of them, in milliseconds since 1970; `None` if none waits.
    pub(super) since_ms: Option<i64>,
}

impl<S: SegmentStore> Queue<S> {
    /// Continues with what is in the store.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub(super) fn open(store: S, limit: u64, names: SeriesNames) -> io::Result<Self> {
        let sent = QueuePlace::parse(&store.mark()?);
        let mut queue = Self {
            names,
            limit,
            segments: VecDeque::new(),
            writing: None,
            reading: QueueReader::at(sent),
            sent,
            done_to: None,
            last: None,
            dropped: 0,
            in_flight: 0,
            store,
        };
        for number in queue.store.list()? {
            queue.add_existing(number)?;
        }
        Ok(queue)
    }

    fn add_existing(&mut self, number: Segment) -> io::Result<()> {
        let mut state = SegmentState::new(number);
        let bytes = self
            .store
            .read(number, 0, self.segment_limit().max(SEGMENT_BYTES.1))?;
        let mut rest = &*bytes;
        while let Some((frame, length)) = frame::decode(rest) {
            let is_sent = QueuePlace::new(number, state.bytes) < self.sent;
            state.add(&frame, length as u64);
            if is_sent {
                state.read = state.samples;
                self.done_to = self.done_to.max(frame.span().map(|(_, last)| last));
            }
            rest = &rest[length..];
        }
        self.last = self.last.max(state.span.map(|(_, last)| last));
        self.segments.push_back(state);
        Ok(())
    }

    /// The end of the last cell there was, in milliseconds since 1970.
    pub(super) fn last(&self) -> Option<i64> {
        self.last
    }

    /// Samples that were dropped to keep the bound, since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How much waits.
    pub(super) fn waiting(&self) -> Waiting {
        let unread = self
            .segments
            .iter()
            .map(|segment| segment.samples - segment.read);
        let samples = unread.sum::<u64>() + self.in_flight;
        let first = || {
            let mut unread = self.segments.iter();
            unread.find(|segment| segment.read < segment.samples)?.span
        };
        Waiting {
            bytes: self.segments.iter().map(|segment| segment.bytes).sum(),
            samples,
            since_ms: match samples {
                0 => None,
                _ => self.done_to.max(first().map(|(first, _)| first)),
            },
        }
    }

    /// Adds cells.
    ///
    /// # Errors
    ///
    /// When they cannot be stored. Those that follow go to another segment.
    pub(super) fn add(&mut self, cells: &InstanceCells) -> io::Result<()> {
        for chunk in cells.cells.chunks(FRAME_CELLS) {
            let part = InstanceCells {
                instance: cells.instance.clone(),
                cells: chunk.to_vec(),
            };
            if let Err(error) = self.add_frame(&part) {
                self.writing = None;
                return Err(error);
            }
        }
        self.keep_bound()
    }

    fn add_frame(&mut self, cells: &InstanceCells) -> io::Result<()> {
        let too_long = || io::Error::from(io::ErrorKind::InvalidData);
        let is_new = self.writing.is_none();
        let mut frame = self.frame(cells);
        let mut bytes = frame::encode(&frame).ok_or_else(too_long)?;
        let full = self.segments.back().is_some_and(|segment| {
            segment.bytes.saturating_add(bytes.len() as u64) > self.segment_limit()
        });
        if is_new || full {
            let number = self.segments.back().map_or(1, |segment| segment.number + 1);
            let number = number.max(self.sent.segment + 1);
            self.segments.push_back(SegmentState::new(number));
            self.writing = Some(HashMap::new());
            frame = self.frame(cells);
            bytes = frame::encode(&frame).ok_or_else(too_long)?;
        }
        let Some(segment) = self.segments.back_mut() else {
            return Ok(());
        };
        self.store.append(segment.number, &bytes)?;
        segment.add(&frame, bytes.len() as u64);
        self.last = self.last.max(frame.span().map(|(_, last)| last));
        Ok(())
    }

    /// Cells as a frame of the segment that is appended to.
    fn frame(&mut self, cells: &InstanceCells) -> QueuedFrame {
        let instance = cells.instance.to_string();
        let mut numbers = self.writing.take().unwrap_or_default();
        let mut series = Vec::new();
        let mut number_of = |metric: GridMetric| {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            *numbers
                .entry((instance.clone(), metric))
                .or_insert_with(|| {
                    series.push(QueuedSeries {
                        number: next,
                        labels: labels(&self.names, &instance, metric),
                    });
                    next
                })
        };
        let cells = cells.cells.iter().map(|cell| QueuedCell {
            end_ms: cell.end_ms,
            series: cell
                .values
                .iter()
                .map(|(metric, _)| number_of(*metric))
                .collect(),
            values: cell.values.iter().map(|(_, value)| *value).collect(),
        });
        let cells = cells.collect();
        self.writing = Some(numbers);
        QueuedFrame { series, cells }
    }

    fn segment_limit(&self) -> u64 {
        (self.limit / PART).clamp(SEGMENT_BYTES.0, SEGMENT_BYTES.1)
    }

    /// Drops the oldest segments until the rest is within the bound.
    fn keep_bound(&mut self) -> io::Result<()> {
        while self.waiting().bytes > self.limit && self.segments.len() > 1 {
            self.drop_oldest()?;
        }
        Ok(())
    }

    fn drop_oldest(&mut self) -> io::Result<()> {
        let Some(oldest) = self.segments.pop_front() else {
            return Ok(());
        };
        self.dropped += oldest.samples - oldest.read;
        self.done_to = self.done_to.max(oldest.span.map(|(_, last)| last));
        self.reading.pass(oldest.number);
        self.store.remove(oldest.number)
    }

    /// The samples that come next, as a request; `None` if there are none. Each comes once.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub(super) fn next(&mut self, limits: BatchLimits) -> io::Result<Option<Batch>> {
        loop {
            let at = self.reading.segment();
            let Some(segment) = self.segments.iter_mut().find(|s| s.number >= at) else {
                return Ok(None);
            };
            self.reading.enter(segment.number);
            let read = self.reading.read(&self.store, segment.bytes, limits)?;
            if let Some(batch) = read {
                segment.read = segment
                    .read
                    .saturating_add(batch.samples)
                    .min(segment.samples);
                self.in_flight += batch.samples;
                return Ok(Some(batch));
            }
            // All that was not read cannot be: it was changed since it was written.
            self.dropped += segment.samples - segment.read;
            segment.read = segment.samples;
            let number = segment.number;
            let is_last = self.segments.back().is_some_and(|s| s.number == number);
            if is_last {
                return Ok(None);
            }
            self.reading.pass(number);
        }
    }

    /// A batch was answered, or is not to be sent again.
    ///
    /// # Errors
    ///
    /// When that cannot be stored. It would be sent again after a restart.
    pub(super) fn done(&mut self, batch: &Batch) -> io::Result<()> {
        self.in_flight = self.in_flight.saturating_sub(batch.samples);
        self.sent = self.sent.max(batch.end);
        self.done_to = self.done_to.max(Some(batch.last_ms));
        while self.segments.len() > 1 && self.is_done(0) {
            if let Some(done) = self.segments.pop_front() {
                self.reading.pass(done.number);
                self.store.remove(done.number)?;
            }
        }
        self.store.set_mark(&self.sent.to_bytes())
    }

    fn is_done(&self, index: usize) -> bool {
        let segment = self.segments.get(index);
        segment.is_some_and(|segment| QueuePlace::new(segment.number, segment.bytes) <= self.sent)
    }
}

impl SegmentState {
    const fn new(number: Segment) -> Self {
        Self {
            number,
            bytes: 0,
            samples: 0,
            read: 0,
            span: None,
        }
    }

    fn add(&mut self, frame: &QueuedFrame, bytes: u64) {
        self.bytes += bytes;
        self.samples += frame.samples();
        if let Some((first, last)) = frame.span() {
            let span = self.span.get_or_insert((first, last));
            *span = (span.0.min(first), span.1.max(last));
        }
    }
}

#[cfg(test)]
mod tests;
