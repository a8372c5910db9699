//! The program on this machine's own kernel, whatever that offers.

use std::path::Path;

use anyhow::{Context, Result};
use ctpulse_tests::hosts::{self, Said};
use serde_json::Value;

use crate::{
    elsewhere::Elsewhere,
    program::{FORMATS, Running, count_lines, path, run},
};

/// Whether this kernel can be probed at all; says so, because a test is skipped then.
fn has_kprobes() -> bool {
    let kprobes = Path::new("/sys/bus/event_source/devices/kprobe").exists();
    if kprobes {
        eprintln!("skipped: this kernel has kprobes; the guests' scenarios test those");
    }
    kprobes
}

#[test]
fn without_arguments_and_a_terminal_it_streams_text() -> Result<()> {
    let mut program = Running::start(&[])?;
    assert!(program.next_line()?.starts_with("ctpulse "));
    program.wait_for_text("titles", |line| line.starts_with("time "))?;
    for _ in 0..3 {
        program.next_line()?;
    }
    let ended = program.stop()?;
    assert!(
        ended.lines.iter().any(|line| line.starts_with("self, ")),
        "no summary"
    );
    assert!(
        !ended.lines.concat().contains('\u{1b}'),
        "escapes in a pipe"
    );
    Ok(())
}

#[test]
fn it_reports_once_why_there_are_no_probes() -> Result<()> {
    if has_kprobes() {
        return Ok(());
    }
    let place = tempfile::tempdir()?;
    let file = place.path().join("a.ctp");
    let file = file.to_str().context("the path is no UTF-8")?;
    for format in FORMATS {
        for command in [&["stream"][..], &["record", file, "--force", "--show"]] {
            let more = ["--duration", "300ms", "--format", format];
            let args = [command, &more].concat();
            let output = run(&args)?.success().get_output().clone();
            let output = [output.stdout, output.stderr].concat();
            is_told_once(format, &String::from_utf8(output)?);
        }
    }
    Ok(())
}

fn is_told_once(format: &str, output: &str) {
    let sign = match format {
        "json" => "\"mode\":\"off\"",
        _ => "probes: off, ",
    };
    assert_eq!(count_lines(output, sign), 1, "{format}: {output}");
    // Whichever it lacks first: the right to probe, or the probes.
    let why = output.lines().find(|line| line.contains(sign));
    let reasons = [
        "no kprobes",
        "run as root",
        "user namespace",
        "refuses",
        "locked down",
        "without its eBPF programs",
    ];
    assert!(
        why.is_some_and(|why| reasons.iter().any(|reason| why.contains(reason))),
        "{format}: {why:?}"
    );
}

