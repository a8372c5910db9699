//! `--privileges drop`: what is left of root, and that everything works with it. What attaching takes is the guests' to see.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use ctpulse_tests::privileges::{Thread, threads};
use serde_json::Value;

use crate::{
    alert_config::{AT_ONCE, File, start, wait_for_change},
    program::{self, FORMATS, PATIENCE, Running},
    tree::Tree,
};

const DROP: [&str; 2] = ["--privileges", "drop"];
const INSERT_FAILED: &str = "conntrack_insert_failed";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A short run with everything given up, of this command and these options.
fn short(command: &[&str], more: &[&str]) -> Result<program::Ended> {
    let time = ["--interval", "20ms", "--duration", "300ms"];
    let args = [command, &time, &DROP, more].concat();
    Running::start(&args)?.wait()?.successful()
}

/// All threads, from when its privileges are given up.
fn restricted(program: &mut Running) -> Result<Vec<Thread>> {
    program.wait_for_sample("sample after that", |_| true)?;
    threads(program.pid())
}

#[test]
fn every_thread_gives_up_everything() -> Result<()> {
    let (tree, config) = (Tree::of("6.1/t0")?, File::new(AT_ONCE)?);
    let more = ["--on-alert", "true", "--privileges", "drop"];
    let mut program = start(&tree, &config, &more)?;
    let threads = restricted(&mut program)?;
    let names: Vec<&str> = threads.iter().map(|thread| thread.name.as_str()).collect();
    for name in ["ctpulse", "signals", "stdout", "on-alert"] {
        ensure!(names.contains(&name), "{names:?}");
    }
    for thread in &threads {
        thread.has_given_up_all_but(&[], is_root())?;
    }
    let ended = program.stop()?;
    ensure!(ended.stderr.is_empty(), "{}", ended.stderr);
    let last = ended.records()?.pop().context("no record")?;
    ensure!(last["type"] == "summary", "{last}");
    Ok(())
}

#[test]
fn without_it_only_the_thread_that_attaches_holds_anything() -> Result<()> {
    let (tree, config) = (Tree::of("6.1/t0")?, File::new(AT_ONCE)?);
    let mut program = start(&tree, &config, &["--on-alert", "true"])?;
    let threads = restricted(&mut program)?;
    let (main, workers) = threads.split_first().context("no thread")?;
    ensure!(workers.len() >= 3, "{workers:?}");
    ensure!(!main.is_restricted(), "{main:?}");
    for thread in workers {
        thread.holds_nothing()?;
    }
    program.stop()?;
    Ok(())
}

#[test]
fn each_thread_keeps_what_its_reading_takes() -> Result<()> {
    if !is_root() {
        eprintln!("not root: there is nothing to keep");
        return Ok(());
    }
    let run = ["stream", "--format", "json", "--probes", "off"];
    let more = ["--netns", "all", "--top"];
    let mut program = Running::start(&[&run[..], &more, &DROP].concat())?;
    for thread in restricted(&mut program)? {
        let kept: &[&str] = match thread.name.as_str() {
            "ctpulse" => &["CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"],
            "scan" => &["CAP_SYS_PTRACE"],
            "survey" => &[
                "CAP_DAC_READ_SEARCH",
                "CAP_NET_ADMIN",
                "CAP_SYS_PTRACE",
                "CAP_SYS_ADMIN",
            ],
            "workloads" => &["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"],
            _ => &[],
        };
        thread.has_given_up_all_but(kept, true)?;
    }
    program.stop()?;
    Ok(())
}

#[test]
fn everything_works_without() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let directory = tempfile::tempdir()?;
    let here = ["--proc-root", root];
    for format in FORMATS {
        let per_cpu: &[&str] = if format == "csv" { &[] } else { &["--per-cpu"] };
        let more = [&["--format", format][..], &here, per_cpu].concat();
        let ended = short(&["stream"], &more)?;
        ensure!(
            !ended.lines.is_empty() && ended.stderr.is_empty(),
            "{}",
            ended.stderr
        );
    }
    for (file, more) in [("a", &[][..]), ("b", &["--show", "--format", "json"])] {
        let file = directory.path().join(file);
        let file = file.to_str().context("the path is no UTF-8")?;
        short(&["record", file], &[&here, more].concat())?;
        short(&["record", file, "--append"], &here)?;
        program::run(&["report", file, "-o", &format!("{file}.html")])?.success();
    }
    // Of this host: what it has, by every way to it.
    for more in [
        &[][..],
        &["--per-cpu", "--buckets"],
        &["--top"],
        &["--source", "proc"],
        &["--netns", "self,all", "--top", "3"],
    ] {
        let run = ["stream", "--format", "json", "--probes", "off"];
        let (with, without) = (short(&run, more)?, {
            let time = ["--interval", "20ms", "--duration", "300ms"];
            Running::start(&[&run[..], &time, more].concat())?.wait()?
        });
        let instances = |ended: &program::Ended| -> Result<Value> {
            let last = ended.records()?.pop().context("no record")?;
            Ok(last["instances"][0]["totals"].clone())
        };
        let (with, without) = (instances(&with)?, instances(&without)?);
        let known = |totals: &Value| -> Option<Vec<bool>> {
            let totals = totals.as_object()?.values();
            Some(totals.map(|total| total["kernel"].is_u64()).collect())
        };
        ensure!(
            known(&with) == known(&without),
            "{more:?}: {with} {without}"
        );
    }
    Ok(())
}

