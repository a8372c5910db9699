//! Reads single events from the eBPF programs' ring buffer.

use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
};
use conntrack_ebpf::{
    TUPLE_SIZE,
    events::{EventKind, EventStats, RawEvent},
    maps,
};

use super::{
    error::AttachError,
    load::{array, take},
};
use crate::{reading::events::EventCounts, source::maps::view::MapView};

/// The ring, and the counts of events that were sent, suppressed and lost.
pub(super) struct EventRing {
    ring: RingBuf<MapData>,
    stats: MapView<EventStats>,
}

impl EventRing {
    /// Takes the ring out of the loaded object.
    ///
    /// # Errors
    ///
    /// When it is not there, or cannot be mapped.
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, AttachError> {
        let ring = take(ebpf, maps::EVENTS)?;
        let stats = array(ebpf, maps::EVENT_STATS)?;
        Ok(Self {
            ring: RingBuf::try_from(ring).map_err(|cause| AttachError::Map {
                map: maps::EVENTS,
                cause,
            })?,
            stats: MapView::new(stats.fd(), EventKind::ALL.len()).map_err(|cause| {
                AttachError::Memory {
                    what: "what became of events",
                    cause,
                }
            })?,
        })
    }

    /// The events since last time, oldest first, at most `limit` of them: what is left stays in the ring.
    pub(super) fn drain(&mut self, limit: usize) -> Vec<RawEvent> {
        at_most(limit, || self.ring.next().map(|item| decode(&item)))
    }

    /// How many events of each kind were sent, suppressed and lost so far.
    #[must_use]
    pub(super) fn counts(&self) -> EventCounts {
        EventKind::ALL.map(|kind| {
            let Some(stats) = self.stats.element(kind as usize) else {
                return (kind, [0; 3]);
            };
            // SAFETY: within the mapping; each field is one aligned word that programs add to.
            let counts = unsafe {
                let stats = stats.as_ptr();
                [
                    (&raw const (*stats).sent).read_volatile(),
                    (&raw const (*stats).suppressed).read_volatile(),
                    (&raw const (*stats).lost).read_volatile(),
                ]
            };
            (kind, counts)
        })
    }
}

/// What there is, but no more than `limit` items, however fast more come; those that are no events are left out.
fn at_most(limit: usize, next: impl FnMut() -> Option<Option<RawEvent>>) -> Vec<RawEvent> {
    std::iter::from_fn(next).take(limit).flatten().collect()
}

/// An event as it is in the ring; `None` if it is shorter than one.
fn decode(bytes: &[u8]) -> Option<RawEvent> {
    let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let tuple =
        |at: usize| -> Option<[u8; TUPLE_SIZE]> { bytes.get(at..at + TUPLE_SIZE)?.try_into().ok() };
    Some(RawEvent {
        time: u64::from_ne_bytes(bytes.get(0..8)?.try_into().ok()?),
        slot: word(8)?,
        kind: word(12)?,
        tuple: tuple(16)?,
        by: tuple(16 + TUPLE_SIZE)?,
        replies: tuple(16 + 2 * TUPLE_SIZE)?,
        has_tuple: word(16 + 3 * TUPLE_SIZE)?,
        has_by: word(20 + 3 * TUPLE_SIZE)?,
        has_replies: word(24 + 3 * TUPLE_SIZE)?,
        reserved: word(28 + 3 * TUPLE_SIZE)?,
    })
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn fields_are_read_at_their_offsets() {
        assert_eq!(offset_of!(RawEvent, slot), 8);
        assert_eq!(offset_of!(RawEvent, kind), 12);
        assert_eq!(offset_of!(RawEvent, tuple), 16);
        assert_eq!(offset_of!(RawEvent, by), 16 + TUPLE_SIZE);
        assert_eq!(offset_of!(RawEvent, replies), 16 + 2 * TUPLE_SIZE);
        assert_eq!(offset_of!(RawEvent, has_tuple), 16 + 3 * TUPLE_SIZE);
        assert_eq!(offset_of!(RawEvent, has_by), 20 + 3 * TUPLE_SIZE);
        assert_eq!(offset_of!(RawEvent, has_replies), 24 + 3 * TUPLE_SIZE);
    }

    #[test]
    fn the_number_of_drained_events_is_limited() {
        let event = || decode(&[0; size_of::<RawEvent>()]);
        // Programs send them as fast as they are taken.
        assert_eq!(at_most(8192, || Some(event())).len(), 8192);
        assert_eq!(at_most(8192, || Some(None)).len(), 0);
        let mut left = 3;
        let some = || {
            left -= 1;
            (left >= 0).then(event)
        };
        assert_eq!(at_most(8192, some).len(), 3);
    }

    #[test]
    fn a_short_record_is_not_an_event() {
        assert!(decode(&[0; 103]).is_none());
        assert!(decode(&[0; size_of::<RawEvent>()]).is_some());
    }
}
