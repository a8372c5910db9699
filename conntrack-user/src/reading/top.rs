//! Measurements of top talkers: the probes' counts per key, listings of the table, and the owners of sockets.

use std::time::Duration;

use crate::{
    clock::Instant,
    reading::{
        census::EntryCounts,
        entries::{GroupBy, Listing},
        heavy_hitters::{HeavyHitters, Sketch},
        nat_ports::PortsInUse,
        owners::Owners,
        table_limits::LimitsReading,
    },
};

/// What was measured since the reading before.
#[derive(Debug, Default)]
pub struct TopReading {
    /// What the probes counted in a window, if one has ended.
    pub window: Option<TopWindow>,
    /// Listings of the entries in the table, by the instance's number.
    pub listings: Vec<(u64, EntryListing)>,
    /// What limits the tables, by the instance's number.
    pub limits: Vec<(u64, LimitsReading)>,
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
    /// The entries by what they are.
    pub counts: EntryCounts,
    /// The source ports that NAT has given them.
    pub nat_ports: PortsInUse,
    /// Whether all entries were listed.
    pub listing: Listing,
    /// `nf_conntrack_count` meanwhile.
    pub entries: Option<u64>,
    /// Entries that are removed and wait until listeners of events have been told.
    pub dying: Option<u64>,
    /// `nf_conntrack_buckets`.
    pub buckets: Option<u64>,
    /// CPU time that it took.
    pub cpu: Duration,
}
