//! Single events as records, and the totals of all events.

use std::time::Duration;

use conntrack_ebpf::EventKind;

use super::{Monitor, Observed, Watched, workloads::of_addresses};
use crate::{
    clock::Instant,
    model::{
        event::{Tuple, kind_name},
        record::{Event, EventTotals, Ordered, Record, Time},
    },
    reading::{Reading, events::EventCounts},
    text::Text,
};

/// Converts an event to a record; `name` returns the instance of a slot. `None` if the kind is unknown.
fn record(
    raw: &conntrack_ebpf::events::RawEvent,
    at: Instant,
    name: &impl Fn(u32) -> Text,
) -> Option<Event> {
    let kind = EventKind::ALL
        .into_iter()
        .find(|kind| *kind as u32 == raw.kind)?;
    let tuple = |has: u32, bytes| (has != 0).then(|| Tuple::parse(bytes));
    let flow = tuple(raw.has_tuple, &raw.tuple);
    let answered = flow.zip(tuple(raw.has_replies, &raw.replies));
    let answered = answered.map(|(flow, replies)| flow.as_answered_by(replies));
    Some(Event {
        time: Time(at.wall(Duration::from_nanos(raw.time))),
        instance: name(raw.slot),
        kind: kind_name(kind).into(),
        // Of a flow without free ports the tuple that was tried last is of interest, even if it was the flow's own.
        translated: answered
            .filter(|answered| kind == EventKind::NatExhausted || Some(*answered) != flow),
        tuple: flow,
        by: tuple(raw.has_by, &raw.by),
        workloads: Ordered::default(),
    })
}

impl Monitor {
    /// Reports events, except those from between the attachment of the probes and the reading that counts start from: no chart
    /// and no total has them.
    pub(super) fn report_events(&mut self, reading: &Reading, observed: &mut Observed) {
        let name = |slot: u32| {
            let of_slot = |w: &&Watched| w.info.slot == Some(slot);
            match self.watched.iter().find(of_slot) {
                Some(watched) => watched.info.name.clone(),
                None => "others".into(),
            }
        };
        let mut reported = Vec::new();
        for event in &reading.events {
            let of_slot = |w: &&Watched| w.info.slot == Some(event.slot);
            let watched = self.watched.iter().find(of_slot);
            if watched.is_some_and(|watched| watched.monitor.is_before_counting(event.time)) {
                self.events.leave_out(event.kind);
                continue;
            }
            let Some(mut record) = record(event, reading.at, &name) else {
                continue;
            };
            let here = watched.and_then(|watched| watched.info.netns);
            record.workloads = of_addresses(&record, &self.workloads, here);
            if let Some((top, watched)) = self.top.as_mut().zip(watched) {
                top.note(&watched.info, &record);
            }
            reported.push(record);
        }
        let events = reported.into_iter();
        observed
            .records
            .extend(events.map(|event| Record::Event(Box::new(event))));
    }
}

/// Totals of events, over all attachments of the probes.
#[derive(Debug, Default)]
pub(super) struct EventCounter {
    /// Totals of earlier attachments, by kind: sent, suppressed, lost.
    carried: [[u64; 3]; EventKind::ALL.len()],
    /// Totals of the current attachment.
    attached: Option<EventCounts>,
    /// Events sent that belong to no interval, by kind.
    left_out: [u64; EventKind::ALL.len()],
    /// Whether probes were ever attached.
    counted: bool,
}

impl EventCounter {
    /// Takes the counts since the probes were attached; `None` without probes.
    pub(super) fn add(&mut self, counts: Option<&EventCounts>) {
        if let Some(counts) = counts {
            self.attached = Some(*counts);
            self.counted = true;
        }
    }

    /// Notes an event of this kind that is not reported.
    pub(super) fn leave_out(&mut self, kind: u32) {
        let known = EventKind::ALL.into_iter().zip(&mut self.left_out);
        for (_, left_out) in known.filter(|(known, _)| *known as u32 == kind) {
            *left_out += 1;
        }
    }

