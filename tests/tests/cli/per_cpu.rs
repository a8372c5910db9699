//! `--per-cpu`, from a directory of files: rows, whose CPUs cannot be known.

use std::fs;

use anyhow::{Context, Result};

use crate::{
    program::Running,
    tree::{STAT, Tree},
};

/// Adds so many to `drop` of each row.
fn drops(tree: &Tree, more: &[u32]) -> Result<()> {
    let text = fs::read_to_string(tree.path(STAT))?;
    let mut lines = text.lines();
    let header = lines.next().context("no header")?;
    let at = header
        .split_whitespace()
        .position(|name| name == "drop")
        .context("no column")?;
    let mut changed = format!("{header}\n");
    for (row, more) in lines.zip(more) {
        let mut cells: Vec<String> = row.split_whitespace().map(str::to_owned).collect();
        let cell = u32::from_str_radix(&cells[at], 16)?.wrapping_add(*more);
        cells[at] = format!("{cell:08x}");
        changed += &format!("{}\n", cells.join(" "));
    }
    tree.write(STAT, &changed)
}

fn start(tree: &Tree, format: &str) -> Result<Running> {
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    Running::start(&[
        "stream",
        "--per-cpu",
        "--format",
        format,
        "--interval",
        "50ms",
        "--proc-root",
        root,
    ])
}

#[test]
fn rows_are_shown_apart_in_json() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let mut program = start(&tree, "json")?;
    let idle = program.wait_for_sample("a sample", |_| true)?;
    assert!(idle["per_cpu"]["cpus"].is_null(), "{idle}");
    let unknown = idle["per_cpu"]["unknown"].as_str();
    assert!(unknown.is_some_and(|why| why.contains("/sys")), "{idle}");
    assert_eq!(idle["per_cpu"]["rates"], serde_json::json!({}));

    drops(&tree, &[1, 3, 0, 0])?;
    let moved = program.wait_for_sample("drops", |sample| {
        sample["per_cpu"]["rates"]["drop"].is_array()
    })?;
    let per_cpu = &moved["per_cpu"];
    assert_eq!(per_cpu["totals"]["drop"], serde_json::json!([1, 3, 0, 0]));
    let skew = &per_cpu["skew"]["drop"];
    assert_eq!(
        (&skew["busiest"], &skew["share"], &skew["ratio"]),
        (&1.into(), &75.0.into(), &3.0.into())
    );
    program.stop()?.successful()?;
    Ok(())
}

#[test]
fn rows_are_shown_apart_in_text_as_rows() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let mut program = start(&tree, "text")?;
    program.wait_for_text("why ids are unknown", |line| {
        line.starts_with("! by CPU") && line.contains("/sys")
    })?;
    drops(&tree, &[1, 3, 0, 0])?;
    program.wait_for_text("drops by row", |line| {
        line.starts_with("  drop") && line.contains("3.0x  row1 ")
    })?;
    program.stop()?.successful()?;
    Ok(())
}
