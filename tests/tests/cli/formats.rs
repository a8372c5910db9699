//! Text and CSV, as they come out of a pipe.

use std::fs;

use anyhow::{Context, Result};

use crate::{
    eras::CHARTS,
    program::{Ended, Running},
    tree::{COUNT, MAX, STAT, Tree},
};

fn run(tree: &Tree, format: &str) -> Result<Ended> {
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let args = [
        "stream",
        "--interval",
        "20ms",
        "--duration",
        "200ms",
        "--format",
        format,
    ];
    Running::start(&[&args[..], &["--proc-root", root]].concat())?
        .wait()?
        .successful()
}

/// The titles, and the samples below them.
fn table(ended: &Ended) -> Result<(&str, Vec<&str>)> {
    let mut lines = ended.lines.iter().map(String::as_str);
    let titles = lines
        .find(|line| line.starts_with("time "))
        .context("no titles")?;
    let is_sample = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit());
    Ok((titles, lines.take_while(is_sample).collect()))
}

/// The cells of a sample, without its time.
fn cells(sample: &str) -> Vec<&str> {
    sample.split_whitespace().skip(1).collect()
}

#[test]
fn a_dead_dimension_is_a_dash_and_an_idle_one_a_zero() -> Result<()> {
    let tree = Tree::of("5.10/t0")?;
    let ended = run(&tree, "text")?;
    let (titles, samples) = table(&ended)?;
    let expected = [
        ("entries", "200000"),
        ("max", "262144"),
        ("net/s", "0"),
        ("used", "76.3%"),
        ("full", "-"),
        ("between", "-"),
        ("new", "—"),
        ("ignore", "—"),
        ("invalid", "0"),
        ("inserted", "—"),
        ("deleted", "—"),
        ("del_list", "—"),
        ("created", "0"),
        ("deleted", "0"),
        ("new", "0"),
        ("searched", "—"),
        ("restart", "0"),
        ("found", "0"),
        ("icmp", "0"),
        ("failed", "0"),
        ("drop", "0"),
        ("early", "0"),
        ("check", "—"),
    ];
    assert_eq!(cells(titles), expected.map(|(title, _)| title));
    assert!(!samples.is_empty());
    for sample in samples {
        assert_eq!(cells(sample), expected.map(|(_, cell)| cell));
    }
    Ok(())
}

#[test]
fn what_cannot_be_read_is_a_row_of_dashes() -> Result<()> {
    let tree = Tree::of("5.10/t0")?;
    for file in [STAT, COUNT, MAX] {
        tree.remove(file)?;
    }
    let ended = run(&tree, "text")?;
    let (_, samples) = table(&ended)?;
    assert!(!samples.is_empty());
    for sample in samples {
        assert!(cells(sample).iter().all(|cell| *cell == "—"), "{sample}");
    }
    Ok(())
}

#[test]
fn text_says_why_and_has_no_escapes() -> Result<()> {
    let tree = Tree::of("5.10/t0")?;
    let ended = run(&tree, "text")?;
    let text = ended.lines.join("\n");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(text.contains("kernel 5.10.13"), "{text}");
    assert!(text.contains("probes: off, "), "{text}");
    assert!(
        text.contains("— ignore: not counted by the kernel since 5.10"),
        "{text}"
    );
    Ok(())
}

#[test]
fn csv_has_a_cell_for_every_name_in_its_header() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let ended = run(&tree, "csv")?;
    let mut lines = ended
        .lines
        .iter()
        .map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().context("no header")?;
    let fixed = [
        "time",
        "interval_s",
        "instance",
        "entries",
        "max",
        "utilization",
    ];
    let dimensions = CHARTS.iter().flat_map(|(chart, dimensions)| {
        let chart = chart.trim_start_matches("netfilter.conntrack_");
        dimensions
            .iter()
            .map(move |(dimension, _)| format!("{chart}.{dimension}"))
    });
    let expected: Vec<String> = fixed
        .map(str::to_owned)
        .into_iter()
        .chain(dimensions)
        .chain(
            [
                "crosscheck",
                "time_to_full_s",
                "time_to_full_low_s",
                "time_to_full_high_s",
                "wrong",
            ]
            .map(str::to_owned),
        )
        .collect();
    assert_eq!(header, expected);

    let samples: Vec<_> = lines.collect();
    assert!(!samples.is_empty());
    for sample in samples {
        assert_eq!(sample.len(), header.len(), "{sample:?}");
        let cell = |name: &str| {
            let at = header.iter().position(|title| *title == name);
            at.and_then(|at| sample.get(at)).copied()
        };
        assert_eq!(cell("entries"), Some("242000"));
        assert_eq!(cell("errors.drop"), Some("0"), "alive and idle");
        assert_eq!(cell("new.new"), Some(""), "unavailable");
        cell("time")
            .context("no time")?
            .parse::<jiff::Timestamp>()?;
    }
    Ok(())
}

/// Also when columns come and go, an alert is raised, and the file is malformed for a while.
#[test]
fn csv_keeps_its_shape_through_trouble() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let args = [
        "stream",
        "--interval",
        "20ms",
        "--format",
        "csv",
        "--proc-root",
        root,
    ];
    let mut program = Running::start(&args)?;
    program.next_line()?;
    let good = fs::read_to_string(tree.path(STAT))?;
    for text in ["", &good, "entries\n", &good] {
        tree.write(STAT, text)?;
        for _ in 0..3 {
            program.next_line()?;
        }
    }
    let ended = program.stop()?;
    let commas: Vec<_> = ended
        .lines
        .iter()
        .map(|line| line.matches(',').count())
        .collect();
    assert!(
        commas.iter().all(|n| Some(n) == commas.first()),
        "{:?}",
        ended.lines
    );
    Ok(())
}
