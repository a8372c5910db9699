//! Single events, from the ring buffer.

use std::io;

use aya::maps::{Map, MapData, RingBuf};
use conntrack_ebpf::{EVENT_STATS_MAP, EVENTS_MAP, Event, EventKind, EventStats, TUPLE_SIZE};

use crate::{reading::events::EventCounts, source::maps::counters::MapView};

/// The ring, and what became of the events that did not get into it.
pub struct Events {
    ring: RingBuf<MapData>,
    stats: MapView<EventStats>,
}

impl Events {
    /// Takes the ring out of the loaded object.
    pub fn new(ebpf: &mut aya::Ebpf) -> io::Result<Self> {
        let missing = |name: &str| io::Error::other(format!("the eBPF object has no map {name}"));
        let ring = ebpf
            .take_map(EVENTS_MAP)
            .ok_or_else(|| missing(EVENTS_MAP))?;
        let stats = match ebpf.map(EVENT_STATS_MAP) {
            Some(Map::Array(data)) => MapView::new(data.fd(), EventKind::ALL.len())?,
            _ => return Err(missing(EVENT_STATS_MAP)),
        };
        Ok(Self {
            ring: RingBuf::try_from(ring).map_err(io::Error::other)?,
            stats,
        })
    }

    /// The events since last time, oldest first, at most `limit` of them: what is left stays in the ring.
    pub fn drain(&mut self, limit: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < limit
            && let Some(item) = self.ring.next()
        {
            events.extend(decode(&item));
        }
        events
    }

    /// What became of the events of each kind so far.
    #[must_use]
    pub fn counts(&self) -> EventCounts {
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

/// An event as it lies in the ring; `None` if it is shorter than one.
fn decode(bytes: &[u8]) -> Option<Event> {
    let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let tuple =
        |at: usize| -> Option<[u8; TUPLE_SIZE]> { bytes.get(at..at + TUPLE_SIZE)?.try_into().ok() };
    Some(Event {
        time: u64::from_ne_bytes(bytes.get(0..8)?.try_into().ok()?),
        slot: word(8)?,
        kind: word(12)?,
        tuple: tuple(16)?,
        by: tuple(16 + TUPLE_SIZE)?,
        has_tuple: word(16 + 2 * TUPLE_SIZE)?,
        has_by: word(20 + 2 * TUPLE_SIZE)?,
    })
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn fields_are_read_where_they_lie() {
        assert_eq!(offset_of!(Event, slot), 8);
        assert_eq!(offset_of!(Event, kind), 12);
        assert_eq!(offset_of!(Event, tuple), 16);
        assert_eq!(offset_of!(Event, by), 16 + TUPLE_SIZE);
        assert_eq!(offset_of!(Event, has_tuple), 16 + 2 * TUPLE_SIZE);
        assert_eq!(offset_of!(Event, has_by), 20 + 2 * TUPLE_SIZE);
    }

    #[test]
    fn what_is_too_short_is_no_event() {
        assert!(decode(&[0; 103]).is_none());
        assert!(decode(&[0; 104]).is_some());
    }
}
