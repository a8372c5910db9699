//! Hash chains longer than the kernel allows.

use anyhow::Result;

use crate::{
    kernel::{FEWEST_BUCKETS, table_buckets},
    traffic::{Offered, UdpFlows},
};

/// Flows that fill [`FEWEST_BUCKETS`] chains beyond any limit: each flow is on two chains, and the
/// limit is drawn between 50 and 79 for every insert.
const FLOWS: u32 = 24_000;

/// Offers more flows than fit on the chains of the smallest table; those refused found theirs too
/// long.
pub fn overfill() -> Result<Offered> {
    table_buckets(FEWEST_BUCKETS)?;
    UdpFlows::new()?.offer(FLOWS)
}
