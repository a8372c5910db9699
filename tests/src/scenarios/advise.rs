//! `ctpulse advise`, tried: what it predicts is held against what the kernel then does.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::loads::{self, Load};
use crate::{
    drive::{nat, tcp::Connections},
    kernel::{gained, proc_columns, run, sysctl, table_max},
};

/// How far a prediction may be off.
const TOLERANCE: f64 = 0.1;

const MAX: &str = "net.netfilter.nf_conntrack_max";

const SYSCTLS: &str = "net/netfilter/nf_conntrack_";

/// What `advise` says.
fn advise(args: &[&str]) -> Result<Vec<Value>> {
    let output = Command::new("ctpulse")
        .args(["advise", "--format", "json"])
        .args(args)
        .output()
        .context("run ctpulse")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{stderr}");
    let lines = String::from_utf8(output.stdout)?;
    println!("{stderr}{lines}");
    lines
        .lines()
        .map(|line| serde_json::from_str(line).context("not JSON"))
        .collect()
}

fn of<'a>(advice: &'a [Value], topic: &str) -> Result<&'a Value> {
    let found = advice.iter().find(|advice| advice["topic"] == topic);
    found.with_context(|| format!("no advice of {topic}"))
}

fn entries() -> Result<u64> {
    let count = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count")?;
    Ok(count.trim().parse()?)
}

/// The average and the most entries while this long.
fn watched(length: Duration) -> Result<(f64, u64)> {
    let start = Instant::now();
    let (mut sum, mut number, mut most) = (0, 0, 0);
    while start.elapsed() < length {
        let now = entries()?;
        (sum, number, most) = (sum + now, number + 1, most.max(now));
        thread::sleep(Duration::from_millis(100));
    }
    Ok((sum as f64 / f64::from(number), most))
}

/// Steady traffic, and a timeout of its entries that is shortened.
struct Workload {
    load: fn(f64) -> Result<Load>,
    per_s: f64,
    setting: &'static str,
    /// Of one run of the collector of garbage, at most, in seconds.
    collected: u64,
}

/// The timeout before, and after, in seconds.
const LONG: u64 = 20;
const SHORT: u64 = 8;

impl Workload {
    fn of_udp(load: fn(f64) -> Result<Load>, per_s: f64) -> Self {
        Self {
            load,
            per_s,
            setting: "udp_timeout",
            collected: 15,
        }
    }

    fn starts(&self, times: f64) -> Result<Load> {
        (self.load)(self.per_s * times)
    }

    /// Until it is steady, and the collector of garbage has come.
    fn settle(&self) {
        thread::sleep(Duration::from_secs(LONG + 2 * self.collected));
    }

    fn measured(&self) -> Result<f64> {
        Ok(watched(Duration::from_secs(4 * self.collected))?.0)
    }

    /// What is predicted of a change.
    fn predicted(&self, what_if: &str) -> Result<Option<f64>> {
        let watch = format!("{}s", 4 * self.collected);
        let advice = advise(&["--duration", &watch, "--what-if", what_if])?;
        Ok(of(&advice, "what_if")?["predicted"]["expected"].as_f64())
    }

    /// What is predicted of a shorter timeout is what then is. The load goes on.
    fn shortened(&self) -> Result<Load> {
        let timeout = format!("{SYSCTLS}{}", self.setting);
        sysctl(&timeout, LONG)?;
        let running = self.starts(1.0)?;
        self.settle();
        let predicted = self.predicted(&format!("{}={SHORT}", self.setting))?;
        sysctl(&timeout, SHORT)?;
        self.settle();
        near("with a shorter timeout", predicted, self.measured()?)?;
        Ok(running)
    }

    /// The same, and then with twice the traffic.
    fn shortened_then_doubled(&self) -> Result<()> {
        let running = self.shortened()?;
        let predicted = self.predicted("rate=2")?;
        running.stop()?;
        let running = self.starts(2.0)?;
        self.settle();
        near("with twice the traffic", predicted, self.measured()?)?;
        running.stop()
    }
}

fn near(what: &str, predicted: Option<f64>, measured: f64) -> Result<()> {
    let predicted = predicted.context("no prediction")?;
    let off = predicted / measured - 1.0;
    println!(
        "{what}: {predicted} predicted, {measured:.0} measured, {:+.1} %",
        off * 100.0
    );
    ensure!(
        off.abs() <= TOLERANCE,
        "{what}: {predicted} predicted, {measured:.0} measured"
    );
    Ok(())
}

pub(super) fn udp_timeout() -> Result<()> {
    Workload::of_udp(loads::udp, 150.0).shortened_then_doubled()
}

