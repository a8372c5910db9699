//! Frames of the queue, read one after the other and made into requests.

use std::{
    collections::{BTreeMap, HashMap},
    io,
};

use prost::Message as _;

use super::{
    frame,
    mark::QueuePlace,
    store::{Segment, SegmentStore},
};
use crate::remote_write::wire::{QueuedFrame, SeriesLabel, SeriesSample, TimeSeries, WriteRequest};

/// How much a request may have. One frame is sent even if it has more.
#[derive(Clone, Copy, Debug)]
pub(in crate::remote_write) struct BatchLimits {
    pub(in crate::remote_write) samples: u64,
    /// Bytes before compression.
    pub(in crate::remote_write) bytes: usize,
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::remote_write) struct Batch {
    /// The place after it.
    pub(super) end: QueuePlace,
    /// How many samples it has.
    pub(in crate::remote_write) samples: u64,
    /// The end of its last cell.
    pub(super) last_ms: i64,
    /// A `WriteRequest`, compressed.
    pub(in crate::remote_write) body: Vec<u8>,
}

/// What a sample adds to a request, at most: its value, its time, and their tags.
const SAMPLE_BYTES: usize = 24;

/// Where the next frame is read, and the series of its segment so far.
#[derive(Debug)]
pub(super) struct QueueReader {
    at: QueuePlace,
    /// Where it has to be read from on, to know the series.
    known_to: u64,
    series: HashMap<u32, Vec<SeriesLabel>>,
}

impl QueueReader {
    pub(super) fn at(place: QueuePlace) -> Self {
        Self {
            at: place,
            known_to: 0,
            series: HashMap::new(),
        }
    }

    /// The segment that is read, or the first that may be.
    pub(super) fn segment(&self) -> Segment {
        self.at.segment
    }

    /// Reads on in a segment.
    pub(super) fn enter(&mut self, segment: Segment) {
        if segment != self.at.segment {
            *self = Self::at(QueuePlace::new(segment, 0));
        }
    }

    /// Leaves a segment, and those before it.
    pub(super) fn pass(&mut self, segment: Segment) {
        if segment >= self.at.segment {
            *self = Self::at(QueuePlace::new(segment + 1, 0));
        }
    }

    /// The next frames of the segment, of which the first `end` bytes are frames.
    pub(super) fn read(
        &mut self,
        store: &impl SegmentStore,
        end: u64,
        limits: BatchLimits,
    ) -> io::Result<Option<Batch>> {
        let from = self.known_to.min(self.at.bytes);
        if self.at.bytes >= end {
            return Ok(None);
        }
        let bytes = store.read(self.at.segment, from, end - from)?;
        let mut rest = &*bytes;
        let mut request = PartialRequest::default();
        while !request.is_full(limits)
            && let Some((frame, length)) = frame::decode(rest)
        {
            rest = &rest[length..];
            let start = self.known_to;
            self.known_to += length as u64;
            self.learn(&frame);
            if start >= self.at.bytes {
                self.at.bytes = self.known_to;
                request.add(&frame, &self.series);
            }
        }
        if request.samples == 0 {
            // It was changed since it was written.
            self.at.bytes = end;
            return Ok(None);
        }
        Ok(Some(request.into_batch(self.at)?))
    }

    fn learn(&mut self, frame: &QueuedFrame) {
        let series = frame.series.iter();
        self.series
            .extend(series.map(|series| (series.number, series.labels.clone())));
    }
}

/// A request that may get more.
#[derive(Debug, Default)]
struct PartialRequest {
    series: BTreeMap<u32, TimeSeries>,
    samples: u64,
    bytes: usize,
    last_ms: i64,
}

impl PartialRequest {
    fn is_full(&self, limits: BatchLimits) -> bool {
        self.samples >= limits.samples || self.bytes >= limits.bytes
    }

    fn add(&mut self, frame: &QueuedFrame, known: &HashMap<u32, Vec<SeriesLabel>>) {
        for cell in &frame.cells {
            self.last_ms = self.last_ms.max(cell.end_ms);
            for (number, value) in cell.series.iter().zip(&cell.values) {
                // A segment has each series before its first sample.
                let Some(labels) = known.get(number) else {
                    continue;
                };
                let series = self.series.entry(*number).or_insert_with(|| {
                    let bytes = labels.iter().map(prost::Message::encoded_len);
                    self.bytes += bytes.sum::<usize>() + 8;
                    TimeSeries {
                        labels: labels.clone(),
                        samples: Vec::new(),
                    }
                });
                series.samples.push(SeriesSample {
                    value: *value,
                    timestamp: cell.end_ms,
                });
                self.samples += 1;
                self.bytes += SAMPLE_BYTES;
            }
        }
    }

    fn into_batch(self, end: QueuePlace) -> io::Result<Batch> {
        let request = WriteRequest {
            timeseries: self.series.into_values().collect(),
        };
        let body = snap::raw::Encoder::new().compress_vec(&request.encode_to_vec());
        Ok(Batch {
            end,
            samples: self.samples,
            last_ms: self.last_ms,
            body: body.map_err(io::Error::other)?,
        })
    }
}
