//! Waits until the kernel has processed everything that was sent.
//!
//! A packet crosses loopback in two steps: the sender's call takes it through the output hooks and puts it into its CPU's
//! backlog, and a softirq takes it from there through the input hooks. On a busy machine that softirq is deferred to a kernel
//! thread, which may run much later. The delay is unbounded, so a fixed wait would not be enough.

use std::{fs, thread, time::Instant};

use anyhow::{Context, Result, ensure};
use rustix::thread::{MembarrierCommand, membarrier};

use crate::{cpus, ctpulse::PATIENCE};

/// Each row of this file belongs to a CPU.
const SOFTNET: &str = "/proc/net/softnet_stat";
/// Its columns: packets in the CPU's backlog, and the CPU's number (5.10 and later).
const BACKLOG: usize = 11;
const CPU: usize = 12;

/// Waits until every packet that was sent has arrived, and until an RCU grace period has passed.
pub fn settle() -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    for cpu in cpus::available()? {
        // Softirqs are not preempted: while this thread runs on a CPU, no softirq there is in the middle of a packet.
        let _here = cpus::stay_on(cpu)?;
        while backlog(&fs::read_to_string(SOFTNET).context(SOFTNET)?, cpu)? > 0 {
            ensure!(
                Instant::now() < deadline,
                "packets are still in the backlog of CPU {cpu} after {PATIENCE:?}"
            );
            thread::yield_now();
        }
    }
    membarrier(MembarrierCommand::Global).context("wait for an RCU grace period")
}

/// The number of packets in a CPU's backlog.
fn backlog(softnet: &str, cpu: usize) -> Result<u32> {
    let cells = |row: &str| -> Result<(usize, u32)> {
        let cell = |at: usize| {
            let cell = row.split_whitespace().nth(at);
            let cell = cell.with_context(|| format!("{SOFTNET}: no column {at} in {row:?}"))?;
            u32::from_str_radix(cell, 16).with_context(|| format!("{SOFTNET}: {row:?}"))
        };
        Ok((cell(CPU)? as usize, cell(BACKLOG)?))
    };
    for row in softnet.lines() {
        let (of, backlog) = cells(row)?;
        if of == cpu {
            return Ok(backlog);
        }
    }
    anyhow::bail!("{SOFTNET} has no CPU {cpu}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backlog_of_each_cpu() -> Result<()> {
        let softnet = "\
            0000a1c4 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000\n\
            0000b2d5 00000000 00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 0000001f 00000002 0000001f 00000000\n";
        assert_eq!(backlog(softnet, 0)?, 0);
        assert_eq!(backlog(softnet, 2)?, 31);
        assert!(backlog(softnet, 1).is_err());
        Ok(())
    }
}
