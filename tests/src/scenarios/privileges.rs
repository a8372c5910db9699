//! `--privileges drop`: once the probes are attached, nothing is held but what reading takes, and counts are as exact as ever.

use anyhow::{Context, Result, ensure};

use super::{
    module::unload,
    netns::{OTHER, flows_in, with_another},
};
use crate::{
    ctpulse::{Ended, Stream, best_mode},
    kernel::{conntrack_is_a_module, flush, settle, sysctl, tracking},
    privileges::threads,
    traffic::UdpFlows,
};

const FLOWS: u32 = 2_000;
const DROP: [&str; 2] = ["--privileges", "drop"];

/// Debian's own level: kprobes are for CAP_SYS_ADMIN only.
const PARANOID: i32 = 3;
/// A level at which CAP_PERFMON is enough.
const LENIENT: i32 = 2;

/// Requires that each thread holds only what its reading takes. `all`: root could give up more than a user of its own can.
fn hold(stream: &Stream, run: &[&str], survey: &[&str], all: bool) -> Result<()> {
    let threads = threads(stream.pid())?;
    ensure!(threads.len() >= 3, "{threads:?}");
    // What names of processes take, names of their containers take as well.
    let names = ["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"];
    let names: Vec<&str> = survey
        .iter()
        .copied()
        .filter(|c| names.contains(c))
        .collect();
    for thread in &threads {
        let kept = match thread.name.as_str() {
            "ctpulse" => run,
            "scan" => &["CAP_SYS_PTRACE"],
            "survey" => survey,
            "workloads" => &names,
            _ => &[],
        };
        thread.has_given_up_all_but(kept, all)?;
    }
    Ok(())
}

fn counted(ended: &Ended, instance: &str, flows: u32) -> Result<()> {
    ended.no_mismatch()?;
    let totals = &ended.instance(instance)?["totals"];
    for counter in ["new", "inserted", "deleted"] {
        let count = &totals[counter]["probe"];
        ensure!(*count == flows, "{instance}: {counter}: {count}");
    }
    Ok(())
}

/// By fentry where that can be had, by kprobe, the few probes and all of them.
pub(super) fn plain() -> Result<()> {
    for (how, mode) in [(&[][..], best_mode()?), (&["--no-fentry"], "kprobe")] {
        for group in ["flow", "all"] {
            let more = ["--probes", group, "--lifetimes", "--latency"];
            let mut stream = Stream::start(&[&more[..], &DROP, how].concat())?;
            let attached = &stream.hello()?["probes"]["mode"];
            ensure!(*attached == mode, "{attached} instead of {mode}");
            hold(&stream, &[], &[], true)?;
            UdpFlows::new()?.send(FLOWS)?;
            flush()?;
            settle()?;
            stream.samples(2)?;
            let ended = stream.stop()?;
            counted(&ended, "self", FLOWS)?;
            // Kernels without nfnetlink_hook say, with or without privileges, that they cannot tell whether any rule tracks.
            let mut told = ended.stderr.lines();
            ensure!(
                told.all(|line| line.contains("it has no nfnetlink_hook")),
                "{}",
                ended.stderr
            );
            let lifetimes = &ended.summary()?["lifetimes"]["count"];
            ensure!(*lifetimes == FLOWS, "{lifetimes}");
        }
    }
    Ok(())
}

/// A namespace that appears later is entered, and given a slot; names of processes and entries are found.
pub(super) fn namespaces_and_top() -> Result<()> {
    for how in [&[][..], &["--no-fentry"]] {
        let more = ["--netns", "all", "--top", "3"];
        let mut stream = Stream::start(&[&more[..], &DROP, how].concat())?;
        let run = ["CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"];
        let survey = [&run[..], &["CAP_DAC_READ_SEARCH"]].concat();
        hold(&stream, &run, &survey, true)?;
        with_another(|| {
            stream.wait_for_sample("the new namespace", |sample| sample["instance"] == OTHER)?;
            flows_in(OTHER, FLOWS)?;
            UdpFlows::new()?.send(FLOWS)?;
            stream.wait_for_sample("its flows", |sample| {
                sample["instance"] == OTHER && sample["counters"]["new"] == FLOWS
            })?;
            stream.wait_for("who holds the entries", |record| {
                let mut tables = record["tables"].as_array().into_iter().flatten();
                record["type"] == "top" && tables.any(|table| table["by"] == "entries")
            })?;
            Ok(())
        })?;
        flush()?;
        settle()?;
        let ended = stream.stop()?;
        ended.no_mismatch()?;
        let new = &ended.instance("self")?["totals"]["new"]["probe"];
        ensure!(*new == FLOWS, "new here: {new}");
        ensure!(!ended.stderr.contains("denied"), "{}", ended.stderr);
        ensure!(!ended.stderr.contains("permitted"), "{}", ended.stderr);
    }
    Ok(())
}