/// Silence would look as if nothing went wrong.
#[test]
fn events_without_probes_are_refused() -> Result<()> {
    if has_kprobes() {
        return Ok(());
    }
    for format in ["text", "json"] {
        let output = run(&["events", "--format", format])?
            .code(1)
            .stdout("")
            .get_output()
            .clone();
        let stderr = String::from_utf8(output.stderr)?;
        assert!(
            stderr.starts_with("ctpulse: no events without probes: "),
            "{stderr}"
        );
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
    Ok(())
}

#[test]
fn probes_turned_off_are_off() -> Result<()> {
    let args = [
        "stream",
        "--format",
        "json",
        "--probes",
        "off",
        "--duration",
        "100ms",
    ];
    let ended = Running::start(&args)?.wait()?.successful()?;
    let hello = ended.of("hello")?.pop_front().context("no hello")?;
    assert_eq!(
        (&hello["probes"]["mode"], &hello["probes"]["group"]),
        (&"off".into(), &"off".into())
    );
    let reason = hello["probes"]["reason"].as_str().context("no reason")?;
    assert!(reason.contains("--probes off"), "{reason}");
    assert!(ended.of("crosscheck")?.is_empty(), "nothing to compare");
    Ok(())
}

#[test]
fn the_host_is_described_as_it_is() -> Result<()> {
    let args = [
        "stream",
        "--format",
        "json",
        "--probes",
        "off",
        "--duration",
        "100ms",
    ];
    let ended = Running::start(&args)?.wait()?.successful()?;
    let hello = ended.of("hello")?.pop_front().context("no hello")?;
    let uname = rustix::system::uname();
    assert_eq!(
        hello["kernel"].as_str(),
        Some(&*uname.release().to_string_lossy())
    );
    assert_eq!(
        hello["hostname"].as_str(),
        Some(&*uname.nodename().to_string_lossy())
    );
    let netns = std::fs::read_link("/proc/self/ns/net")?;
    let inode = hello["instances"][0]["netns"]
        .as_u64()
        .context("no netns")?;
    assert_eq!(netns.to_str(), Some(format!("net:[{inode}]").as_str()));
    Ok(())
}

#[test]
fn doctor_agrees_with_the_stream_about_the_sources() -> Result<()> {
    if has_kprobes() {
        return Ok(());
    }
    let output = run(&["doctor", "--format", "json"])?
        .success()
        .get_output()
        .clone();
    let doctor: Value = serde_json::from_slice(&output.stdout)?;
    let args = ["stream", "--format", "json", "--duration", "100ms"];
    let ended = Running::start(&args)?.wait()?.successful()?;
    let hello = ended.of("hello")?.pop_front().context("no hello")?;
    assert_eq!(doctor["blocked"], hello["probes"]["reason"]);
    for counter in doctor["counters"].as_array().context("no counters")? {
        let name = counter["name"].as_str().context("no name")?;
        assert_eq!(counter["reason"], hello["unavailable"][name], "{name}");
    }
    Ok(())
}

#[test]
fn several_namespaces_are_watched_without_probes() -> Result<()> {
    let Some(elsewhere) = Elsewhere::start(b"elsewhere")? else {
        return Ok(());
    };
    let netns = format!("self,{}", elsewhere.pid());
    let args = [
        "stream",
        "--format",
        "json",
        "--probes",
        "off",
        "--netns",
        &netns,
        "--duration",
        "300ms",
    ];
    let ended = Running::start(&args)?.wait()?.successful()?;
    let hello = ended.of("hello")?.pop_front().context("no hello")?;
    assert_eq!(
        hello["instances"].as_array().map(Vec::len),
        Some(2),
        "{hello}"
    );
    for name in ["self", &elsewhere.pid().to_string()] {
        let samples = ended.of("sample")?;
        assert!(
            samples.iter().any(|sample| sample["instance"] == name),
            "no sample of {name}"
        );
    }
    Ok(())
}

/// Whatever this machine's kernel has, and whatever is hidden from the program or taken from it: what doctor says is what the
/// stream does. Where it has kprobes, the guests' scenarios do the same and know what should come of it.
#[test]
fn doctor_and_stream_agree_on_hosts_that_lack_something() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: a mount namespace can only be made by root");
        return Ok(());
    }
    let ctpulse = path()?;
    for host in hosts::ALL {
        host.agreed(&ctpulse)?;
    }
    let embedded = |said: &Said| !said.reason().contains("without its eBPF programs");
    let expected = [
        (hosts::USER_NAMESPACE, "in a user namespace"),
        (hosts::NO_CAPABILITIES, "run as root"),
    ];
    for (host, words) in expected {
        let said = host.agreed(&ctpulse)?;
        assert!(
            !embedded(&said) || said.reason().contains(words),
            "{}: {said:?}",
            host.name
        );
    }
    Ok(())
}

/// A procfs with nothing but processes is one reason, not one for each file, and ctnetlink has the counters.
#[test]
fn a_procfs_of_processes_only_is_said_once() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: a mount namespace can only be made by root");
        return Ok(());
    }
    let said = hosts::PROCESSES_ONLY.agreed(&path()?)?;
    let about_files = |line: &&str| line.contains("does not exist") || line.contains("subset=pid");
    let lines: Vec<&str> = said.stderr.lines().filter(about_files).collect();
    assert!(lines.len() <= 1, "{lines:?}");
    let findings = said.doctor["findings"].as_array().context("findings")?;
    let functions = findings.iter().find(|f| f["name"] == "kernel functions");
    let detail = functions.and_then(|f| f["detail"].as_str());
    assert!(
        detail.is_some_and(|d| d.contains("subset=pid")),
        "{detail:?}"
    );
    Ok(())
}

/// doctor lists it, and a stream says it once.
#[test]
fn tables_of_network_plugins_are_said_not_to_be_covered() -> Result<()> {
    if !rustix::process::geteuid().is_root() || !Path::new("/sys/fs/bpf").exists() {
        eprintln!("skipped: it takes root, and a kernel with bpf(2)");
        return Ok(());
    }
    let said = hosts::CILIUM.agreed(&path()?)?;
    let words = "Cilium tracks connections in a table of its own";
    assert_eq!(count_lines(&said.stderr, words), 1, "{}", said.stderr);
    let findings = said.doctor["findings"].as_array().context("findings")?;
    let other = findings.iter().find(|f| f["name"] == "other tracking");
    let detail = other.and_then(|f| f["detail"].as_str());
    assert!(detail.is_some_and(|d| d.starts_with(words)), "{detail:?}");
    Ok(())
}
