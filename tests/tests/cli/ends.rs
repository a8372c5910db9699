//! How a stream ends: on time, by a signal, or because its output is closed.

use std::{
    fs, io,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    program::{self, FORMATS, Running},
    spawned::{Spawned, ctpulse, start},
    tree::Tree,
};

const ENDING: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

#[test]
fn a_duration_ends_it_with_a_summary() -> Result<()> {
    let tree = Tree::of("4.4/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    for format in FORMATS {
        let args = [
            "stream",
            "--duration",
            "150ms",
            "--interval",
            "50ms",
            "--format",
            format,
        ];
        let ended = Running::start(&[&args[..], &["--proc-root", root]].concat())?.wait()?;
        let ended = ended.successful()?;
        assert_eq!(ended.stderr, "", "{format}");
        let last = ended.lines.last().context("no output")?;
        match format {
            "json" => assert!(last.starts_with(r#"{"type":"summary""#), "{last}"),
            "text" => assert!(
                ended.lines.iter().any(|line| line.starts_with("self, ")),
                "{last}"
            ),
            "csv" => assert!(ended.lines.len() >= 2, "header and sample: {last}"),
            _ => anyhow::bail!("{format}: how does it end?"),
        }
    }
    Ok(())
}

#[test]
fn signals_end_it_with_a_summary() -> Result<()> {
    let tree = Tree::of("4.4/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    for signal in ENDING {
        // Also in the middle of a long interval.
        for interval in ["20ms", "1h"] {
            let args = [
                "stream",
                "--format",
                "json",
                "--interval",
                interval,
                "--proc-root",
                root,
            ];
            let mut program = Running::start(&args)?;
            program.wait_for_hello()?;
            program.signal(signal)?;
            let ended = program.wait()?.successful()?;
            let kinds: Vec<_> = ended.records()?.iter().map(|r| r["type"].clone()).collect();
            assert_eq!(
                kinds.last(),
                Some(&"summary".into()),
                "{signal:?} {interval}"
            );
            assert!(kinds.contains(&"sample".into()), "{signal:?} {interval}");
            assert_eq!(ended.stderr, "");
        }
    }
    Ok(())
}

/// The records of a recording, which is whole.
fn replayed(recording: &str) -> Result<Vec<Value>> {
    let replay = program::run(&["replay", recording, "--format", "json"])?;
    let replay = replay.success().stderr("").get_output().clone();
    let lines = String::from_utf8(replay.stdout)?;
    let records = lines.lines().map(serde_json::from_str);
    Ok(records.collect::<Result<_, _>>()?)
}

/// Starts to record, and waits until some of it is in the file.
fn recorder(mut command: Command, recording: &str) -> Result<Spawned> {
    let mut program = start(command.stdin(Stdio::null()).stdout(Stdio::null()))?;
    program.wait_until("recording", |_| {
        fs::metadata(recording).is_ok_and(|file| file.len() > 500)
    })?;
    Ok(program)
}

#[test]
fn signals_end_a_recording_properly() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let (root, recording) = (tree.root(), tree.path("new.ctp"));
    let root = root.to_str().context("the path is no UTF-8")?;
    let recording = recording.to_str().context("the path is no UTF-8")?;
    for signal in ENDING {
        let args = ["record", recording, "--force", "--proc-root", root];
        let command = ctpulse(&[&args[..], &["--interval", "20ms"]].concat())?;
        let program = recorder(command, recording)?;
        program.signal(signal)?;
        let end = program.end()?;
        assert_eq!(end.status.code(), Some(0), "{signal:?}: {}", end.stderr);
        assert!(end.stderr.contains("records kept up to"), "{}", end.stderr);
        let records = replayed(recording)?;
        assert_eq!(records[0]["type"], "hello", "{signal:?}");
        let last = records.last().context("no record")?;
        assert_eq!(last["type"], "summary", "{signal:?}");
        fs::remove_file(recording)?;
    }
    Ok(())
}

#[test]
fn a_recording_with_nohup_outlives_the_terminal() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let (root, recording) = (tree.root(), tree.path("new.ctp"));
    let root = root.to_str().context("the path is no UTF-8")?;
    let recording = recording.to_str().context("the path is no UTF-8")?;
    let mut command = Command::new("env");
    command
        .arg("--ignore-signal=HUP")
        .arg(program::path()?)
        .args([
            "record",
            recording,
            "--interval",
            "20ms",
            "--proc-root",
            root,
        ]);
    let mut program = recorder(command, recording)?;
    program.signal(Signal::HUP)?;
    let now = Timestamp::now();
    // It records what comes after that.
    let before = fs::metadata(recording)?.len();
    program.wait_until("more", |_| {
        fs::metadata(recording).is_ok_and(|file| file.len() > before + 500)
    })?;
    program.signal(Signal::TERM)?;
    let end = program.end()?;
    assert_eq!(end.status.code(), Some(0), "{}", end.stderr);
    let records = replayed(recording)?;
    let last = records.last().context("no record")?;
    assert_eq!(last["type"], "summary");
    let mut samples = records.iter().filter(|record| record["type"] == "sample");
    let sample = samples.next_back().context("no sample")?;
    let time: Timestamp = sample["time"].as_str().context("no time")?.parse()?;
    assert!(time > now, "{sample}");
    Ok(())
}

#[test]
fn a_closed_pipe_ends_it_quietly() -> Result<()> {
    let tree = Tree::of("4.4/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    for format in FORMATS {
        let args = [
            "stream",
            "--format",
            format,
            "--interval",
            "20ms",
            "--proc-root",
            root,
        ];
        let mut program = Running::start(&args)?;
        program.next_line()?;
        program.close_stdout();
        let ended = program.wait()?.successful()?;
        assert_eq!(ended.stderr, "", "{format}");
    }
    Ok(())
}

#[test]
fn a_pipe_closed_from_the_start_ends_everything_quietly() -> Result<()> {
    let tree = Tree::of("4.4/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    for args in [
        &["stream", "--proc-root", root][..],
        &["stream", "--proc-root", root, "--format", "json"],
        &["stream", "--proc-root", root, "--format", "csv"],
        &["doctor"],
        &["doctor", "--format", "json"],
        &["--help"],
        &["--version"],
    ] {
        let (reader, writer) = io::pipe()?;
        drop(reader);
        let output = Command::new(program::path()?)
            .args(args)
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()?
            .wait_with_output()?;
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
    Ok(())
}
