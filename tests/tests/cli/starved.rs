//! Processes that may have less than they need, and arguments that no parser expects: the program says what is the matter,
//! and never panics.

use std::{
    ffi::{OsStr, OsString},
    os::unix::{ffi::OsStrExt, process::ExitStatusExt},
    process::Stdio,
};

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::{
    program::{self, Running, count_lines},
    spawned::{End, ctpulse, limited, start},
    tree::Tree,
};

/// A user that owns nothing, so that a limit of processes is of this program's alone.
const NOBODY: &str = "54321";

/// Commands that need an event loop, threads and files.
fn commands(root: &str, recording: &str, new: &str, newer: &str) -> Vec<Vec<String>> {
    let run = [
        "--proc-root",
        root,
        "--interval",
        "20ms",
        "--duration",
        "100ms",
    ];
    let commands = [
        [&["stream"][..], &run].concat(),
        [&["stream", "--on-alert", "true"][..], &run].concat(),
        [&["record", new, "--force"][..], &run].concat(),
        [&["record", newer, "--force", "--show"][..], &run].concat(),
        vec!["stream", "--netns", "all", "--duration", "100ms"],
        vec!["events", "--probes", "off", "--duration", "100ms"],
        vec!["replay", recording],
        vec!["report", recording, "-o", "-"],
        vec!["doctor"],
        vec!["check", "--proc-root", root],
        vec!["config"],
        vec!["live"],
        vec!["--version"],
    ];
    let owned = |args: Vec<&str>| args.into_iter().map(str::to_owned).collect();
    commands.into_iter().map(owned).collect()
}

/// The same, with what they work on.
struct Place {
    commands: Vec<Vec<String>>,
    _dir: tempfile::TempDir,
    _tree: Tree,
}

impl Place {
    fn new() -> Result<Self> {
        let (tree, dir) = (Tree::of("6.1/t0")?, tempfile::tempdir()?);
        let root = tree.root();
        let root = root.to_str().context("the path is no UTF-8")?;
        let path = |name: &str| dir.path().join(name).to_str().map(str::to_owned);
        let recording = path("old.ctp").context("the path is no UTF-8")?;
        let new = path("new.ctp").context("the path is no UTF-8")?;
        let newer = path("newer.ctp").context("the path is no UTF-8")?;
        let args = [
            "record",
            &recording,
            "--proc-root",
            root,
            "--duration",
            "200ms",
        ];
        program::run(&args)?.success();
        Ok(Self {
            commands: commands(root, &recording, &new, &newer),
            _dir: dir,
            _tree: tree,
        })
    }
}

fn refs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// That it either did what it should, or said why not.
#[track_caller]
fn assert_orderly(args: &[String], end: &End, what: &str) {
    let (code, said) = (end.status.code(), &end.stderr);
    // The state that `check` finds is its status, whatever it was able to find out.
    let known: &[i32] = match args[0] == "check" {
        true => &[0, 1, 2, 3],
        false => &[0, 1],
    };
    assert!(
        code.is_some_and(|code| known.contains(&code)),
        "{what}: {}: {said}",
        end.status
    );
    assert!(!said.contains("panicked"), "{what}: {said}");
    let is_silent = what.contains("2>&-") || args[0] == "check";
    if code == Some(1) && !is_silent {
        assert!(count_lines(said, "ctpulse: ") >= 1, "{what}: {said:?}");
    }
}

#[test]
fn too_few_files_are_said_to_be_too_few() -> Result<()> {
    let place = Place::new()?;
    let mut refused = 0;
    for files in 3..=18 {
        let mut running = Vec::new();
        for args in &place.commands {
            let mut command = limited(&format!("--nofile={files}"), &refs(args))?;
            running.push(start(command.stdin(Stdio::null()).stdout(Stdio::null()))?);
        }
        for (program, args) in running.into_iter().zip(&place.commands) {
            let end = program.end()?;
            let what = format!("{files} files, {args:?}");
            // The loader of shared libraries needs one more than the three that are open.
            if files == 3 && end.status.code() == Some(127) {
                continue;
            }
            assert_orderly(args, &end, &what);
            if end.stderr.contains("os error 24") && end.status.code() == Some(1) {
                refused += 1;
                let remedy = "raise the limit of open files (`ulimit -n`)";
                assert!(end.stderr.contains(remedy), "{what}: {}", end.stderr);
            }
        }
    }
    assert!(refused > 20, "only {refused} were refused");
    Ok(())
}

#[test]
fn no_thread_to_be_had_is_said() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become somebody who has no other processes");
        return Ok(());
    }
    let place = Place::new()?;
    let mut refused = 0;
    for threads in 1..=4 {
        for args in &place.commands {
            let what = format!("{threads} threads, {args:?}");
            let mut command = std::process::Command::new("setpriv");
            command
                .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
                .args(["prlimit", &format!("--nproc={threads}")])
                .arg(program::path()?)
                .args(args)
                .env("RUST_BACKTRACE", "0");
            let end = start(command.stdin(Stdio::null()).stdout(Stdio::null()))?.end()?;
            assert_orderly(args, &end, &what);
            if end.stderr.contains("cannot start the thread that ") {
                refused += 1;
                assert_eq!(end.status.code(), Some(1), "{what}");
                let remedy = "raise the limit of threads (`ulimit -u`, or pids.max of the cgroup)";
                assert!(end.stderr.contains(remedy), "{what}: {}", end.stderr);
            }
        }
    }
    assert!(refused > 5, "only {refused} were refused");
    Ok(())
}

