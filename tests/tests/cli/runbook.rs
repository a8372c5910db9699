//! The runbook of the manual: what is said of each incident, from its recording.

use std::{collections::BTreeSet, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::program::run;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn recordings() -> Result<BTreeSet<String>> {
    let directory = root().join("fixtures/recordings/runbook");
    let names = fs::read_dir(directory)?.map(|entry| {
        let name = entry?.file_name().into_string();
        name.ok().context("a name that is no UTF-8")
    });
    names.collect()
}

fn said(args: &[&str]) -> Result<String> {
    let output = run(args)?.success();
    Ok(String::from_utf8(output.get_output().stdout.clone())?)
}

/// Everything that the runbook says rests on this.
#[test]
fn each_incident_is_recognised() -> Result<()> {
    for name in recordings()? {
        let file = root().join("fixtures/recordings/runbook").join(&name);
        let file = file.display().to_string();
        let lines = said(&["replay", &file, "--format", "json"])?;
        let mut verdict = Value::Null;
        for line in lines.lines() {
            let record: Value = serde_json::from_str(line)?;
            if record["type"] == "verdict" {
                verdict = record["sentences"].clone();
            }
        }
        let sentences = verdict.as_array().context("no verdict")?;
        let sentences = sentences.iter().filter_map(Value::as_str);
        let sentences = sentences.collect::<Vec<_>>().join("\n");
        let advice = said(&["advise", &file])?;
        let name = name.trim_end_matches(".ctp");
        insta::assert_snapshot!(name, format!("{sentences}\n\n{advice}"));
    }
    Ok(())
}

/// Each has a place in the runbook, with the command that replays it.
#[test]
fn each_recording_is_in_the_runbook() -> Result<()> {
    let page = fs::read_to_string(root().join("../conntrack-user/docs/runbook.md"))?;
    let recordings = recordings()?;
    ensure!(recordings.len() >= 8, "{recordings:?}");
    for name in recordings {
        let path = format!("tests/fixtures/recordings/runbook/{name}");
        ensure!(page.contains(&path), "the runbook has no {path}");
    }
    Ok(())
}
