//! Hosts whose files are wrongly read by monitors: what is not there, has another meaning, or is beyond its limit.

use std::fs;

use anyhow::Result;

use crate::{
    field::{check_of, host, text_of},
    program::{Running, json_stream, run},
    tree::{COUNT, MAX, Tree},
};

#[test]
fn counters_without_their_file_are_named() -> Result<()> {
    let root = host("no-stat-file-5.15");
    let line = check_of(&root, &[], 0)?;
    assert!(line.contains("3105 of 262144 entries"), "{line}");
    assert!(
        line.contains("drop, early_drop, insert_failed cannot be read (")
            && line.contains("net/stat/nf_conntrack does not exist)"),
        "{line}"
    );
    assert!(!line.contains("drop="), "{line}");
    // What was asked for and cannot be judged is not well.
    let line = check_of(&root, &["--crit-drop", "5", "--window", "20ms"], 3)?;
    assert!(line.contains("the rate of drop is not known"), "{line}");

    let with_file = check_of(&host("early-drops-5.15"), &[], 0)?;
    let evicted = 0x000e_57d1 + 0x000e_504c;
    assert!(
        with_file.contains(&format!(" early_drop={evicted}c")),
        "{with_file}"
    );
    Ok(())
}

#[test]
fn a_table_over_its_limit_is_full_now() -> Result<()> {
    let root = host("limit-below-entries");
    let line = check_of(&root, &[], 2)?;
    assert!(
        line.contains("300000 of 262144 entries (114.4 %)"),
        "{line}"
    );
    let stream = [
        "stream",
        "--interval",
        "50ms",
        "--duration",
        "300ms",
        "--proc-root",
    ];
    let output = run(&[&stream, &[text_of(&root)?][..]].concat())?
        .success()
        .get_output()
        .clone();
    let text = String::from_utf8(output.stdout)?;
    assert!(
        text.lines()
            .any(|line| line.contains(" 114.4% ") && line.contains(" now ")),
        "{text}"
    );
    assert!(
        !text.contains("full in 0.0s") && !text.contains(" 0.0s "),
        "{text}"
    );
    Ok(())
}

#[test]
fn clashes_under_the_old_name_are_not_searches() -> Result<()> {
    let root = host("clashes-as-searched");
    let mut program = Running::start(&json_stream(text_of(&root)?))?;
    let sample = program.wait_for_sample("sample", |_| true)?;
    for dead in ["searched", "new", "deleted", "delete_list", "ignore"] {
        assert!(sample["counters"][dead].is_null(), "{dead}: {sample}");
    }
    assert_eq!(sample["counters"]["found"], 0, "{sample}");
    program.stop()?;

    // What is counted is not dead for looking alike.
    let root = host("ignore-only-4.15");
    let mut program = Running::start(&json_stream(text_of(&root)?))?;
    let sample = program.wait_for_sample("sample", |_| true)?;
    assert_eq!(sample["counters"]["ignore"], 0, "{sample}");
    assert!(sample["counters"]["new"].is_null(), "{sample}");
    program.stop()?;
    Ok(())
}

#[test]
fn the_files_of_ip_conntrack_are_read() -> Result<()> {
    let root = host("ip_conntrack-2.6.18");
    let line = check_of(&root, &[], 2)?;
    assert!(line.contains("16156 of 16384 entries (98.6 %)"), "{line}");
    assert!(line.contains(" drop=0c"), "{line}");
    let mut program = Running::start(&json_stream(text_of(&root)?))?;
    let sample = program.wait_for_sample("sample", |_| true)?;
    // All columns live at that time.
    assert_eq!(
        (&sample["counters"]["new"], &sample["entries"]),
        (&0.into(), &16_156.into())
    );
    assert_eq!(program.stop()?.stderr, "");
    Ok(())
}

#[test]
fn rows_of_possible_cpus_are_not_called_online() -> Result<()> {
    let tree = Tree::absent()?;
    let from = host("128-possible-cpus");
    for file in [COUNT, MAX, crate::tree::STAT] {
        tree.write(file, &fs::read_to_string(from.join(file))?)?;
    }
    let root = tree.root();
    let root = text_of(&root)?;
    let args = [
        "stream",
        "--per-cpu",
        "--interval",
        "50ms",
        "--proc-root",
        root,
    ];
    let mut program = Running::start(&args)?;
    program.wait_for_text("a line", |line| line.contains(" 85.8%"))?;
    tree.count("drop", 1000)?;
    program.wait_for_text("the legend", |line| {
        line.contains("by the mean of all rows, those of CPUs that are offline too")
    })?;
    // All on one of 128 rows.
    program.wait_for_text("the skew", |line| {
        line.contains("drop") && line.contains("128.0x")
    })?;
    program.stop()?;
    Ok(())
}

#[test]
fn a_limit_of_minus_one_is_none() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    for none in ["-1\n", "4294967295\n"] {
        tree.write(MAX, none)?;
        let line = check_of(&tree.root(), &[], 3)?;
        assert!(line.contains("242000 entries, no limit"), "{line}");
        // By count it can be judged.
        check_of(&tree.root(), &["--crit-entries", "1000000"], 0)?;
        let line = check_of(&tree.root(), &["--warn-entries", "100000"], 1)?;
        assert!(line.contains(" entries=242000;100000;;0; "), "{line}");
    }
    let root = tree.root();
    let mut program = Running::start(&json_stream(text_of(&root)?))?;
    let sample = program.wait_for_sample("sample", |_| true)?;
    assert_eq!(
        (&sample["entries"], &sample["max"]),
        (&242_000.into(), &0.into())
    );
    assert!(sample["utilization"].is_null(), "{sample}");
    let ended = program.stop()?;
    assert_eq!(ended.stderr, "");
    Ok(())
}