#[test]
fn too_little_memory_ends_it_at_once_or_does_not_matter() -> Result<()> {
    let place = Place::new()?;
    let (mut ended, mut ran) = (0, 0);
    for mib in (6..=62).step_by(8) {
        for args in &place.commands {
            let what = format!("{mib} MiB, {args:?}");
            let mut command = limited(&format!("--as={}", mib << 20), &refs(args))?;
            let end = start(command.stdin(Stdio::null()).stdout(Stdio::null()))?.end()?;
            match end.status.code() {
                // The loader of shared libraries has no room for them.
                Some(127) => {}
                Some(_) => {
                    assert_orderly(args, &end, &what);
                    ran += 1;
                }
                // What Rust does where memory cannot be had, and what the kernel does where not even the program fits.
                None => {
                    let fits = !end.stderr.is_empty();
                    let expected = [Signal::SEGV, Signal::KILL, Signal::ABORT];
                    let signal = end.status.signal();
                    let known = expected.map(Signal::as_raw).map(Some).contains(&signal);
                    let said = end.stderr.contains("memory allocation of ");
                    assert!(
                        known && (said || !fits),
                        "{what}: {signal:?}: {}",
                        end.stderr
                    );
                    ended += 1;
                }
            }
        }
    }
    assert!(ended > 0 && ran > 20, "{ended} were ended, {ran} ran");
    Ok(())
}

/// Runs it with some of its standard descriptors closed from the start.
fn without(closed: &str, args: &[&str]) -> Result<End> {
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", &format!("exec \"$@\" {closed}"), "sh"])
        .arg(program::path()?)
        .args(args)
        .env("RUST_BACKTRACE", "0");
    start(command.stdin(Stdio::null()).stdout(Stdio::null()))?.end()
}

#[test]
fn closed_descriptors_are_no_files_of_ours() -> Result<()> {
    let place = Place::new()?;
    for closed in ["<&-", ">&-", "<&- >&- 2>&-"] {
        for args in &place.commands {
            let end = without(closed, &refs(args))?;
            assert_orderly(args, &end, &format!("{closed}, {args:?}"));
        }
    }
    // What is recorded meanwhile is whole: nothing was written into it by mistake.
    for args in place.commands.iter().filter(|args| args[0] == "record") {
        without("<&- >&- 2>&-", &refs(args))?;
        let replay = program::run(&["replay", &args[1], "--format", "json"])?;
        let replay = replay.success().stderr("").get_output().clone();
        let lines = String::from_utf8(replay.stdout)?;
        let last = lines.lines().last();
        assert!(
            last.is_some_and(|line| line.starts_with(r#"{"type":"summary""#)),
            "{last:?}"
        );
    }
    Ok(())
}

/// Runs it with any arguments.
fn run(args: &[&OsStr]) -> Result<End> {
    let mut command = ctpulse(&[])?;
    command.args(args);
    start(command.stdin(Stdio::null()).stdout(Stdio::null()))?.end()
}

#[test]
fn an_argument_that_is_no_utf_8_is_refused_or_a_path() -> Result<()> {
    let odd = OsStr::from_bytes(b"\xff\x1b]0;pwn\x07\xfe");
    let option = OsString::from_iter([OsStr::new("--interval="), odd]);
    let args = |args: &[&'static str]| -> Vec<&'static OsStr> {
        args.iter().copied().map(OsStr::new).collect()
    };
    for (before, status) in [
        (&[][..], 2),
        (&["stream"], 2),
        (&["stream", "--interval"], 2),
        (&["stream", "--duration"], 2),
        (&["stream", "--netns"], 2),
        (&["stream", "--chart"], 2),
        (&["replay", "--from"], 2),
        // Whatever a path is made of, it is one.
        (&["stream", "--config"], 1),
        (&["stream", "--object"], 1),
        (&["replay"], 1),
        // To a monitor, a refusal is a state that is not known.
        (&["check", "--config"], 3),
        (&["check", "--warning"], 3),
    ] {
        let end = run(&[&args(before)[..], &[odd]].concat())?;
        assert_eq!(
            end.status.code(),
            Some(status),
            "{before:?}: {}",
            end.stderr
        );
        assert!(status == 3 || !end.stderr.is_empty(), "{before:?}");
        let control = end.stderr.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "{before:?}: {:?}", end.stderr);
    }
    let end = run(&[OsStr::new("stream"), &option])?;
    assert_eq!(end.status.code(), Some(2), "{}", end.stderr);
    Ok(())
}

#[test]
fn a_duration_beyond_all_clocks_is_one_or_is_refused() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let args = ["stream", "--proc-root", root, "--format", "json"];
    for duration in ["9223372036854775807s", "2562047788015215h"] {
        let mut program = Running::start(&[&args[..], &["--duration", duration]].concat())?;
        program.wait_for_sample(duration, |_| true)?;
        let ended = program.stop().context(duration)?;
        assert_eq!(ended.of("summary")?.len(), 1, "{duration}");
        assert_eq!(ended.stderr, "", "{duration}");
    }
    for duration in [
        "18446744073709551616s",
        "18446744073709551615h",
        "1e300s",
        "infs",
        "NaNs",
    ] {
        let args = [&args[..], &["--duration", duration]].concat();
        let output = program::run(&args)?.code(2).stdout("").get_output().clone();
        let said = String::from_utf8(output.stderr)?;
        assert!(said.contains("--duration"), "{duration}: {said}");
    }
    Ok(())
}
