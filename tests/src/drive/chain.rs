//! Hash chains longer than the kernel allows.

use anyhow::Result;

use crate::{
    kernel::{FEWEST_BUCKETS, table_buckets},
    traffic::{Offered, UdpFlows},
};

/// Flows that overfill the chains of [`FEWEST_BUCKETS`] buckets: each flow is on two chains, and the kernel draws a limit between
/// 50 and 79 for every insert.
const FLOWS: u32 = 24_000;

/// Offers more flows than fit on the chains of the smallest table; those that are rejected found chains that are too long.
pub fn overfill() -> Result<Offered> {
    table_buckets(FEWEST_BUCKETS)?;
    UdpFlows::new()?.offer(FLOWS)
}
