//! The six charts, with the documented names, dimensions and units of Netdata's conntrack collector.

use crate::model::kernel::counters::Counter;

/// What a dimension shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The number of entries in the table: a gauge.
    Entries,
    /// A counter's events per second.
    Rate(Counter),
}

/// A dimension of a chart.
#[derive(Clone, Copy, Debug)]
pub struct Dimension {
    /// Its documented name. `error_failed` is the documented name of insert_failed.
    pub name: &'static str,
    /// What it shows.
    pub quantity: Quantity,
}

/// A chart.
#[derive(Clone, Copy, Debug)]
pub struct Chart {
    /// Its id, such as `netfilter.conntrack_new`.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Its dimensions in their documented order.
    pub dimensions: &'static [Dimension],
}

const fn rate(name: &'static str, counter: Counter) -> Dimension {
    Dimension {
        name,
        quantity: Quantity::Rate(counter),
    }
}

/// The charts in their documented order.
pub const CHARTS: [Chart; 6] = [
    Chart {
        name: "netfilter.conntrack_sockets",
        unit: "active connections",
        dimensions: &[Dimension {
            name: "connections",
            quantity: Quantity::Entries,
        }],
    },
    Chart {
        name: "netfilter.conntrack_new",
        unit: "connections/s",
        dimensions: &[
            rate("new", Counter::New),
            rate("ignore", Counter::Ignore),
            rate("invalid", Counter::Invalid),
        ],
    },
    Chart {
        name: "netfilter.conntrack_changes",
        unit: "changes/s",
        dimensions: &[
            rate("inserted", Counter::Inserted),
            rate("deleted", Counter::Deleted),
            rate("delete_list", Counter::DeleteList),
        ],
    },
    Chart {
        name: "netfilter.conntrack_expect",
        unit: "expectations/s",
        dimensions: &[
            rate("created", Counter::ExpectCreate),
            rate("deleted", Counter::ExpectDelete),
            rate("new", Counter::ExpectNew),
        ],
    },
    Chart {
        name: "netfilter.conntrack_search",
        unit: "searches/s",
        dimensions: &[
            rate("searched", Counter::Searched),
            rate("restarted", Counter::SearchRestart),
            rate("found", Counter::Found),
        ],
    },
    Chart {
        name: "netfilter.conntrack_errors",
        unit: "events/s",
        dimensions: &[
            rate("icmp_error", Counter::IcmpError),
            rate("error_failed", Counter::InsertFailed),
            rate("drop", Counter::Drop),
            rate("early_drop", Counter::EarlyDrop),
        ],
    },
];
