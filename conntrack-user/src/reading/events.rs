//! How many events there were, besides the events themselves.

use conntrack_ebpf::EventKind;

/// By kind: events sent, suppressed by the rate limit, and lost because the ring was full.
pub type EventCounts = [(EventKind, [u64; 3]); EventKind::ALL.len()];