/// As a service has it: not root, with the capabilities that attaching takes, and the kernel as careful as Debian's.
pub(super) fn own_user() -> Result<()> {
    let in_module = conntrack_is_a_module()?;
    for (level, capabilities, how) in [
        (PARANOID, "+bpf,+perfmon,+sys_admin", &[][..]),
        (PARANOID, "+bpf,+perfmon,+sys_admin", &["--no-fentry"]),
        (LENIENT, "+bpf,+perfmon", &["--no-fentry"]),
    ] {
        sysctl("kernel/perf_event_paranoid", level)?;
        let prefix = [
            "/usr/bin/setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--inh-caps",
            capabilities,
            "--ambient-caps",
            capabilities,
        ];
        let run = ["stream", "--format", "json"];
        let mut stream = Stream::behind(&prefix, &[&run[..], &DROP, how].concat())?;
        let expected = match how {
            [] => best_mode()?,
            _ => "kprobe",
        };
        let attached = &stream.hello()?["probes"]["mode"];
        ensure!(*attached == expected, "{attached} instead of {expected}");
        stream.samples(1)?;
        hold(&stream, &[], &[], false)?;
        UdpFlows::new()?.send(FLOWS)?;
        flush()?;
        settle()?;
        stream.samples(2)?;
        counted(&stream.stop()?, "self", FLOWS)?;
    }
    // Without CAP_SYS_ADMIN nothing can be attached where the kernel is careful and nf_conntrack is a module.
    if in_module {
        sysctl("kernel/perf_event_paranoid", PARANOID)?;
        let prefix = [
            "/usr/bin/setpriv",
            "--reuid=65534",
            "--inh-caps=+bpf,+perfmon",
            "--ambient-caps=+bpf,+perfmon",
        ];
        let run = ["stream", "--format", "json", "--duration", "300ms"];
        let stream = Stream::behind(&prefix, &[&run[..], &DROP].concat())?;
        let reason = stream.hello()?["probes"]["reason"].to_string();
        ensure!(reason.contains("perf_event_paranoid is 3"), "{reason}");
    }
    Ok(())
}

/// Kprobes go with the module. A run that waits for it keeps what attaching takes; once they are attached it cannot attach them
/// again, and ends.
pub(super) fn probes_gone() -> Result<()> {
    unload()?;
    let mut stream = Stream::start(&[&DROP[..], &["--no-fentry"]].concat())?;
    let waiting = threads(stream.pid())?;
    ensure!(!waiting[0].is_restricted(), "{:?}", waiting[0]);
    tracking()?;
    stream.wait_for("probes", |record| {
        record["type"] == "hello" && record["probes"]["mode"] == "kprobe"
    })?;
    stream.samples(1)?;
    hold(&stream, &[], &[], true)?;
    UdpFlows::new()?.send(FLOWS)?;
    flush()?;
    settle()?;
    unload()?;
    let ended = stream.wait()?;
    ensure!(ended.status.code() == Some(1), "{}", ended.status);
    let last = ended.stderr.lines().last().context("no message")?;
    ensure!(
        last.contains("privileges to attach them again were given up"),
        "{last}"
    );
    for counter in ["new", "inserted", "deleted"] {
        let count = ended.probe(counter)?;
        ensure!(count == u64::from(FLOWS), "{counter}: {count}");
    }
    Ok(())
}
