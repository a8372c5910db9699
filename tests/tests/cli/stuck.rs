//! Outputs that take nothing: full disks, and readers that read no more or never. Nothing of that kills the program, and signals end
//! it all the same.

use std::{
    fs,
    io::{self, Read},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::Signal,
};
use serde_json::Value;

use crate::{
    program::{self, FORMATS, Running, count_lines},
    spawned::{Spawned, Wait, ctpulse, full_disk, full_pipe, start},
    tree::Tree,
};

/// A tree, a recording of it, and room for more files.
pub(crate) struct Place {
    pub(crate) tree: Tree,
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Result<Self> {
        let place = Self {
            tree: Tree::of("6.1/t0")?,
            dir: tempfile::tempdir()?,
        };
        let (root, recording) = (place.root()?, place.path("old.ctp")?);
        let args = ["record", &recording, "--proc-root", &root];
        program::run(&[&args[..], &["--interval", "20ms", "--duration", "1s"]].concat())?.success();
        Ok(place)
    }

    pub(crate) fn root(&self) -> Result<String> {
        text(&self.tree.root())
    }

    pub(crate) fn path(&self, name: &str) -> Result<String> {
        text(&self.dir.path().join(name))
    }

    pub(crate) fn fifo(&self, name: &str) -> Result<String> {
        let path = self.dir.path().join(name);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        text(&path)
    }

    /// Every command that writes and has its end to itself, by what to say instead of what it could not write.
    fn streams(&self) -> Result<Vec<Vec<String>>> {
        let (root, recording) = (self.root()?, self.path("old.ctp")?);
        let mut commands = Vec::new();
        for format in FORMATS {
            let stream = ["stream", "--proc-root", &root, "--interval", "10ms"];
            commands.push([&stream[..], &["--format", format]].concat());
            commands.push(vec!["replay", &recording, "--format", format]);
        }
        for format in ["text", "json"] {
            let events = ["events", "--probes", "off", "--duration", "1h"];
            commands.push([&events[..], &["--format", format]].concat());
        }
        let owned = |args: Vec<&str>| args.into_iter().map(str::to_owned).collect();
        Ok(commands.into_iter().map(owned).collect())
    }
}

pub(crate) fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().context("the path is no UTF-8")?.to_owned())
}

fn refs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// Commands whose reader is stuck, each with what keeps its pipe full.
fn stuck(commands: &[Vec<&str>]) -> Result<Vec<(Spawned, io::PipeReader)>> {
    let mut running = Vec::new();
    for args in commands {
        let (reader, writer) = full_pipe()?;
        let program = start(ctpulse(args)?.stdin(Stdio::null()).stdout(writer))?;
        running.push((program, reader));
    }
    for ((program, _), args) in running.iter_mut().zip(commands) {
        program
            .wait_until_it_waits(Wait::Reader)
            .with_context(|| format!("{args:?}"))?;
    }
    Ok(running)
}

/// That a signal has done what it does by default.
pub(crate) fn assert_killed(program: Spawned, signal: Signal, args: &[&str]) -> Result<()> {
    let end = program.end().with_context(|| format!("{args:?}"))?;
    assert_eq!(end.status.signal(), Some(signal.as_raw()), "{args:?}");
    Ok(())
}

#[test]
fn signals_end_what_writes_to_a_stuck_reader() -> Result<()> {
    let place = Place::new()?;
    let commands = place.streams()?;
    let commands: Vec<_> = commands.iter().map(|args| refs(args)).collect();
    for signal in [Signal::INT, Signal::TERM] {
        let running = stuck(&commands)?;
        for (program, _) in &running {
            program.signal(signal)?;
        }
        for ((program, _unread), args) in running.into_iter().zip(&commands) {
            let end = program.end().with_context(|| format!("{args:?}"))?;
            assert_eq!(end.status.code(), Some(1), "{args:?}: {}", end.stderr);
            // What is said when the machine is too busy for the former.
            let said = [
                "what came last is not written",
                "without waiting any longer",
            ];
            assert!(
                said.iter().any(|said| end.stderr.contains(said)),
                "{args:?}: {}",
                end.stderr
            );
        }
    }
    Ok(())
}

