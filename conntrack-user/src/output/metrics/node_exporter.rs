//! The kernel's own values under the names that node_exporter's conntrack collector gives them, with its help.

use std::fmt;

use prometheus_client::metrics::MetricType;

use super::writer::Out;

/// The kernel's own values in the network namespace of ctpulse itself; each is `None` where it cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeColumns {
    pub entries: Option<u64>,
    pub limit: Option<u64>,
    /// The columns of the statistics, in the order of [`STATISTICS`].
    pub columns: [Option<u64>; STATISTICS.len()],
}

/// The columns of the statistics, and what is said of them. A column that the kernel has and no longer counts in is 0.
pub const STATISTICS: [(&str, &str); 8] = [
    ("found", "Number of searched entries which were successful."),
    (
        "invalid",
        "Number of packets seen which can not be tracked.",
    ),
    (
        "ignore",
        "Number of packets seen which are already connected to a conntrack entry.",
    ),
    ("insert", "Number of entries inserted into the list."),
    (
        "insert_failed",
        "Number of entries for which list insertion was attempted but failed.",
    ),
    (
        "drop",
        "Number of packets dropped due to conntrack failure.",
    ),
    (
        "early_drop",
        "Number of dropped conntrack entries to make room for new ones, if maximum table size was reached.",
    ),
    (
        "search_restart",
        "Number of conntrack table lookups which had to be restarted due to hashtable resizes.",
    ),
];

const ENTRIES: &str = "Number of currently allocated flow entries for connection tracking.";
const LIMIT: &str = "Maximum size of connection tracking table.";

/// The name of a metric as it is scraped.
pub(super) fn full_name(name: &str) -> String {
    format!("node_nf_conntrack_{name}")
}

/// All names, without what they have in common, with their help.
pub(super) fn all() -> impl Iterator<Item = (String, &'static str)> {
    let gauges = [
        ("entries".to_owned(), ENTRIES),
        ("entries_limit".to_owned(), LIMIT),
    ];
    let statistics = STATISTICS
        .iter()
        .map(|(column, help)| (format!("stat_{column}"), *help));
    gauges.into_iter().chain(statistics)
}

/// Writes those that are known.
pub(super) fn write(out: &mut Out<'_>, node: &NodeColumns) -> fmt::Result {
    let values = [node.entries, node.limit].into_iter().chain(node.columns);
    for ((name, help), value) in all().zip(values) {
        let Some(value) = value else {
            continue;
        };
        let name = full_name(&name);
        let encoder = &mut out.encoder;
        let mut gauge = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
        gauge.encode_gauge(&value)?;
    }
    Ok(())
}
