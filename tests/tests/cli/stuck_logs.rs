//! Logs that take nothing: whatever writes to them goes on, and counts what it could not say.

use std::{
    io::{self, Read},
    process::Stdio,
};

use anyhow::{Context, Result};

use crate::{
    program::Running,
    spawned::{closed_pipe, ctpulse, full_disk, full_pipe, start_as_it_is},
    stuck::{Place, samples, text},
    tree::Tree,
};

/// What standard error can be that takes nothing. The reader is to be kept.
fn deaf() -> Result<Vec<(&'static str, Stdio, Option<io::PipeReader>)>> {
    let (unread, full) = full_pipe()?;
    Ok(vec![
        ("a full disk", full_disk()?.into(), None),
        ("a pipe that is closed", closed_pipe()?.into(), None),
        ("a pipe that is full", full.into(), Some(unread)),
    ])
}

#[test]
fn a_stream_outlives_its_log() -> Result<()> {
    for (what, stderr, _unread) in deaf()? {
        // There is much to be said: files that are missing, and a command that fails.
        let tree = Tree::absent()?;
        let root = text(&tree.root())?;
        let args = ["stream", "--format", "json", "--interval", "20ms"];
        let more = ["--proc-root", &root, "--on-alert", "echo printed; exit 3"];
        let mut program = Running::start_with(&[&args[..], &more].concat(), stderr)?;
        program.wait_for_hello().context(what)?;
        program.wait_for_sample("sample", |_| true)?;
        tree.become_snapshot("6.1/t0")?;
        program.wait_for("alert", |record| record["type"] == "alert")?;
        for _ in 0..20 {
            program.wait_for_sample("sample", |sample| sample["entries"] == 242_000)?;
        }
        let ended = program.stop().context(what)?;
        let last = ended.records()?.pop().context("no record")?;
        assert_eq!(last["type"], "summary", "{what}");
    }
    Ok(())
}

#[test]
fn a_recorder_outlives_its_log() -> Result<()> {
    let place = Place::new()?;
    let recording = place.path("new.ctp")?;
    for (what, stderr, _unread) in deaf()? {
        let tree = Tree::absent()?;
        let root = text(&tree.root())?;
        let args = ["record", &recording, "--force", "--proc-root", &root];
        let more = ["--interval", "20ms", "--duration", "1s"];
        let end = start_as_it_is(
            ctpulse(&[&args[..], &more].concat())?
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(stderr),
        )?
        .end()
        .context(what)?;
        assert_eq!(end.status.code(), Some(0), "{what}");
        assert!(samples(&recording)? > 3, "{what}");
    }
    Ok(())
}

#[test]
fn what_a_log_could_not_take_is_counted() -> Result<()> {
    let tree = Tree::absent()?;
    let root = text(&tree.root())?;
    let (mut log, stderr) = full_pipe()?;
    let args = ["stream", "--format", "json", "--interval", "20ms"];
    let mut program = Running::start_with(
        &[&args[..], &["--proc-root", &root]].concat(),
        stderr.into(),
    )?;
    program.wait_for_hello()?;
    program.wait_for_sample("sample", |_| true)?;
    // Three files that do not exist. Then there is room, and something new to be said.
    let mut filler = vec![0; 60_000];
    log.read_exact(&mut filler)?;
    tree.become_snapshot("6.1/t0")?;
    program.wait_for_sample("the tree", |sample| {
        sample["entries"] == 242_000 && sample["max"] == 262_144
    })?;
    program.stop()?;
    let mut said = String::new();
    log.read_to_string(&mut said)?;
    let said = said.trim_start_matches('x');
    assert!(
        said.contains("(3 messages before this one could not be written)"),
        "{said:?}"
    );
    Ok(())
}