#[test]
fn signals_end_what_has_no_end_of_its_own() -> Result<()> {
    let place = Place::new()?;
    let (root, recording) = (place.root()?, place.path("old.ctp")?);
    let commands = [
        vec!["report", &recording, "-o", "-"],
        vec!["doctor"],
        vec!["doctor", "--format", "json"],
        vec!["config"],
        vec!["check", "--proc-root", &root],
        vec!["--help"],
    ];
    for signal in [Signal::INT, Signal::TERM] {
        let running = stuck(&commands)?;
        for (program, _) in &running {
            program.signal(signal)?;
        }
        for ((program, _unread), args) in running.into_iter().zip(&commands) {
            assert_killed(program, signal, args)?;
        }
    }
    Ok(())
}

#[test]
fn signals_end_a_recording_onto_a_stuck_reader() -> Result<()> {
    let place = Place::new()?;
    let root = place.root()?;
    for signal in [Signal::INT, Signal::TERM] {
        let args = vec!["record", "-", "--proc-root", &root, "--interval", "10ms"];
        let mut running = stuck(&[args])?;
        let (program, _unread) = running.pop().context("one is running")?;
        program.signal(signal)?;
        let end = program.end()?;
        assert_eq!(end.status.code(), Some(1), "{}", end.stderr);
        assert!(
            end.stderr.contains("-: writing is stuck")
                && end.stderr.contains("0 records kept (0 bytes)")
                || end.stderr.contains("without waiting any longer"),
            "{}",
            end.stderr
        );
    }
    Ok(())
}

#[test]
fn a_second_signal_ends_it_at_once() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let root = text(&tree.root())?;
    let seen = tempfile::tempdir()?;
    let pid = seen.path().join("pid");
    // The table is nearly full, so that there is an alert at once; its command is waited for at the end.
    let command = format!("echo $$ > {}; exec sleep 1000", pid.display());
    let args = ["stream", "--format", "json", "--interval", "20ms"];
    let more = ["--proc-root", &root, "--on-alert", &command];
    let mut program = Running::start(&[&args[..], &more].concat())?;
    program.wait_for_sample("start of the command", |_| {
        fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n'))
    })?;
    program.signal(Signal::TERM)?;
    program.wait_for("summary", |record| record["type"] == "summary")?;
    program.signal(Signal::TERM)?;
    let ended = program.wait()?;
    // Nothing ends the command then but whoever started ctpulse.
    let kill = Command::new("kill")
        .arg(fs::read_to_string(&pid)?.trim())
        .status()?;
    assert!(kill.success(), "it is gone already");
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert_eq!(ended.stderr, "", "it did not wait");
    Ok(())
}

