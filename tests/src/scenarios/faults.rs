//! What happens to a monitor: it is killed, and the clock is set.

use std::{fs, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use rustix::{
    process::Signal,
    time::{ClockId, Timespec, clock_gettime, clock_settime},
};
use serde_json::Value;

use crate::{
    ctpulse::{Stream, best_mode},
    kernel::{flush, settle},
    traffic::UdpFlows,
};

const FLOWS: u32 = 1_000;

/// Functions of the kernel that something is attached to, one in each line.
const ATTACHED: &str = "/sys/kernel/tracing/enabled_functions";

/// All kprobes.
const KPROBES: &str = "/sys/kernel/debug/kprobes/list";

/// Lines about functions of connection tracking in these lists.
fn attached() -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for path in [ATTACHED, KPROBES] {
        let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
        let ours = text.lines().filter(|line| {
            ["nf_ct", "nf_conntrack", "nf_nat", "early_drop"]
                .iter()
                .any(|part| line.contains(part))
        });
        lines.extend(ours.map(str::to_owned));
    }
    Ok(lines)
}

/// Killed, it leaves no program attached, by fentry or by kprobe; the next one counts as if there had been none.
pub(super) fn killed() -> Result<()> {
    let none = attached()?;
    ensure!(none.is_empty(), "attached before: {none:?}");
    for more in [&[][..], &["--no-fentry"]] {
        let mut stream = Stream::start(&[&["--probes", "all", "--top"], more].concat())?;
        stream.samples(2)?;
        let all = attached()?;
        ensure!(all.len() > 5, "only these are attached: {all:?}");
        stream.signal(Signal::KILL)?;
        stream.wait()?;
        // Maps and programs are released after a grace period of RCU.
        for _ in 0..100 {
            if attached()?.is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        let left = attached()?;
        println!(
            "{}: {} attached, then {}",
            best_mode()?,
            all.len(),
            left.len()
        );
        ensure!(left.is_empty(), "left: {left:?}");
    }
    let stream = Stream::start(&[])?;
    UdpFlows::new()?.send(FLOWS)?;
    flush()?;
    settle()?;
    let ended = stream.stop()?;
    ended.no_mismatch()?;
    for counter in ["new", "inserted", "deleted"] {
        ensure!(ended.probe(counter)? == u64::from(FLOWS), "{counter}");
    }
    Ok(())
}

/// Sets the clock by some seconds.
fn set_clock(by: i64) -> Result<()> {
    let now = clock_gettime(ClockId::Realtime);
    let then = Timespec {
        tv_sec: now.tv_sec + by,
        ..now
    };
    clock_settime(ClockId::Realtime, then).context("set the clock")
}

fn time(sample: &Value) -> Result<Timestamp> {
    Ok(sample["time"].as_str().context("no time")?.parse()?)
}

/// The clock is set forward and back: intervals and counts are those of the monotonic clock, and times those of the new one.
pub(super) fn clock_set() -> Result<()> {
    let mut stream = Stream::start(&["--interval", "100ms", "--buckets"])?;
    stream.samples(3)?;
    let mut flows = UdpFlows::new()?;
    for by in [3_600, -7_200, 3_600] {
        flows.send(FLOWS)?;
        set_clock(by)?;
        stream.samples(5)?;
    }
    flush()?;
    settle()?;
    let ended = stream.stop()?;
    ended.no_mismatch()?;
    let samples: Vec<&Value> = ended.of("sample").collect();
    for sample in &samples {
        let seconds = sample["interval_s"].as_f64().context("no interval")?;
        ensure!(
            (0.01..60.0).contains(&seconds),
            "an interval of {seconds} s"
        );
    }
    let mut steps = Vec::new();
    for pair in samples.windows(2) {
        let apart = time(pair[1])?.duration_since(time(pair[0])?);
        if apart.abs() > SignedDuration::from_mins(30) {
            steps.push(apart.as_hours());
        }
    }
    ensure!(steps.len() == 3, "steps of {steps:?} h");
    for counter in ["new", "inserted", "deleted"] {
        let counted = ended.probe(counter)?;
        ensure!(counted == u64::from(3 * FLOWS), "{counter}: {counted}");
    }
    Ok(())
}
