//! Files that are missing, malformed or unreadable: reported once, survived, and forgotten when fixed.

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    eras::CHARTS,
    program::{Running, count_lines, json_stream},
    tree::{COUNT, MAX, STAT, Tree},
};

fn start(tree: &Tree) -> Result<Running> {
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    Running::start(&json_stream(root))
}

/// What is on stderr when it has all of these, and some more samples have gone by.
fn stderr_with(program: &mut Running, parts: &[&str]) -> Result<String> {
    program.wait_for_stderr("report", |stderr| {
        parts.iter().all(|part| stderr.contains(part))
    })?;
    for _ in 0..5 {
        program.wait_for_sample("sample", |_| true)?;
    }
    Ok(program.stderr())
}

fn path(tree: &Tree, file: &str) -> Result<String> {
    let path = tree.path(file);
    Ok(path.to_str().context("the path is no UTF-8")?.to_owned())
}

/// Nothing is known but perhaps the number of entries.
fn assert_blind(sample: &Value) {
    let counters = sample["counters"]
        .as_object()
        .map(|c| c.values().all(Value::is_null));
    assert_eq!(counters, Some(true), "{sample}");
    for (chart, dimensions) in CHARTS.iter().skip(1) {
        for (dimension, _) in *dimensions {
            assert_eq!(
                sample["charts"][chart][dimension],
                Value::Null,
                "{chart} {dimension}"
            );
            assert_eq!(
                sample["sources"][chart][dimension], "unavailable",
                "{chart} {dimension}"
            );
        }
    }
}

#[test]
fn a_missing_tree_is_waited_for() -> Result<()> {
    let tree = Tree::absent()?;
    let mut program = start(&tree)?;
    program.wait_for_hello()?;
    let sample = program.wait_for_sample("sample", |_| true)?;
    for field in ["entries", "max", "utilization"] {
        assert_eq!(sample[field], Value::Null, "{field}");
    }
    assert_eq!(
        sample["sources"]["netfilter.conntrack_sockets"]["connections"],
        "unavailable"
    );
    assert_blind(&sample);
    let files = [STAT, COUNT, MAX].map(|file| path(&tree, file));
    let files = files.into_iter().collect::<Result<Vec<_>>>()?;
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let stderr = stderr_with(&mut program, &files)?;
    for file in files {
        assert_eq!(count_lines(&stderr, file), 1, "once: {stderr}");
    }

    tree.become_snapshot("4.4/t0")?;
    program.wait_for_sample("sample of the tree", |sample| {
        sample["entries"] == 50_000 && sample["max"] == 65_536 && sample["counters"]["new"] == 0
    })?;
    program.wait_for_stderr("report of it", |stderr| {
        stderr.contains("can be read again")
    })?;
    tree.become_snapshot("4.4/t1")?;
    program.wait_for_sample("new flows", |sample| sample["counters"]["new"] == 1110)?;
    let ended = program.stop()?;
    for line in ended.stderr.lines() {
        assert!(line.starts_with("ctpulse: "), "{line}");
    }
    Ok(())
}

#[test]
fn a_tree_that_goes_away_is_missed_and_comes_back() -> Result<()> {
    let tree = Tree::of("4.4/t0")?;
    let mut program = start(&tree)?;
    program.wait_for_hello()?;
    program.wait_for_sample("sample", |sample| sample["entries"] == 50_000)?;
    let away = tree.root().with_extension("away");
    fs::rename(tree.root(), &away)?;
    let sample = program.wait_for_sample("nothing", |sample| sample["entries"].is_null())?;
    assert_blind(&sample);
    fs::rename(&away, tree.root())?;
    program.wait_for_sample("sample", |sample| sample["entries"] == 50_000)?;
    program.wait_for_stderr("report of it", |stderr| {
        stderr.contains("can be read again")
    })?;

    // What it counted meanwhile is not lost.
    fs::rename(tree.root(), &away)?;
    program.wait_for_sample("nothing", |sample| sample["entries"].is_null())?;
    fs::rename(&away, tree.root())?;
    tree.become_snapshot("4.4/t1")?;
    program.wait_for_sample("new flows", |sample| sample["counters"]["new"] == 1110)?;
    program.stop()?;
    Ok(())
}

#[test]
fn a_missing_statistics_file_leaves_entries_and_max() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    tree.remove(STAT)?;
    let mut program = start(&tree)?;
    program.wait_for_hello()?;
    let sample = program.wait_for_sample("sample", |_| true)?;
    assert_eq!(
        (&sample["entries"], &sample["max"]),
        (&242_000.into(), &262_144.into())
    );
    assert_eq!(
        sample["charts"]["netfilter.conntrack_sockets"]["connections"],
        242_000.0
    );
    assert_eq!(
        sample["sources"]["netfilter.conntrack_sockets"]["connections"],
        "proc"
    );
    assert_blind(&sample);
    let ended = program.stop()?;
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains(&path(&tree, STAT)?),
        "{}",
        ended.stderr
    );
    Ok(())
}

