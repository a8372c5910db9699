//! `ctpulse netdata` by itself: as what Netdata runs, and what it does when Netdata is gone.

use std::{
    os::unix::fs::symlink,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use crate::{
    program::{Running, path, run},
    tree::{Tree, fixture},
};

/// The charts of a kernel's era, in the order in which they are defined.
fn charts(era: &str) -> Result<Vec<String>> {
    let root = fixture(&format!("{era}/t0"));
    let root = root.to_str().context("the path is no UTF-8")?;
    let ended = run(&["netdata", "--duration", "1900ms", "--proc-root", root])?.success();
    let text = String::from_utf8(ended.get_output().stdout.clone())?;
    let charts = text.lines().filter_map(|line| line.strip_prefix("CHART "));
    let ids = charts.filter_map(|chart| chart.split(' ').next());
    Ok(ids.map(str::to_owned).collect())
}

#[test]
fn there_are_charts_of_what_each_era_counts() -> Result<()> {
    let common = ["sockets", "utilization", "max", "new"];
    for (era, more) in [
        ("4.4", &["changes", "expect", "search", "errors"][..]),
        ("6.1", &["expect", "search", "errors"]),
    ] {
        let expected = common.iter().chain(more);
        let expected: Vec<_> = expected
            .map(|chart| format!("ctpulse.conntrack_{chart}"))
            .collect();
        assert_eq!(charts(era)?, expected, "{era}");
    }
    Ok(())
}

#[test]
fn by_the_name_of_a_plugin_it_needs_no_command() -> Result<()> {
    let place = tempfile::tempdir()?;
    let plugin = place.path().join("ctpulse.plugin");
    symlink(path()?, &plugin)?;
    let output = Command::new(&plugin)
        .args([
            "1",
            "--duration",
            "1900ms",
            "--ids",
            "netdata",
            "--proc-root",
        ])
        .arg(fixture("6.1/t0"))
        .stdin(Stdio::null())
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    ensure!(
        text.contains("BEGIN netfilter.conntrack_sockets\n"),
        "{text}"
    );
    // What it cannot do it says as Netdata wants it: it is not started again.
    let output = Command::new(&plugin).arg("0").output()?;
    ensure!(output.status.code() == Some(2), "{output:?}");
    ensure!(output.stdout.is_empty(), "{output:?}");
    Ok(())
}

#[test]
fn it_ends_when_netdata_is_gone() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let args = ["netdata", "--proc-root", root];
    let mut program = Running::start(&args)?;
    program.wait_for_text("point", |line| line == "END")?;
    program.close_stdout();
    program.wait()?.successful()?;

    // Even when there is nothing to say.
    let mut program = Running::start(&["netdata", "--proc-root", root])?;
    for file in [crate::tree::STAT, crate::tree::COUNT, crate::tree::MAX] {
        tree.remove(file)?;
    }
    program.wait_for_text("empty line", str::is_empty)?;
    program.close_stdout();
    program.wait()?.successful()?;
    Ok(())
}

#[test]
fn it_ends_as_an_operator_wants() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let mut program = Running::start(&["netdata", "--proc-root", root])?;
    program.wait_for_text("point", |line| line == "END")?;
    let ended = program.stop()?;
    let last = ended.lines.iter().rev().find(|line| !line.is_empty());
    ensure!(last.is_some_and(|line| line == "END"), "{last:?}");
    Ok(())
}
