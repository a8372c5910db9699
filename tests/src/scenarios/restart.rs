//! Lookups that end on another chain than they began on, and are restarted.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Result, anyhow, bail, ensure};

use super::proof::{FLOW, prove};
use crate::{
    kernel::{FEWEST_BUCKETS, table_buckets, tracking},
    traffic::UdpFlows,
};

/// Long chains make long lookups. Some of the smallest table's get longer than the kernel lets them (it
/// draws that limit by lot for each flow), and those flows are refused: they were looked up before.
const FLOWS: u32 = 8_000;
const RESIZES: u32 = 100;
const ATTEMPTS: u32 = 10;

/// Resizes the table while packets are looked up. Only the kernel counts restarts: the function is
/// inlined wherever it is used. ctpulse reads the column, and says that there is no probe.
pub(super) fn told_by_the_kernel() -> Result<()> {
    tracking()?;
    for attempt in 1..=ATTEMPTS {
        let proof = prove(FLOW, resizing)?;
        let kernel = proof.kernel("search_restart");
        let totals = &proof.ended.summary()?["totals"]["search_restart"];
        ensure!(
            totals["kernel"] == kernel && totals["probe"].is_null(),
            "the kernel restarted {kernel} lookups, ctpulse says {totals}"
        );
        proof.balanced()?;
        if kernel > 0 {
            println!("search_restart: {kernel} in {RESIZES} resizes, at attempt {attempt}");
            return tracking();
        }
    }
    bail!("no lookup was restarted in {} resizes", RESIZES * ATTEMPTS)
}

fn resizing() -> Result<()> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut flows = UdpFlows::new()?;
            while !done.load(Ordering::Acquire) {
                flows.offer(FLOWS)?;
                flows.rewind();
            }
            Ok(())
        });
        let resized = (0..RESIZES).try_for_each(|round| {
            table_buckets(if round % 2 == 0 {
                FEWEST_BUCKETS
            } else {
                4 * FEWEST_BUCKETS
            })
        });
        done.store(true, Ordering::Release);
        let sent = sender.join().map_err(|_| anyhow!("the sender panicked"))?;
        resized.and(sent)
    })
}
