//! Thresholds as they are meant: of percentages, of rates, and of expectations.

use std::{thread, time::Duration};

use anyhow::Result;

use crate::{
    field::{check_of, text_of},
    program::{Running, run},
    tree::Tree,
};

#[test]
fn ratios_are_refused() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let line = check_of(&tree.root(), &["-w", "0.8", "-c", "0.9"], 3)?;
    assert!(
        line.contains("UNKNOWN") && line.contains("looks like a ratio: write 80%"),
        "{line}"
    );
    check_of(&tree.root(), &["-w", "0.8%", "-c", "0.9%"], 2)?;
    Ok(())
}

#[test]
fn rates_page_while_the_table_is_half_empty() -> Result<()> {
    for (column, option) in [
        ("drop", "--crit-drop"),
        ("insert_failed", "--crit-insert-failed"),
    ] {
        let tree = Tree::of("6.1/t0")?;
        tree.set_entries(131_072)?;
        let root = tree.root();
        let args = [
            "check",
            "--proc-root",
            text_of(&root)?,
            "--window",
            "1500ms",
            option,
            "10/s",
        ];
        let quiet = run(&args)?.code(0).get_output().clone();
        let quiet = String::from_utf8(quiet.stdout)?;
        assert!(
            quiet.contains(&format!(" {column}_rate=0.000;;10;0")),
            "{quiet}"
        );
        let program = Running::start(&args)?;
        thread::sleep(Duration::from_millis(700));
        tree.count(column, 3000)?;
        let ended = program.wait()?;
        let line = ended.lines.concat();
        assert_eq!(ended.status.code(), Some(2), "{line}");
        assert!(
            line.contains("(50.0 %)") && line.contains("/s, above 10/s"),
            "{line}"
        );
    }
    Ok(())
}

#[test]
fn expectations_are_held_against_their_limit() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    tree.set_entries(100)?;
    let expectation = "297 l3proto = 2 proto=6 src=10.0.0.1 dst=10.0.0.2 sport=0 dport=4711 ftp\n";
    tree.write("net/nf_conntrack_expect", &expectation.repeat(3))?;
    tree.write("sys/net/netfilter/nf_conntrack_expect_max", "4\n")?;
    let line = check_of(&tree.root(), &[], 0)?;
    assert!(line.contains("; 3 of 4 expectations |"), "{line}");
    assert!(line.contains(" expectations=3;;;0;4"), "{line}");
    let line = check_of(
        &tree.root(),
        &["--warn-expect", "70", "--crit-expect", "90"],
        1,
    )?;
    assert!(line.contains("expectations above 70 %"), "{line}");
    tree.write("net/nf_conntrack_expect", &expectation.repeat(4))?;
    check_of(&tree.root(), &["--crit-expect", "90"], 2)?;
    tree.remove("net/nf_conntrack_expect")?;
    let line = check_of(&tree.root(), &["--crit-expect", "90"], 3)?;
    assert!(line.contains("expectations cannot be read"), "{line}");
    Ok(())
}