pub(super) fn time_wait() -> Result<()> {
    let workload = Workload {
        setting: "tcp_timeout_time_wait",
        ..Workload::of_udp(loads::tcp, 60.0)
    };
    workload.shortened_then_doubled()
}

pub(super) fn syn_flood() -> Result<()> {
    let workload = Workload {
        setting: "tcp_timeout_syn_sent",
        ..Workload::of_udp(loads::syn_flood, 150.0)
    };
    workload.shortened_then_doubled()
}

pub(super) fn twins() -> Result<()> {
    let before = proc_columns()?;
    Workload::of_udp(loads::twins, 100.0).shortened_then_doubled()?;
    let raced = gained(&before, &proc_columns()?)?;
    println!("{:?} clashes", raced.get("clashres"));
    Ok(())
}

pub(super) fn few_ports() -> Result<()> {
    nat::rules()?;
    Workload::of_udp(loads::few_ports, 80.0).shortened_then_doubled()
}

/// Connections that stay make the collector come once a minute, so that more of those that go have expired.
pub(super) fn churn_among_long_lived() -> Result<()> {
    let kept = Connections::establish(400)?;
    let workload = Workload {
        collected: 60,
        ..Workload::of_udp(loads::udp, 100.0)
    };
    workload.shortened()?.stop()?;
    drop(kept);
    Ok(())
}

/// The rules that are advised for a service free what was said.
pub(super) fn notrack() -> Result<()> {
    sysctl(&format!("{SYSCTLS}udp_timeout"), LONG)?;
    // More than half full, so that something is advised, and never full.
    table_max(7_000)?;
    let _service = loads::service(53, 100.0)?;
    let _others = loads::udp(50.0)?;
    let workload = Workload::of_udp(loads::udp, 150.0);
    workload.settle();
    let before = workload.measured()?;
    let advice = advise(&["--duration", "40s"])?;
    let change = &of(&advice, "untracked")?["change"];
    let effect = change["effect"].as_str().context("no effect")?;
    let said: f64 = effect
        .trim_start_matches("frees ")
        .split_once(" %")
        .and_then(|(percent, _)| percent.parse().ok())
        .with_context(|| format!("no share: {effect}"))?;
    let text = |value: &Value| value.as_str().context("no text").map(str::to_owned);
    for command in change["commands"].as_array().context("no commands")? {
        run(&["sh", "-c", &text(command)?])?;
    }
    workload.settle();
    let freed = 100.0 * (1.0 - workload.measured()? / before);
    near("percent freed by rules", Some(said), freed)?;
    for command in change["undo"].as_array().context("no way back")? {
        run(&["sh", "-c", &text(command)?])?;
    }
    workload.settle();
    near("with the rules undone", Some(before), workload.measured()?)
}

/// The maximum that is recommended for a table that is too small holds the same traffic, and leaves free what was said.
fn maximum(load: Load, too_small: u32, collected: Duration) -> Result<()> {
    table_max(too_small)?;
    thread::sleep(Duration::from_secs(30));
    let advice = advise(&["--duration", "60s"])?;
    let change = &of(&advice, "table_full")?["change"];
    let to = change["to"].as_u64().context("no maximum")?;
    ensure!(change["setting"] == MAX, "{change}");
    sysctl(&format!("{SYSCTLS}max"), to)?;
    thread::sleep(2 * collected);
    let before = proc_columns()?;
    let (mean, most) = watched(2 * collected)?;
    let gained = gained(&before, &proc_columns()?)?;
    for counter in ["drop", "early_drop"] {
        let lost = gained.get(counter).copied().unwrap_or(0);
        ensure!(lost == 0, "{lost} {counter} with {to}");
    }
    let free = 100.0 * (1.0 - most as f64 / to as f64);
    println!("{to}: {mean:.0} on average, {most} at most, {free:.1} % free");
    ensure!(
        (15.0..=35.0).contains(&free),
        "{free:.1} % of {to} are free"
    );
    load.stop()
}

pub(super) fn maximum_of_udp() -> Result<()> {
    sysctl(&format!("{SYSCTLS}udp_timeout"), LONG)?;
    maximum(loads::udp(150.0)?, 1_500, Duration::from_secs(20))
}

/// Connections that stay take room that others then lack, and make the collector come once a minute.
pub(super) fn maximum_among_long_lived() -> Result<()> {
    sysctl(&format!("{SYSCTLS}udp_timeout"), LONG)?;
    let kept = Connections::establish(400)?;
    maximum(loads::udp(100.0)?, 1_200, Duration::from_secs(60))?;
    drop(kept);
    Ok(())
}
