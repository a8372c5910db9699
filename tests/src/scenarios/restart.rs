//! Lookups that end on another chain than they began on, and are restarted.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Result, anyhow, bail, ensure};

use super::proof::{FLOW, prove};
use crate::{
    kernel::{FEWEST_BUCKETS, proc_columns, table_buckets, tracking},
    traffic::UdpFlows,
};

/// Enough for long chains in the smallest table, and few enough to be moved quickly.
const FLOWS: u32 = 2_000;
/// A lookup has to be under way on a chain while that chain is moved, which cannot be forced.
const MOST_RESIZES: u32 = 60_000;

/// Resizes the table while packets are looked up. Only the kernel counts restarts: the function is
/// inlined wherever it is used. ctpulse reads the column, and says that there is no probe.
pub(super) fn told_by_the_kernel() -> Result<()> {
    tracking()?;
    let proof = prove(FLOW, resized_until_restarted)?;
    let kernel = proof.kernel("search_restart");
    let totals = &proof.ended.summary()?["totals"]["search_restart"];
    ensure!(
        totals["kernel"] == kernel && totals["probe"].is_null(),
        "the kernel restarted {kernel} lookups, ctpulse says {totals}"
    );
    proof.balanced()?;
    println!("search_restart: {kernel} in {} resizes", proof.driven);
    tracking()
}

/// Gives the number of resizes it took.
fn resized_until_restarted() -> Result<u32> {
    let done = AtomicBool::new(false);
    let send = || {
        let mut flows = UdpFlows::new()?;
        while !done.load(Ordering::Acquire) {
            // Chains may get longer than the kernel lets them: it draws that limit by lot.
            flows.offer(FLOWS)?;
            flows.rewind();
        }
        Ok(())
    };
    thread::scope(|scope| {
        let senders = [scope.spawn(send), scope.spawn(send)];
        let resized = resize_until_restarted();
        done.store(true, Ordering::Release);
        for sender in senders {
            sender
                .join()
                .map_err(|_| anyhow!("a sender panicked"))
                .flatten()?;
        }
        resized
    })
}

fn resize_until_restarted() -> Result<u32> {
    let before = proc_columns()?["search_restart"];
    for resizes in 1..=MOST_RESIZES {
        table_buckets(if resizes % 2 == 0 {
            FEWEST_BUCKETS
        } else {
            4 * FEWEST_BUCKETS
        })?;
        if proc_columns()?["search_restart"] > before {
            return Ok(resizes);
        }
    }
    bail!("no lookup was restarted in {MOST_RESIZES} resizes")
}
