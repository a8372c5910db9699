//! Programs that watch conntrack while flows are created: how to start them, when they are ready, what they saw.

use std::{collections::BTreeSet, fs, thread, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    probes::{self, Probe},
    process::{Process, wait_until},
    programs::{self, ByTag},
};

/// How long a watcher is left alone after it is ready, until its startup work has ended.
const SETTLE: Duration = Duration::from_millis(300);

/// The watcher of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Condition {
    /// No watcher.
    Nothing,
    /// ctpulse with probes that are hit per flow, by fentry where it can be had.
    Flow,
    /// The flow group by kprobes.
    FlowKprobe,
    /// The flow group, with top talkers.
    Top,
    /// The flow group, with lifetimes of connections.
    Lifetimes,
    /// The flow group, with the time spent in functions.
    Latency,
    /// ctpulse with all probes, including those that are hit per packet.
    All,
    /// conntrack(8), to which the kernel sends a message for each new flow.
    Conntrack,
    /// bpftrace, which only counts calls of the functions that ctpulse's flow group probes, by kprobes.
    Bpftrace,
    /// The same by kprobe.multi, which bpftrace uses for patterns.
    KprobeMulti,
    /// The same by fentry: no program on these functions that counts anything can be cheaper.
    Limit,
}

impl Condition {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Nothing,
        Self::Flow,
        Self::FlowKprobe,
        Self::Top,
        Self::Lifetimes,
        Self::Latency,
        Self::All,
        Self::Conntrack,
        Self::Bpftrace,
        Self::KprobeMulti,
        Self::Limit,
    ];

    /// The watchers that run BPF programs.
    pub(crate) const BPF: [Self; 9] = [
        Self::Flow,
        Self::FlowKprobe,
        Self::Top,
        Self::Lifetimes,
        Self::Latency,
        Self::All,
        Self::Bpftrace,
        Self::KprobeMulti,
        Self::Limit,
    ];

    /// ctpulse's options; `None` for other watchers.
    fn options(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Flow => Some(&["--probes", "flow"]),
            Self::FlowKprobe => Some(&["--probes", "flow", "--no-fentry"]),
            Self::Top => Some(&["--probes", "flow", "--top"]),
            Self::Lifetimes => Some(&["--probes", "flow", "--lifetimes"]),
            Self::Latency => Some(&["--probes", "flow", "--latency"]),
            Self::All => Some(&["--probes", "all"]),
            Self::Nothing | Self::Conntrack | Self::Bpftrace | Self::KprobeMulti | Self::Limit => {
                None
            }
        }
    }

    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Flow => "ctpulse, flow group",
            Self::FlowKprobe => "ctpulse, flow group, --no-fentry",
            Self::Top => "ctpulse, flow group, --top",
            Self::Lifetimes => "ctpulse, flow group, --lifetimes",
            Self::Latency => "ctpulse, flow group, --latency",
            Self::All => "ctpulse, all group",
            Self::Conntrack => "conntrack -E -e NEW",
            Self::Bpftrace => "bpftrace, same functions, kprobe",
            Self::KprobeMulti => "bpftrace, same functions, kprobe.multi",
            Self::Limit => "bpftrace, same functions, fentry (the limit)",
        }
    }
}

/// A running watcher.
pub(crate) struct Watcher {
    condition: Condition,
    process: Option<Process>,
}

impl Watcher {
    /// Starts a watcher, and waits until it sees all flows. `probes` are those for bpftrace.
    pub(crate) fn start(condition: Condition, probes: &BTreeSet<Probe>) -> Result<Self> {
        let process = match condition {
            Condition::Conntrack => {
                let mut process = Process::start_silent(&["conntrack", "-E", "-e", "NEW"])?;
                process.until("conntrack listens", |_| Ok(lost_events()?.is_some()))?;
                Some(process)
            }
            Condition::Bpftrace => Some(bpftrace(probes, Probe::to_string)?),
            Condition::KprobeMulti => Some(bpftrace(probes, |probe| probe.pattern())?),
            Condition::Limit => {
                let module = probes::module()?;
                Some(bpftrace(probes, |probe| probe.fentry(module))?)
            }
            _ => condition.options().map(ctpulse).transpose()?,
        };
        thread::sleep(SETTLE);
        Ok(Self { condition, process })
    }

    /// Starts ctpulse with kprobes only.
    pub(crate) fn by_kprobe(condition: Condition) -> Result<Self> {
        let options = condition.options().context("not ctpulse")?;
        let process = ctpulse(&[options, &["--no-fentry"]].concat())?;
        Ok(Self {
            condition,
            process: Some(process),
        })
    }

    /// The activity of its BPF programs so far.
    pub(crate) fn programs(&self) -> Result<ByTag> {
        match &self.process {
            Some(process) => programs::of(process.id()),
            None => Ok(ByTag::new()),
        }
    }

    /// Events that the kernel could not deliver so far, if the watcher receives events.
    pub(crate) fn lost_events(&self) -> Result<Option<u64>> {
        match self.condition {
            Condition::Conntrack => lost_events(),
            _ => Ok(None),
        }
    }

