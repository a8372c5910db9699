//! Which of the bursts that were made can be recognised in what was seen.

use std::time::Duration;

use ctpulse_tests::ctpulse::ReportedBurst;

use crate::{
    made::Sent,
    poller::{Polled, positive},
};

/// What was seen of a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) length: Duration,
    pub(crate) count: u64,
}

/// Found if what ctpulse reported there has most of its flows.
pub(crate) fn by_ctpulse(sent: &Sent, reported: &[ReportedBurst]) -> Option<Seen> {
    let of: Vec<_> = reported
        .iter()
        .filter(|burst| burst.overlaps([sent.start, sent.end]))
        .collect();
    let start = of.iter().map(|burst| burst.start).min()?;
    let end = of.iter().map(|burst| burst.end).max()?;
    let count = of.iter().map(|burst| burst.count).sum();
    (count >= u64::from(sent.flows) * 9 / 10).then(|| Seen {
        length: positive(end.duration_since(start)),
        count,
    })
}

/// Found if the number of entries rose by half of its flows: from the last reading before it, to any during it or the first after it.
/// It seems to last from the last reading at the old level to the first with all that was seen of it.
pub(crate) fn by_poller(sent: &Sent, polled: &Polled) -> Option<Seen> {
    let from = polled
        .readings
        .iter()
        .rposition(|&(time, _)| time < sent.start)?;
    let until = polled
        .readings
        .iter()
        .position(|&(time, _)| time > sent.end)?;
    let window = polled.readings.get(from..=until)?;
    let (_, before) = *window.first()?;
    let most = window.iter().map(|&(_, count)| count).max()?;
    if (most - before) * 2 < i64::from(sent.flows) {
        return None;
    }
    let start = window.iter().rfind(|&&(_, count)| count <= before)?;
    let end = window.iter().find(|&&(_, count)| count == most)?;
    Some(Seen {
        length: positive(end.0.duration_since(start.0)),
        count: u64::try_from(most - before).ok()?,
    })
}
