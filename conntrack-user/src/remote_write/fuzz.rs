//! What fuzzing gives to the queue of what waits to be sent: the files that it kept.

use prost::Message as _;

use super::{
    queue::{Batch, BatchLimits, MemoryStore, Queue, SegmentStore as _},
    series::SeriesNames,
    wire::WriteRequest,
};

/// The most batches of an input: each has at least a sample of it.
const BATCHES: usize = 4_096;

/// Bytes before the content of a frame.
const HEAD: usize = 8;

/// Segments and the mark, each after its length; the checksums of frames are made to fit.
pub fn queue(data: &[u8]) {
    let mut store = MemoryStore::default();
    let mut rest = data;
    for segment in 0.. {
        let Some((length, more)) = rest.split_first_chunk::<2>() else {
            break;
        };
        let length = usize::from(u16::from_le_bytes(*length)).min(more.len());
        let (part, more) = more.split_at(length);
        rest = more;
        let stored = match segment {
            0 => store.set_mark(part),
            _ => store.append(segment, &sealed(part)),
        };
        stored.expect("memory takes everything");
    }
    let step = "100ms".parse().expect("a step");
    let Ok(mut queue) = Queue::open(store, 1 << 20, SeriesNames::new("fuzzed", &[], step)) else {
        return;
    };
    let limits = BatchLimits {
        samples: 50,
        bytes: 1 << 16,
    };
    for _ in 0..BATCHES {
        let Ok(Some(batch)) = queue.next(limits) else {
            return;
        };
        assert_eq!(samples(&batch), batch.samples);
        queue.done(&batch).expect("memory takes everything");
    }
    panic!("it does not end");
}

/// How many samples a receiver gets.
fn samples(batch: &Batch) -> u64 {
    let bytes = snap::raw::Decoder::new().decompress_vec(&batch.body);
    let request = WriteRequest::decode(&*bytes.expect("it was compressed"));
    let request = request.expect("it was encoded");
    let samples = request.timeseries.iter().map(|series| series.samples.len());
    samples.sum::<usize>() as u64
}

/// Frames with the checksums of their contents.
fn sealed(part: &[u8]) -> Vec<u8> {
    let mut bytes = part.to_vec();
    let mut at = 0;
    while let Some(frame) = bytes.get_mut(at..).filter(|frame| frame.len() > HEAD) {
        let length = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
        let length = length.min(frame.len() - HEAD);
        let sum = crc32fast::hash(&frame[HEAD..HEAD + length]);
        frame[4..HEAD].copy_from_slice(&sum.to_le_bytes());
        at += HEAD + length;
    }
    bytes
}
