//! Lookups that end on another chain than they started on, and are restarted.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Result, anyhow, bail, ensure};

use super::proof::{FLOW, prove};
use crate::{
    cpus,
    kernel::{FEWEST_BUCKETS, proc_columns, sysctl, table_buckets},
    traffic::UdpFlows,
};

/// Enough for at least one entry on each chain of the smallest table, and few enough to be moved quickly.
const FLOWS: u32 = 500;
/// Far more than are needed.
const MOST_RESIZES: u32 = 5_000;

/// Resizes the table while packets are looked up. Only the kernel counts restarts: the function is always inlined. ctpulse reads
/// the column, and has no probe.
pub(super) fn counted_by_the_kernel() -> Result<()> {
    let proof = prove(FLOW, resized_until_restarted)?;
    let kernel = proof.kernel("search_restart");
    let totals = &proof.ended.summary()?["totals"]["search_restart"];
    ensure!(
        totals["kernel"] == kernel && totals["probe"].is_null(),
        "the kernel restarted {kernel} lookups, ctpulse counts {totals}"
    );
    proof.balanced()?;
    println!("search_restart: {kernel} in {} resizes", proof.driven);
    Ok(())
}

/// Returns the number of resizes that were needed.
///
/// A lookup is restarted when its current entry is moved to another chain. Moving all entries takes no longer than a lookup, so
/// this rarely happens by chance. But a lookup that comes across an expired entry deletes it, and waits for a resize to end first
/// (`nf_ct_gc_expired`): by then the entry has been moved. So entries expire at once here, and every lookup of the senders finds
/// some.
pub(super) fn resized_until_restarted() -> Result<u32> {
    sysctl("net/netfilter/nf_conntrack_udp_timeout", 0)?;
    let done = AtomicBool::new(false);
    let send = |cpu: usize| -> Result<()> {
        let _here = cpus::stay_on(cpu)?;
        let mut flows = UdpFlows::new()?;
        while !done.load(Ordering::Acquire) {
            // Chains may be too long now and then: the kernel chooses that limit at random.
            flows.offer(FLOWS)?;
            flows.rewind();
        }
        Ok(())
    };
    thread::scope(|scope| {
        let cpus = cpus::available()?;
        let senders: Vec<_> = cpus
            .into_iter()
            .map(|cpu| scope.spawn(move || send(cpu)))
            .collect();
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