/// What a command of `--on-alert` says of itself, once.
fn said_by_command(options: &[&str]) -> Result<String> {
    let (tree, config) = (Tree::of("6.1/t0")?, File::new(AT_ONCE)?);
    tree.set_entries(1_000)?;
    let directory = tempfile::tempdir()?;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777))?;
    let (part, whole) = (
        directory.path().join("part"),
        directory.path().join("whole"),
    );
    let (part, name) = (part.display(), whole.display());
    let command = format!(
        "{{ id -u; id -g; echo $USER; cat /proc/self/status; }} > {part} && mv {part} {name}"
    );
    let mut program = start(
        &tree,
        &config,
        &[&["--on-alert", &command], options].concat(),
    )?;
    tree.count("insert_failed", 1_000)?;
    wait_for_change(&mut program, INSERT_FAILED, "CRITICAL")?;
    let deadline = Instant::now() + PATIENCE;
    while !whole.exists() {
        ensure!(
            Instant::now() < deadline,
            "no command: {}",
            program.stderr()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    program.stop()?;
    Ok(fs::read_to_string(whole)?)
}

#[test]
fn commands_hold_nothing_and_call_what_they_like() -> Result<()> {
    let status = Thread::parse(&said_by_command(&DROP)?)?;
    status.can_gain_nothing()?;
    ensure!(!status.is_filtered(), "what it calls is its own affair");
    let kept = Thread::parse(&said_by_command(&[])?)?;
    ensure!(!kept.is_restricted(), "nothing was to be given up");
    Ok(())
}

#[test]
fn commands_run_as_their_user() -> Result<()> {
    if !is_root() {
        eprintln!("not root: it cannot become another user");
        return Ok(());
    }
    for privileges in [&[][..], &DROP] {
        let said = said_by_command(&[&["--on-alert-user", "nobody"], privileges].concat())?;
        let mut lines = said.lines();
        let uid: u32 = lines.next().context("uid")?.parse()?;
        let gid: u32 = lines.next().context("gid")?.parse()?;
        ensure!((uid, gid) == (65534, 65534), "{said}");
        ensure!(lines.next() == Some("nobody"), "{said}");
        let groups = lines.find_map(|line| line.strip_prefix("Groups:"));
        ensure!(groups.map(str::trim) == Some("65534"), "{said}");
        Thread::parse(&said)?.can_gain_nothing()?;
    }
    Ok(())
}

#[test]
fn users_that_cannot_be_are_refused_at_the_start() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let stream = ["stream", "--proc-root", root, "--on-alert", "true"];
    let unknown = [&stream[..], &["--on-alert-user", "no-such-user"]].concat();
    let message = "ctpulse: --on-alert-user no-such-user: there is no such user in /etc/passwd\n";
    program::run(&unknown)?.code(1).stderr(message).stdout("");
    let alone = ["stream", "--proc-root", root, "--on-alert-user", "nobody"];
    program::run(&alone)?.code(2);
    program::run(&["on-alert-helper"])?.code(1);
    if is_root() {
        let mut command = Command::new("setpriv");
        command
            .args(["--bounding-set=-all", "--inh-caps=-all"])
            .arg(program::path()?)
            .args(stream)
            .args(["--on-alert-user", "nobody"]);
        let output = command.output().context("setpriv")?;
        let stderr = String::from_utf8(output.stderr)?;
        ensure!(stderr.contains("CAP_SETUID and CAP_SETGID"), "{stderr}");
        ensure!(output.status.code() == Some(1), "{stderr}");
    }
    Ok(())
}

/// What doctor says is held, by capability.
fn held(doctor: &Value) -> Result<Vec<(String, bool)>> {
    let lines = doctor["privileges"].as_array().context("privileges")?;
    let line = |line: &Value| {
        let capability = line["capability"].as_str().context("capability")?;
        let held = line["held"].as_bool().context("held")?;
        ensure!(held || line["without"].is_string(), "{line}");
        Ok((capability.to_owned(), held))
    };
    lines.iter().map(line).collect()
}

#[test]
fn doctor_says_what_is_held() -> Result<()> {
    if !is_root() {
        eprintln!("not root: no capability can be had");
        return Ok(());
    }
    let doctor = |command: &mut Command| -> Result<Value> {
        let output = command.args(["doctor", "--format", "json"]).output()?;
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    let root = held(&doctor(&mut Command::new(program::path()?))?)?;
    ensure!(root.iter().all(|(_, held)| *held), "{root:?}");
    // Where anybody can read it.
    let directory = tempfile::tempdir()?;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
    let copy = directory.path().join("ctpulse");
    fs::copy(program::path()?, &copy)?;
    let own_user = |capabilities: &str, program: &Path| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .args(["--inh-caps", capabilities, "--ambient-caps", capabilities])
            .arg(program);
        command
    };
    let some = held(&doctor(&mut own_user("+bpf,+net_admin", &copy))?)?;
    for (capability, held) in some {
        let given = ["CAP_BPF", "CAP_NET_ADMIN"].contains(&capability.as_str());
        ensure!(held == given, "{capability}");
    }
    let admin = held(&doctor(&mut own_user("+sys_admin", &copy))?)?;
    for (capability, held) in admin {
        // It stands for what was part of it before 5.8.
        let given = ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN"].contains(&capability.as_str());
        ensure!(held == given, "{capability}");
    }
    Ok(())
}
