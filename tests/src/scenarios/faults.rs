//! What happens to a monitor: it is killed, has no memory left, does not get to read its events, the clock is set, and the machine is
//! suspended.

use std::{fs, os::unix::process::ExitStatusExt as _, path::Path, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use rustix::{
    process::Signal,
    time::{ClockId, Timespec, clock_gettime, clock_settime},
};
use serde_json::Value;

use crate::{
    ctpulse::{Ended, Stream, best_mode},
    drive::tcp::Connections,
    kernel::{flush, proc_columns, run, settle, table_max},
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
        nothing_is_left()?;
        println!("{}: {} were attached", best_mode()?, all.len());
    }
    counts_as_ever()
}

/// Maps and programs are released after a grace period of RCU.
fn nothing_is_left() -> Result<()> {
    for _ in 0..100 {
        if attached()?.is_empty() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    let left = attached()?;
    ensure!(left.is_empty(), "left: {left:?}");
    Ok(())
}

/// A run counts as if there had been none before.
fn counts_as_ever() -> Result<()> {
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

/// Where control groups are mounted here.
const GROUPS: &str = "/tmp/control-groups";

/// The kernel ends it when its control group has no memory left: that leaves no program attached either.
pub(super) fn out_of_memory() -> Result<()> {
    fs::create_dir_all(GROUPS)?;
    run(&["mount", "-t", "cgroup2", "none", GROUPS])?;
    let group = Path::new(GROUPS).join("small");
    let limited = fs::write(Path::new(GROUPS).join("cgroup.subtree_control"), "+memory")
        .and_then(|()| fs::create_dir_all(&group))
        .context("make a control group")
        .and_then(|()| starved(&group));
    run(&["umount", GROUPS])?;
    limited?;
    counts_as_ever()
}

fn starved(group: &Path) -> Result<()> {
    let join = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", group.display());
    let mut stream = Stream::behind(
        &["sh", "-c", &join, "sh"],
        &["stream", "--format", "json", "--top"],
    )?;
    stream.samples(2)?;
    let all = attached()?;
    ensure!(all.len() > 3, "only these are attached: {all:?}");
    fs::write(group.join("memory.max"), "1M").context("limit its memory")?;
    let ended = stream.wait()?;
    ensure!(ended.status.signal() == Some(9), "{}", ended.status);
    let events = fs::read_to_string(group.join("memory.events"))?;
    let killed = events.lines().find(|line| line.starts_with("oom_kill "));
    ensure!(killed.is_some_and(|line| !line.ends_with(" 0")), "{events}");
    nothing_is_left()?;
    fs::remove_dir(group).context("remove the control group")
}

/// Far more events than the ring has room for.
const EVENTS: u32 = 50_000;

/// While it does not get to read them, the ring is full: events are lost, counts are not, and it says how many were lost.
pub(super) fn ring_full() -> Result<()> {
    const ASSURED: u32 = 100;
    table_max(ASSURED)?;
    let _assured = Connections::establish(ASSURED as usize)?;
    let before = proc_columns()?["drop"];
    let mut stream = Stream::start(&["--probes", "flow", "--event-rate", "1000000"])?;
    stream.signal(Signal::STOP)?;
    let offered = UdpFlows::new()?.offer(EVENTS)?;
    settle()?;
    stream.signal(Signal::CONT)?;
    stream.samples(3)?;
    let ended = stream.stop()?;
    ended.no_mismatch()?;
    let refused = proc_columns()?["drop"] - before;
    ensure!(
        refused == u64::from(EVENTS) && offered.refused == refused,
        "{refused} refused, {offered:?}"
    );
    ensure!(
        ended.probe("table_full")? == refused,
        "not all were counted"
    );
    let totals = &ended.last()?["events"]["table_full"];
    let count = |name: &str| totals[name].as_u64().unwrap_or_default();
    println!("{totals}");
    ensure!(
        count("lost") > 0 && count("sent") + count("suppressed") + count("lost") == refused,
        "{totals} of {refused}"
    );
    let shown = ended
        .of("event")
        .filter(|event| event["kind"] == "table_full");
    ensure!(shown.count() as u64 == count("sent"), "{totals}");
    Ok(())
}

/// Sets the clock by some seconds.
pub(super) fn set_clock(by: i64) -> Result<()> {
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

/// A run during which something happens to the time, while flows are sent; then the table is flushed.
fn watched(happens: impl FnOnce(&mut Stream, &mut UdpFlows) -> Result<()>) -> Result<Ended> {
    let mut stream = Stream::start(&["--interval", "100ms", "--buckets"])?;
    stream.samples(3)?;
    happens(&mut stream, &mut UdpFlows::new()?)?;
    stream.samples(5)?;
    flush()?;
    settle()?;
    let ended = stream.stop()?;
    ended.no_mismatch()?;
    Ok(ended)
}

/// That so many flows have come and gone.
fn exactly(flows: u32, ended: &Ended) -> Result<()> {
    for counter in ["new", "inserted", "deleted"] {
        let counted = ended.probe(counter)?;
        ensure!(counted == u64::from(flows), "{counter}: {counted}");
    }
    Ok(())
}

/// The clock is set forward and back: intervals and counts are those of the monotonic clock, and times those of the new one.
pub(super) fn clock_set() -> Result<()> {
    let ended = watched(|stream, flows| {
        for by in [3_600, -7_200, 3_600] {
            flows.send(FLOWS)?;
            set_clock(by)?;
            stream.samples(5)?;
        }
        Ok(())
    })?;
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
    exactly(3 * FLOWS, &ended)
}

/// How long the machine is suspended.
const AWAY: Duration = Duration::from_secs(4);

/// How far the clock that goes on while the machine is suspended is ahead of the one that does not.
fn suspended_so_far() -> Duration {
    let of = |clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default();
    of(ClockId::Boottime).saturating_sub(of(ClockId::Monotonic))
}

/// The machine is suspended to memory, and woken by its clock: counts are exact, and the time that it was away is part of no interval.
pub(super) fn suspended() -> Result<()> {
    const ALARM: &str = "/sys/class/rtc/rtc0/wakealarm";
    const STATE: &str = "/sys/power/state";
    let states = fs::read_to_string(STATE).unwrap_or_default();
    if !states.contains("mem") || !Path::new(ALARM).exists() {
        println!("skipped: this machine cannot be suspended, or has no clock that wakes it");
        return Ok(());
    }
    let mut away = Duration::ZERO;
    let ended = watched(|_, flows| {
        flows.send(FLOWS)?;
        let before = suspended_so_far();
        fs::write(ALARM, format!("+{}", AWAY.as_secs())).context(ALARM)?;
        fs::write(STATE, "mem").context(STATE)?;
        away = suspended_so_far().saturating_sub(before);
        ensure!(away > AWAY / 2, "it was suspended for {away:?} only");
        flows.send(FLOWS)?;
        Ok(())
    })?;
    let samples: Vec<&Value> = ended.of("sample").collect();
    let seconds = samples.iter().filter_map(|s| s["interval_s"].as_f64());
    let longest = seconds.fold(0.0, f64::max);
    let steps: Vec<_> = samples
        .windows(2)
        .map(|pair| Ok(time(pair[1])?.duration_since(time(pair[0])?)))
        .collect::<Result<_>>()?;
    let step = steps.into_iter().max().context("no samples")?;
    println!(
        "suspended for {away:?}: the longest interval is {longest} s, times are at most {step:#} apart"
    );
    ensure!(
        longest < away.as_secs_f64() / 2.0 && step > SignedDuration::try_from(away / 2)?,
        "it does not show"
    );
    exactly(2 * FLOWS, &ended)
}
