//! `ctpulse check`: the exit status and the line that monitors read.

use anyhow::{Context, Result};

use crate::{program::run, tree::Tree};

/// Runs a check of a tree; returns its line.
#[track_caller]
fn check(tree: &Tree, args: &[&str], status: i32) -> Result<String> {
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let output = run(&[&["check", "--proc-root", root], args].concat())?
        .code(status)
        .get_output()
        .clone();
    let line = String::from_utf8(output.stdout)?;
    assert_eq!(line.lines().count(), 1, "{line}");
    Ok(line)
}

#[test]
fn statuses() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    tree.write(crate::tree::MAX, "1000\n")?;
    for (entries, status, name) in [
        (0, 0, "OK"),
        (900, 0, "OK"),
        (901, 1, "WARNING"),
        (950, 1, "WARNING"),
        (951, 2, "CRITICAL"),
    ] {
        tree.set_entries(entries)?;
        let line = check(&tree, &[], status)?;
        let expected = format!(
            "CONNTRACK {name} - {entries} of 1000 entries ({:.1} %) | entries={entries};900;950;0;1000 \
             utilization={:.3}%;90;95;0;100 ",
            f64::from(entries) / 10.0,
            f64::from(entries) / 10.0,
        );
        assert!(line.starts_with(&expected), "{line}{expected}");
    }
    Ok(())
}

#[test]
fn thresholds_are_the_users() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    tree.write(crate::tree::MAX, "1000\n")?;
    tree.set_entries(801)?;
    assert!(check(&tree, &["--warn", "80%", "--crit", "90"], 1)?.contains(";800;900;0;1000"));
    assert!(check(&tree, &["-w", "50", "-c", "80%"], 2)?.contains("CRITICAL"));
    check(&tree, &["--window", "50ms"], 0)?;
    Ok(())
}

#[test]
fn what_cannot_be_judged_is_unknown() -> Result<()> {
    let absent = Tree::absent()?;
    let line = check(&absent, &[], 3)?;
    assert!(
        line.contains("UNKNOWN") && line.contains("does not exist"),
        "{line}"
    );

    let tree = Tree::of("6.1/t0")?;
    assert!(check(&tree, &["--warn", "95", "--crit", "90"], 3)?.contains("--warn"));
    assert!(check(&tree, &["--warn", "soon"], 3)?.contains("--warn"));
    assert!(check(&tree, &["--nonsense"], 3)?.contains("--nonsense"));
    tree.write(crate::tree::MAX, "0\n")?;
    assert!(check(&tree, &[], 3)?.contains("no limit"));
    Ok(())
}