#[test]
fn a_missing_maximum_leaves_everything_else() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    tree.remove(MAX)?;
    let mut program = start(&tree)?;
    program.wait_for_hello()?;
    let sample = program.wait_for_sample("sample", |_| true)?;
    assert_eq!(
        (&sample["max"], &sample["utilization"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&sample["entries"], &sample["counters"]["drop"]),
        (&242_000.into(), &0.into())
    );
    let ended = program.stop()?;
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.of("alert")?.is_empty(), "no maximum, no percentage");
    Ok(())
}

/// The file becomes `malformed`, which is reported with its line and with what is wrong there; the
/// stream goes on, and picks up the counters when the file is fixed.
fn check_malformed(malformed: &str, line: usize, says: &str) -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let mut program = start(&tree)?;
    program.wait_for_hello()?;
    program.wait_for_sample("sample", |sample| sample["counters"]["drop"] == 0)?;

    tree.copy(STAT, &format!("malformed/{malformed}"))?;
    let sample = program.wait_for_sample("sample without counters", |sample| {
        sample["counters"]["drop"].is_null()
    })?;
    assert_blind(&sample);
    assert_eq!(
        sample["entries"], 242_000,
        "from the file of the count alone"
    );
    let (stat, line) = (path(&tree, STAT)?, format!("line {line}: "));
    let stderr = stderr_with(&mut program, &[&stat, &line, says])?;
    assert_eq!(stderr.lines().count(), 1, "once: {stderr}");

    tree.become_snapshot("6.1/t1")?;
    program.wait_for_sample("the counters", |sample| sample["counters"]["drop"] == 30)?;
    program.wait_for_stderr("report of it", |stderr| {
        stderr.contains("can be read again")
    })?;
    program.stop()?;
    Ok(())
}

#[test]
fn a_cell_that_is_no_number_is_reported_with_its_line() -> Result<()> {
    check_malformed("non_hex", 3, "0000189g")
}

#[test]
fn a_truncated_file_is_reported_with_its_line() -> Result<()> {
    check_malformed("truncated", 5, "11 cells under 17 columns")
}

#[test]
fn a_file_cut_inside_a_cell_is_reported_with_its_line() -> Result<()> {
    check_malformed("cut_cell", 5, "search_restart")
}

#[test]
fn an_empty_file_is_reported_with_its_line() -> Result<()> {
    check_malformed("empty", 1, "no header")
}

#[test]
fn a_maximum_that_is_no_number_is_reported() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    tree.write(MAX, "lots\n")?;
    let mut program = start(&tree)?;
    program.wait_for_hello()?;
    let sample = program.wait_for_sample("sample", |_| true)?;
    assert_eq!(
        (&sample["max"], &sample["entries"]),
        (&Value::Null, &242_000.into())
    );
    tree.write(MAX, "1000000\n")?;
    program.wait_for_sample("the maximum", |sample| sample["max"] == 1_000_000)?;
    let ended = program.stop()?;
    assert_eq!(
        count_lines(&ended.stderr, &path(&tree, MAX)?),
        1,
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains(r#""lots""#), "{}", ended.stderr);
    Ok(())
}

/// Reading a directory fails for root too.
#[test]
fn a_file_that_cannot_be_read_is_named_with_the_cause() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    tree.remove(STAT)?;
    fs::create_dir(tree.path(STAT))?;
    let mut program = start(&tree)?;
    program.wait_for_hello()?;
    let stderr = stderr_with(&mut program, &[&path(&tree, STAT)?, "directory"])?;
    assert_eq!(stderr.lines().count(), 1, "once: {stderr}");

    fs::remove_dir(tree.path(STAT))?;
    tree.become_snapshot("6.1/t0")?;
    program.wait_for_sample("the counters", |sample| sample["counters"]["drop"] == 0)?;
    program.stop()?;
    Ok(())
}

#[test]
fn a_file_one_may_not_read_is_named_with_a_way_out() -> Result<()> {
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped: nothing is forbidden to root");
        return Ok(());
    }
    use std::os::unix::fs::PermissionsExt;
    let tree = Tree::of("6.1/t0")?;
    fs::set_permissions(tree.path(STAT), fs::Permissions::from_mode(0o000))?;
    let mut program = start(&tree)?;
    program.wait_for_hello()?;
    stderr_with(&mut program, &["permission denied; run as root"])?;
    let stderr = program.stop()?.stderr;
    assert_eq!(stderr.lines().count(), 1, "once: {stderr}");
    Ok(())
}
