//! A listing as a record.

use super::{
    estimate::Sampling,
    evictable::{CHAINS_PER_ENTRY, evictable},
    names,
    spread::spread,
};
use crate::{
    clock::Instant,
    model::record::{Directions, EntryGroup, EntryMarks, HelperEntries, TableContents, Time},
    reading::{
        InstanceInfo,
        census::{ClassCounts, EntryClass},
        entries::Listing,
        table_limits::LimitsReading,
        top::EntryListing,
    },
    text::Text,
};

/// The most groups: there can be some 800, as a sender chooses protocols.
const GROUPS: usize = 40;

/// The most helpers.
const HELPERS: usize = 20;

pub(super) fn record(
    at: Instant,
    info: &InstanceInfo,
    listing: &EntryListing,
    limits: Option<&LimitsReading>,
) -> TableContents {
    let counts = &listing.counts;
    let sampling = Sampling::new(listing.listing, counts.listed, listing.entries);
    let (shown, rest) = counts.classes.split_at(counts.classes.len().min(GROUPS));
    let others: u64 = rest.iter().map(|(_, counts)| counts.listed).sum();
    TableContents {
        time: Time(at.realtime),
        instance: info.name.clone(),
        closing: false,
        entries: listing.entries,
        listed: counts.listed,
        sampled: sampling.is_sampled(),
        error: sampling.greatest_error(),
        cpu_ms: listing.cpu.as_secs_f64() * 1e3,
        groups: shown
            .iter()
            .map(|(class, counts)| group(*class, counts, &sampling, limits))
            .collect(),
        other_groups: (!rest.is_empty()).then(|| sampling.of(others)),
        marks: marks(listing, &sampling),
        helpers: counts
            .helpers
            .iter()
            .take(HELPERS)
            .map(|(name, count)| HelperEntries {
                name: helper_name(name),
                held: sampling.of(*count),
            })
            .collect(),
        evictable: evictable(listing, &sampling),
        directions: counts.directions.map(|directions| Directions {
            inbound: sampling.of(directions.inbound),
            outbound: sampling.of(directions.outbound),
            forwarded: sampling.of(directions.forwarded),
            local: sampling.of(directions.local),
        }),
        remark: match listing.listing {
            Listing::Whole | Listing::Sampled => None,
            Listing::Changed => Some("the table changed while it was listed".into()),
            Listing::Partial => Some("the kernel lost a part of the listing".into()),
        },
    }
}

fn group(
    class: EntryClass,
    counts: &ClassCounts,
    sampling: &Sampling,
    limits: Option<&LimitsReading>,
) -> EntryGroup {
    let setting = names::timeout(class);
    let timeouts = limits.into_iter().flat_map(|limits| &limits.timeouts);
    EntryGroup {
        proto: names::protocol(class.protocol).into(),
        state: names::state(class.phase).into(),
        held: sampling.of(counts.listed),
        assured: sampling.of(counts.assured).count,
        unreplied: sampling.of(counts.unreplied).count,
        timeout_s: timeouts
            .filter(|(name, _)| Some(name) == setting.as_ref())
            .map(|(_, seconds)| *seconds)
            .next(),
        setting: setting.map(Text::from),
        remaining: spread(&counts.remaining),
        age: spread(&counts.age),
    }
}

fn marks(listing: &EntryListing, sampling: &Sampling) -> EntryMarks {
    let marks = listing.counts.marks;
    EntryMarks {
        assured: sampling.of(marks.assured),
        unreplied: sampling.of(marks.unreplied),
        neither: sampling.of(marks.neither),
        offload: sampling.of(marks.offload),
        hw_offload: sampling.of(marks.hw_offload),
        helper: sampling.of(marks.helper),
        expected: sampling.of(marks.expected),
        snat: sampling.of(marks.snat),
        dnat: sampling.of(marks.dnat),
        dying: listing.dying,
    }
}

fn helper_name(padded: &[u8]) -> Text {
    let end = padded.iter().position(|byte| *byte == 0);
    let name = &padded[..end.unwrap_or(padded.len())];
    String::from_utf8_lossy(name).into_owned().into()
}

/// How often entries are in chains, on average.
pub(super) fn chained(entries: u64) -> f64 {
    entries as f64 * CHAINS_PER_ENTRY
}