/// How many samples a recording has, which ends as it should.
pub(crate) fn samples(recording: &str) -> Result<usize> {
    let replay = program::run(&["replay", recording, "--format", "json"])?
        .success()
        .stderr("");
    let lines = String::from_utf8(replay.get_output().stdout.clone())?;
    ensure!(
        lines
            .lines()
            .last()
            .is_some_and(|line| line.starts_with(r#"{"type":"summary""#)),
        "no summary"
    );
    Ok(count_lines(&lines, r#"{"type":"sample""#))
}

#[test]
fn a_recording_does_not_wait_for_whoever_should_read_what_is_shown() -> Result<()> {
    let place = Place::new()?;
    let (root, recording) = (place.root()?, place.path("new.ctp")?);
    let args = ["record", &recording, "--show", "--format", "json"];
    let more = ["--interval", "10ms", "--proc-root", &root];
    let (_unread, writer) = full_pipe()?;
    let mut program = start(
        ctpulse(&[&args[..], &more].concat())?
            .stdin(Stdio::null())
            .stdout(writer),
    )?;
    program.wait_until_it_waits(Wait::Reader)?;
    // Long after the first line was stuck, there is more than 1 MiB of others; the recording has them all.
    program.wait_until("recording", |_| {
        fs::metadata(&recording).is_ok_and(|file| file.len() > 60_000)
    })?;
    program.signal(Signal::TERM)?;
    let end = program.end()?;
    assert_eq!(end.status.code(), Some(0), "{}", end.stderr);
    for said in [
        "standard output is not being read: what is shown has gaps; recording goes on",
        "records kept up to",
        "standard output is not being read: what came last is not written",
    ] {
        assert_eq!(count_lines(&end.stderr, said), 1, "{}", end.stderr);
    }
    let samples = samples(&recording)?;
    assert!(samples > 300, "{samples} samples");
    Ok(())
}

#[test]
fn a_recording_outlives_the_disk_of_what_is_shown() -> Result<()> {
    let place = Place::new()?;
    let (root, recording) = (place.root()?, place.path("new.ctp")?);
    let args = ["record", &recording, "--show", "--proc-root", &root];
    let more = ["--interval", "20ms", "--duration", "2s"];
    let end = start(
        ctpulse(&[&args[..], &more].concat())?
            .stdin(Stdio::null())
            .stdout(full_disk()?),
    )?
    .end()?;
    assert_eq!(end.status.code(), Some(0), "{}", end.stderr);
    let said =
        "cannot write to standard output: No space left on device (os error 28); recording goes on";
    assert_eq!(count_lines(&end.stderr, said), 1, "{}", end.stderr);
    assert!(samples(&recording)? > 5);
    Ok(())
}

#[test]
fn a_reader_that_takes_its_time_gets_whole_lines() -> Result<()> {
    let place = Place::new()?;
    let recording = place.path("old.ctp")?;
    let (mut reader, writer) = full_pipe()?;
    let mut program = start(
        ctpulse(&["replay", &recording, "--format", "json"])?
            .stdin(Stdio::null())
            .stdout(writer),
    )?;
    program.wait_until_it_waits(Wait::Reader)?;
    program.signal(Signal::TERM)?;
    let mut read = Vec::new();
    reader.read_to_end(&mut read)?;
    let end = program.end()?;
    assert_eq!(end.status.code(), Some(0), "{}", end.stderr);
    let shown = String::from_utf8(read)?;
    let shown = shown.trim_start_matches('x');
    assert!(shown.ends_with('\n'), "a line is cut: {shown}");
    for line in shown.lines() {
        serde_json::from_str::<Value>(line).with_context(|| line.to_owned())?;
    }
    Ok(())
}

#[test]
fn a_full_disk_ends_what_writes_to_it_and_says_so() -> Result<()> {
    let place = Place::new()?;
    let (root, recording) = (place.root()?, place.path("old.ctp")?);
    let mut commands = place.streams()?;
    let others = [
        vec!["report", &recording, "-o", "-"],
        vec!["doctor"],
        vec!["doctor", "--format", "json"],
        vec!["config"],
    ];
    commands.extend(others.map(|args| args.into_iter().map(str::to_owned).collect()));
    for args in commands {
        let args = refs(&args);
        let end = start(ctpulse(&args)?.stdin(Stdio::null()).stdout(full_disk()?))?.end()?;
        assert_eq!(end.status.code(), Some(1), "{args:?}: {}", end.stderr);
        let said =
            "ctpulse: cannot write to standard output: No space left on device (os error 28)";
        let last = end.stderr.lines().last();
        assert_eq!(last, Some(said), "{args:?}: {}", end.stderr);
    }
    // To a monitor that gets no line, the state is unknown.
    let check = ["check", "--proc-root", &root];
    let end = start(ctpulse(&check)?.stdin(Stdio::null()).stdout(full_disk()?))?.end()?;
    assert_eq!(end.status.code(), Some(3), "{}", end.stderr);
    Ok(())
}