    /// Stops the watcher, and waits until the kernel has removed all of its probes. Returns the number of new flows that it
    /// counted, if it does.
    pub(crate) fn stop(self) -> Result<Option<u64>> {
        let Some(process) = self.process else {
            return Ok(None);
        };
        let output = process.stop()?;
        probes::until_none()?;
        wait_until("there is no listener to events", || {
            Ok(lost_events()?.is_none())
        })?;
        match self.condition.options() {
            Some(_) => {
                let last = output
                    .lines()
                    .next_back()
                    .context("ctpulse wrote nothing")?;
                let summary: Value = serde_json::from_str(last)
                    .with_context(|| format!("the last line of ctpulse is {last:?}"))?;
                Ok(summary["instances"][0]["totals"]["new"]["probe"].as_u64())
            }
            None => Ok(None),
        }
    }
}

/// Starts ctpulse, and waits for its first line, which it writes after attaching probes.
pub(crate) fn ctpulse(options: &[&str]) -> Result<Process> {
    let stream = ["ctpulse", "stream", "--interval", "1s", "--format", "json"];
    let mut process = Process::start(&[&stream, options].concat())?;
    process.until("ctpulse has attached its probes", |process| {
        let Some(hello) = first_record(&process.stdout()?)? else {
            return Ok(false);
        };
        if hello["probes"]["mode"] == "off" {
            bail!("ctpulse has no probes: {}", hello["probes"]["reason"]);
        }
        Ok(true)
    })?;
    Ok(process)
}

/// The first record of a stream, once its line is complete.
pub(crate) fn first_record(output: &str) -> Result<Option<Value>> {
    match output.split_once('\n') {
        None => Ok(None),
        Some((line, _)) => serde_json::from_str(line)
            .map(Some)
            .with_context(|| format!("not JSON: {line}")),
    }
}

/// Starts bpftrace, and waits until it has attached its probes, named as `name` does.
fn bpftrace(probes: &BTreeSet<Probe>, name: impl Fn(&Probe) -> String) -> Result<Process> {
    let mut process = Process::start(&["bpftrace", "-B", "line", "-e", &script(probes, name)])?;
    process.until("bpftrace has attached its probes", |process| {
        Ok(process.stdout()?.lines().any(|line| line == READY))
    })?;
    Ok(process)
}

/// What bpftrace prints once, when it has attached its probes.
const READY: &str = "all are attached";

/// The cheapest way to count in bpftrace: without a key, so that the map is a per-CPU array. Probes are attached in their order.
fn script(probes: &BTreeSet<Probe>, name: impl Fn(&Probe) -> String) -> String {
    let count = |(i, probe): (usize, &Probe)| format!("{} {{ @p{i} = count(); }}", name(probe));
    let mut parts: Vec<_> = probes.iter().enumerate().map(count).collect();
    parts.push(format!(
        "interval:ms:500 /@ready == 0/ {{ @ready = 1; printf(\"{READY}\\n\"); }}"
    ));
    parts.join(" ")
}

/// Events lost by the listener for new connections; `None` if there is none.
pub(crate) fn lost_events() -> Result<Option<u64>> {
    const PATH: &str = "/proc/net/netlink";
    let text = fs::read_to_string(PATH).with_context(|| format!("read {PATH}"))?;
    Ok(text.lines().find_map(listener))
}

/// The dropped messages of a socket that listens for new connections:
///
/// ```text
/// sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
/// 00000000e0b1f5a4 12  212        00000001 0        0        0     2        7        3094
/// ```
fn listener(line: &str) -> Option<u64> {
    const NETLINK_NETFILTER: &str = "12";
    /// The first group, `NFNLGRP_CONNTRACK_NEW`.
    const NEW: u32 = 1;
    let words: Vec<_> = line.split_whitespace().collect();
    let groups = u32::from_str_radix(words.get(3)?, 16).ok()?;
    let listens = words.get(1) == Some(&NETLINK_NETFILTER) && groups & NEW != 0;
    if listens {
        words.get(8)?.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_and_its_losses() {
        let socket = "00000000e0b1f5a4 12  212        00000001 0        0        0     2        7        3094";
        assert_eq!(listener(socket), Some(7));
        // A socket without groups, one of another protocol, and the heading.
        for other in [
            "00000000e0b1f5a4 12  0          00000000 0        0        0     2        0        21",
            "00000000e0b1f5a4 0   212        00000001 0        0        0     2        0        3094",
            "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode",
        ] {
            assert_eq!(listener(other), None, "{other}");
        }
    }

    #[test]
    fn a_record_is_complete_with_its_line() -> Result<()> {
        assert_eq!(first_record("{\"a\":")?, None);
        assert_eq!(first_record("{\"a\":1}")?, None);
        let record = first_record("{\"a\":1}\n{\"b\"")?;
        assert_eq!(record, Some(serde_json::json!({"a": 1})));
        Ok(())
    }

    #[test]
    fn bpftrace_counts_each_probe_by_itself() {
        let probe = |function: &str, at| Probe {
            function: function.to_owned(),
            at,
        };
        let probes = [
            probe("f", probes::At::Entry),
            probe("f", probes::At::Return),
        ];
        assert_eq!(
            script(&BTreeSet::from(probes), Probe::to_string),
            "kprobe:f { @p0 = count(); } kretprobe:f { @p1 = count(); } \
             interval:ms:500 /@ready == 0/ { @ready = 1; printf(\"all are attached\\n\"); }"
        );
    }
}
