//! The listing of the entries: all of them, or a random sample of a large table, so that it takes less than a second of CPU time.

use std::{cell::RefCell, time::Duration};

use super::{SurveyError, SurveySettings, is_loaded};
use crate::{
    clock::Clock,
    reading::{
        census::Census,
        entries::{GroupBy, Listing},
        heavy_hitters::SketchBuilder,
        nat_ports::PortCounter,
        top::EntryListing,
    },
    source::{
        ctnetlink::Ctnetlink,
        own_addresses,
        proc_fs::{PROC, ProcRoot},
        table_limits::buckets,
    },
};

/// The entries that are listed of a larger table. Any share is then known within 0.4 percentage points.
const SAMPLE: u64 = 131_072;

/// CPU time after which the listing of a larger table ends with what it has: a slow processor gets a smaller sample, with a larger
/// error.
const LISTING_TIME: Duration = Duration::from_millis(700);

/// log2 of the number of sets of a sketch: 7,168 keys of each kind.
const SET_BITS: u32 = 10;

/// Lists the entries of the calling thread's namespace. Returns `None` when nf_conntrack is not loaded.
pub(super) fn entries(
    slot: u32,
    settings: &SurveySettings,
    clock: &impl Clock,
) -> Result<Option<EntryListing>, SurveyError> {
    if !is_loaded() {
        return Ok(None);
    }
    let started = clock.thread_cpu_time();
    let taken = || clock.thread_cpu_time().saturating_sub(started);
    let proc = ProcRoot::new(PROC);
    let before = proc.count().ok();
    let is_large = before.is_none_or(|entries| entries > SAMPLE);
    let now = clock.now().realtime.as_nanosecond();
    let census = Census::new(
        u64::try_from(now).unwrap_or_default(),
        settings.prefixes,
        own_addresses::read(),
    );
    let census = RefCell::new(census);
    let mut ports = PortCounter::default();
    let mut grouped = GroupBy::ALL.map(|by| (by, SketchBuilder::new(SET_BITS, settings.seed)));
    let listing = Ctnetlink::default().entries(
        |entry| {
            for (by, counting) in &mut grouped {
                if let Some(key) = entry.key(*by, slot, settings.prefixes) {
                    counting.add(key);
                }
            }
            ports.add(&entry);
            census.borrow_mut().add(&entry);
        },
        || census.borrow().listed() >= SAMPLE || (is_large && taken() >= LISTING_TIME),
    )?;
    let after = proc.count().ok();
    let groups = grouped
        .iter()
        .map(|(by, counting)| (*by, counting.sketch().heavy_hitters(slot, settings.rows)))
        .collect();
    let listed = census.borrow().listed();
    // In the middle of the listing, about.
    let entries = before
        .zip(after)
        .map(|(before, after)| before.midpoint(after));
    Ok(Some(EntryListing {
        groups,
        nat_ports: ports.most(settings.rows),
        counts: census.into_inner().finish(settings.rows),
        listing: match listing {
            // That of the last datagram was all that there was.
            Listing::Sampled if entries.is_some_and(|entries| listed >= entries) => Listing::Whole,
            listing => listing,
        },
        entries,
        dying: Ctnetlink::default().dying().ok(),
        buckets: buckets(),
        cpu: taken(),
    }))
}
