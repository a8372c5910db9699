//! `cargo xtask coverage`: how much of the core its own tests run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::architecture::Architecture;
use crate::build;
use crate::paths;
use crate::process::{self, say};
use crate::toolchain::Toolchain;

/// Measure what the library's tests run of conntrack-user/src/model, by line and by region, for each of its directories.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Each file by itself
    #[arg(long)]
    files: bool,
}

/// What is measured, below `conntrack-user/src`.
const CORE: &str = "conntrack-user/src/model/";

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let toolchain = Toolchain::ensure(Architecture::HOST)?;
    let tools = toolchain.llvm_tools()?;
    let object = build::ebpf_object(&toolchain, Architecture::HOST)?;
    let directory = paths::target().join("coverage");
    let profiles = directory.join("profiles");
    if profiles.exists() {
        fs::remove_dir_all(&profiles)?;
    }
    let cargo = |more: &[&str]| -> Command {
        let mut cargo = build::host_cargo(&toolchain, "test", &object);
        cargo.args(["-p", "conntrack-user", "--lib"]).args(more);
        cargo.env("CARGO_TARGET_DIR", &directory);
        cargo.env("RUSTFLAGS", "-Cinstrument-coverage");
        cargo.env("LLVM_PROFILE_FILE", profiles.join("%p-%m.profraw"));
        cargo
    };
    let built = process::capture(&mut cargo(&["--no-run", "--message-format=json"]))?;
    let program = executable(&built).context("cargo names no test program")?;
    process::run(&mut cargo(&[]))?;
    let merged = directory.join("profile");
    let mut merge = Command::new(tools.join("llvm-profdata"));
    merge.args(["merge", "-sparse"]).arg(&profiles);
    process::run(merge.arg("-o").arg(&merged))?;
    let mut export = Command::new(tools.join("llvm-cov"));
    export.args(["export", "-summary-only", "-instr-profile"]);
    let exported = process::capture(export.arg(&merged).arg(&program))?;
    let measured = measured(&serde_json::from_str(&exported)?, args.files);
    for (what, covered) in &measured {
        println!("{covered} {what}");
    }
    say(format_args!(
        "the directory of profiles is {}",
        directory.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// The program that cargo has built, by its messages.
fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs = messages.filter_map(|message| Some(message["executable"].as_str()?.into()));
    programs.next_back()
}

/// Lines and regions that were run, of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Covered {
    lines: [u64; 2],
    regions: [u64; 2],
}

impl Covered {
    fn add(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.lines, other.lines),
            (&mut self.regions, other.regions),
        ] {
            sum[0] += more[0];
            sum[1] += more[1];
        }
    }
}

impl std::fmt::Display for Covered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = |[covered, all]: [u64; 2]| 100.0 * covered as f64 / all.max(1) as f64;
        write!(
            f,
            "{:6.1} % of {:5} lines, {:6.1} % of {:5} regions:",
            percent(self.lines),
            self.lines[1],
            percent(self.regions),
            self.regions[1]
        )
    }
}

/// By directory of the core, or by file; and all of it, last. Tests are left out.
fn measured(exported: &Value, by_file: bool) -> Vec<(String, Covered)> {
    let files = exported["data"][0]["files"]
        .as_array()
        .into_iter()
        .flatten();
    let mut parts: BTreeMap<String, Covered> = BTreeMap::new();
    let mut all = Covered::default();
    for file in files {
        let path = file["filename"].as_str().unwrap_or_default();
        let Some((_, path)) = path.split_once(CORE).filter(|(_, path)| !is_test(path)) else {
            continue;
        };
        let of = |what: &str| {
            let summary = &file["summary"][what];
            ["covered", "count"].map(|field| summary[field].as_u64().unwrap_or_default())
        };
        let covered = Covered {
            lines: of("lines"),
            regions: of("regions"),
        };
        let part = match path.split_once('/') {
            Some((directory, _)) if !by_file => directory,
            _ => path,
        };
        parts.entry(part.to_owned()).or_default().add(covered);
        all.add(covered);
    }
    let mut measured: Vec<_> = parts.into_iter().collect();
    measured.push(("all".to_owned(), all));
    measured
}

/// Files of tests alone. The tests at the end of other files are counted with them.
fn is_test(path: &str) -> bool {
    Path::new(path)
        .iter()
        .any(|part| part == "tests" || part == "tests.rs")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn directories_are_added_up_without_tests() {
        let file = |path: &str, lines: [u64; 2]| {
            json!({"filename": format!("/somewhere/{CORE}{path}"), "summary": {
                "lines": {"covered": lines[0], "count": lines[1]}, "regions": {"covered": 1, "count": 2},
            }})
        };
        let exported = json!({"data": [{"files": [
            file("a/b.rs", [8, 10]), file("a/mod.rs", [2, 10]), file("a/tests.rs", [9, 9]), file("c.rs", [5, 5]),
            {"filename": "/somewhere/conntrack-user/src/other.rs", "summary": {}},
        ]}]});
        let covered = |lines, regions| Covered { lines, regions };
        let expected = [
            ("a".to_owned(), covered([10, 20], [2, 4])),
            ("c.rs".to_owned(), covered([5, 5], [1, 2])),
            ("all".to_owned(), covered([15, 25], [3, 6])),
        ];
        assert_eq!(measured(&exported, false), expected);
        assert_eq!(measured(&exported, true).len(), 4);
        assert_eq!(
            executable("{\"executable\":null}\n{\"executable\":\"/a\"}\nx\n"),
            Some("/a".into())
        );
    }
}
