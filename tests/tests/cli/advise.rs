//! `ctpulse advise`.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{program::run, tree::Tree};

/// The records of advice on a recording.
fn advice(args: &[&str]) -> Result<Vec<Value>> {
    let output = run(&[&["advise", "--format", "json"], args].concat())?.success();
    let lines = String::from_utf8(output.get_output().stdout.clone())?;
    lines
        .lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

/// A recording of a table of which an eighth is used.
fn recording(dir: &Path) -> Result<String> {
    let (tree, file) = (
        Tree::of("6.18/t0")?,
        dir.join("a.ctp").display().to_string(),
    );
    let root = tree.root().display().to_string();
    let args = ["record", &file, "--proc-root", &root];
    run(&[&args[..], &["--duration", "300ms", "--interval", "50ms"]].concat())?.success();
    Ok(file)
}

#[test]
fn a_recording_is_advised_on() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = recording(dir.path())?;
    let advice = advice(&[&file])?;
    ensure!(advice[0]["topic"] == "demand", "{advice:?}");
    // A third of a second is too little, which it says.
    ensure!(advice[0]["confidence"] == "low" && advice[0]["needs"].is_string());
    let text = run(&["advise", &file])?.success();
    let text = String::from_utf8(text.get_output().stdout.clone())?;
    ensure!(text.starts_with("The table has to hold "), "{text}");
    ensure!(
        text.contains("new flows were not counted (that takes probes)"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_table_that_was_full_is_said_to_have_been() -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings/incident-6.12.ctp");
    let advice = advice(&[&file.display().to_string()])?;
    let full = advice.iter().find(|advice| advice["topic"] == "table_full");
    ensure!(full.is_some(), "{advice:?}");
    Ok(())
}

#[test]
fn what_cannot_be_used_is_an_error() -> Result<()> {
    for (args, expected) in [
        (&["advise", "/nonexistent"][..], "/nonexistent"),
        (
            &["advise", "--what-if", "colour=3"],
            "colour is neither rate nor a timeout",
        ),
        (
            &["advise", "--what-if", "rate=-1"],
            "a rate is a number of times",
        ),
        (
            &["advise", "--what-if", "udp_timeout=soon"],
            "udp_timeout is a number of seconds",
        ),
        (&["advise", "--headroom", "95"], "a percentage from 0 to 90"),
        (
            &["advise", "x.ctp", "--duration", "1s"],
            "cannot be used with",
        ),
    ] {
        let output = run(args)?.failure().get_output().clone();
        let stderr = String::from_utf8(output.stderr)?;
        ensure!(stderr.contains(expected), "{args:?}: {stderr}");
    }
    Ok(())
}
