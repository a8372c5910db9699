//! Rare events of individual interest: sent with their tuple through a ring buffer, with a rate limit.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE, helpers::bpf_ktime_get_ns, macros::map, maps::Array, maps::RingBuf,
};
use conntrack_ebpf::events::{EventKind, EventStats, RawEvent};

use crate::{atomic, globals::EVENT_RATE, slot::Slot, tuple::MaybeTuple};

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(512 << 10, 0);
#[map]
static EVENT_STATS: Array<EventStats> =
    Array::with_max_entries(EventKind::ALL.len() as u32, BPF_F_MMAPABLE);

const SECOND_NS: u64 = 1_000_000_000;

/// Sends an event of a packet, or counts that it was not sent. All CPUs share the rate limit of a kind, without synchronization,
/// so a few more events may be sent at the start of a second.
#[inline(always)]
pub(crate) fn send(slot: Slot, kind: EventKind, tuple: impl Into<MaybeTuple>) {
    let of_packet = [tuple.into(), MaybeTuple::UNKNOWN];
    send_flow(slot, kind, of_packet, MaybeTuple::UNKNOWN);
}

/// The same of a flow, by its tuple and that of its replies, and the flow that took its place.
#[inline(always)]
pub(crate) fn send_flow(
    slot: Slot,
    kind: EventKind,
    [tuple, replies]: [MaybeTuple; 2],
    by: MaybeTuple,
) {
    if EVENT_RATE.load() == 0 {
        return;
    }
    let Some(stats) = EVENT_STATS.get_ptr_mut(kind as u32) else {
        return;
    };
    // SAFETY: a helper without arguments.
    let time = unsafe { bpf_ktime_get_ns() };
    // SAFETY: a checked map element, whose words are written as a whole.
    unsafe {
        let second = &raw mut (*stats).second;
        let in_second = &raw mut (*stats).in_second;
        let now = time / SECOND_NS;
        if second.read_volatile() != now {
            second.write_volatile(now);
            in_second.write_volatile(0);
        }
        if in_second.read_volatile() >= u64::from(EVENT_RATE.load()) {
            atomic::add(&raw mut (*stats).suppressed, 1);
            return;
        }
        atomic::add(in_second, 1);
    }
    let Some(mut entry) = EVENTS.reserve::<RawEvent>(0) else {
        // SAFETY: as above.
        unsafe { atomic::add(&raw mut (*stats).lost, 1) };
        return;
    };
    entry.write(RawEvent {
        time,
        slot: slot.0,
        kind: kind as u32,
        has_tuple: u32::from(tuple.known),
        has_by: u32::from(by.known),
        has_replies: u32::from(replies.known),
        reserved: 0,
        tuple: tuple.bytes,
        by: by.bytes,
        replies: replies.bytes,
    });
    entry.submit(0);
    // SAFETY: as above.
    unsafe { atomic::add(&raw mut (*stats).sent, 1) };
}
