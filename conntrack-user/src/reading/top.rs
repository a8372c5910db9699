//! Measurements of top talkers: the probes' counts per key, listings of the table, and the owners of sockets.

use std::time::Duration;

use crate::{
    clock::Instant,
    reading::{
        entries::{GroupBy, Listing},
        heavy_hitters::{HeavyHitters, Sketch},
        nat_ports::PortsInUse,
        owners::Owners,
    },
};

/// What was measured since the reading before.
#[derive(Debug, Default)]
pub struct TopReading {
    /// What the probes counted in a window, if one has ended.
    pub window: Option<TopWindow>,
    /// Listings of the entries in the table, by the instance's number.
    pub listings: Vec<(u64, EntryListing)>,
    /// The owners of local sockets, by the instance's number.
    pub owners: Vec<(u64, Owners)>,
}

/// What the probes counted by source, destination and port.
#[derive(Debug)]
pub struct TopWindow {
    /// When it ended.
    pub end: Instant,
    /// How long it lasted.
    pub length: Duration,
    /// The counts by table (`conntrack_ebpf::heavy_hitters::table`), of all instances.
    pub sketches: Vec<Sketch>,
}

/// The entries of a table, grouped.
#[derive(Debug)]
pub struct EntryListing {
    /// The largest groups of each grouping.
    pub groups: Vec<(GroupBy, HeavyHitters)>,
    /// The source ports that NAT has given them.
    pub nat_ports: PortsInUse,
    /// Whether all entries were listed.
    pub listing: Listing,
}
