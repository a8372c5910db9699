//! How a stream ends: on time, by a signal, or because its output is closed.

use std::{
    io,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::{
    program::{self, Running},
    tree::Tree,
};

const FORMATS: [&str; 3] = ["text", "json", "csv"];

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
            _ => assert!(ended.lines.len() >= 2, "header and sample: {last}"),
        }
    }
    Ok(())
}

#[test]
fn signals_end_it_with_a_summary() -> Result<()> {
    let tree = Tree::of("4.4/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    for signal in [Signal::INT, Signal::TERM] {
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