    /// Ends the current attachment.
    pub(super) fn detach(&mut self) {
        let attached = self.attached.take();
        for (carried, (_, now)) in self.carried.iter_mut().zip(attached.iter().flatten()) {
            for (carried, now) in carried.iter_mut().zip(now) {
                *carried += now;
            }
        }
    }

    /// Totals by kind; `None` if no probes were ever attached, as events are unknown then.
    pub(super) fn totals(&self) -> Option<Ordered<EventTotals>> {
        let total = |(i, kind): (usize, EventKind)| {
            let now = self.attached.map_or([0; 3], |counts| counts[i].1);
            let [sent, suppressed, lost] = std::array::from_fn(|n| now[n] + self.carried[i][n]);
            let totals = EventTotals {
                sent: sent.saturating_sub(self.left_out[i]),
                suppressed,
                lost,
            };
            (kind_name(kind).into(), totals)
        };
        let kinds = EventKind::ALL.into_iter().enumerate();
        self.counted.then(|| Ordered(kinds.map(total).collect()))
    }
}

#[cfg(test)]
mod tests {
    use conntrack_ebpf::{
        events::RawEvent,
        tuple::{DST, DST_PORT, INET, L3NUM, PROTONUM, SRC, SRC_PORT, TUPLE_SIZE},
    };

    use super::*;

    /// The last bytes of addresses in 10.0.0.0/24, and ports.
    fn tuple(protocol: u8, [src, dst]: [(u8, u8); 2]) -> [u8; TUPLE_SIZE] {
        let mut bytes = [0; TUPLE_SIZE];
        bytes[SRC..SRC + 4].copy_from_slice(&[10, 0, 0, src.0]);
        bytes[DST..DST + 4].copy_from_slice(&[10, 0, 0, dst.0]);
        (bytes[SRC_PORT + 1], bytes[DST_PORT + 1]) = (src.1, dst.1);
        bytes[L3NUM] = INET;
        bytes[PROTONUM] = protocol;
        bytes
    }

    fn translated(
        kind: EventKind,
        flow: [u8; TUPLE_SIZE],
        replies: [u8; TUPLE_SIZE],
    ) -> Option<String> {
        let raw = RawEvent {
            time: 0,
            slot: 0,
            kind: kind as u32,
            tuple: flow,
            by: [0; TUPLE_SIZE],
            replies,
            has_tuple: 1,
            has_by: 0,
            has_replies: 1,
            reserved: 0,
        };
        let at = Instant {
            monotonic: Duration::ZERO,
            realtime: jiff::Timestamp::UNIX_EPOCH,
        };
        let event = record(&raw, at, &|_| "a".into()).unwrap();
        assert!(event.by.is_none());
        event.translated.map(|flow| flow.to_string())
    }

    #[test]
    fn what_nat_changes_is_in_the_replies() {
        let (client, service, real) = ((1, 40), (2, 80), (3, 81));
        let of = |kind, replies| translated(kind, tuple(17, [client, service]), replies);
        let plain = tuple(17, [service, client]);
        assert_eq!(of(EventKind::EarlyDrop, plain), None);
        let behind = tuple(17, [real, client]);
        assert_eq!(
            of(EventKind::EarlyDrop, behind).unwrap(),
            "udp 10.0.0.1:40 → 10.0.0.3:81"
        );
        // The ports that were tried for it were its own.
        assert_eq!(
            of(EventKind::NatExhausted, plain).unwrap(),
            "udp 10.0.0.1:40 → 10.0.0.2:80"
        );
    }

    /// The type of an answer is in its tuple, where a port is in others.
    #[test]
    fn an_answer_to_a_ping_is_no_nat() {
        let request = tuple(1, [(1, 7), (2, 0)]);
        let mut answer = tuple(1, [(2, 7), (1, 0)]);
        (answer[DST_PORT], answer[DST_PORT + 1]) = (0, 0);
        let mut request_type = request;
        request_type[DST_PORT] = 8;
        assert_eq!(translated(EventKind::EarlyDrop, request_type, answer), None);
    }
}
