//! What is found out about top talkers.

use std::time::Duration;

use crate::{
    clock::Instant,
    reading::{
        entries::{GroupBy, Listing},
        heavy_hitters::{HeavyHitters, Sketch},
        owners::Owners,
    },
};

/// What was found out since the reading before.
#[derive(Debug, Default)]
pub struct TopReading {
    /// What the programs counted in a window, when one has ended.
    pub window: Option<TopWindow>,
    /// Listings of the entries in the table, by the instance's number.
    pub listings: Vec<(u64, EntryListing)>,
    /// The processes behind local sockets, likewise.
    pub owners: Vec<(u64, Owners)>,
}

/// What the programs counted by source, destination and port.
#[derive(Debug)]
pub struct TopWindow {
    /// When it ended.
    pub end: Instant,
    /// How long it was.
    pub length: Duration,
    /// The counts by table (`conntrack_ebpf::heavy_hitters::table`), of all instances.
    pub sketches: Vec<Sketch>,
}

/// The entries of a table, grouped.
#[derive(Debug)]
pub struct EntryListing {
    /// The largest groups by each of their kinds.
    pub groups: Vec<(GroupBy, HeavyHitters)>,
    /// How complete it is.
    pub listing: Listing,
}
