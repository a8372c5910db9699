//! The metrics of `ctpulse serve`: in which format, under which names, and of what.

use anyhow::{Context, Result, ensure};

use crate::{
    serve::root,
    serving::{Serving, value},
    tree::Tree,
};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";
const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

#[test]
fn each_scraper_gets_the_format_that_it_asks_for() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let serving = Serving::start(&root(&tree), &[])?;
    for (accept, expected, start) in [
        ("", CLASSIC, "# HELP ctpulse_build_info "),
        (OPEN_METRICS, OPEN_METRICS, "# HELP ctpulse_build "),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,text/plain;q=0.5",
            PROTOBUF,
            "",
        ),
    ] {
        let answer = serving.get("/metrics", accept)?;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, expected)
        );
        assert!(
            answer.text().contains("ctpulse_entries"),
            "{}",
            answer.text()
        );
        assert!(answer.text().starts_with(start), "{}", answer.text());
        let is_last = answer.text().ends_with("# EOF\n");
        assert_eq!(is_last, expected == OPEN_METRICS);
    }
    serving.stop()?;
    Ok(())
}

/// Every line of the classic text describes a metric or is one that was described; each set of labels is there once.
fn check_text(text: &str) -> Result<()> {
    let mut described = std::collections::HashSet::new();
    let mut seen = std::collections::HashSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.split(' ');
            let (what, name) = (words.next(), words.next().context("no name")?);
            ensure!(matches!(what, Some("HELP" | "TYPE")), "{line}");
            described.insert(name.to_owned());
            continue;
        }
        let (series, number) = line.rsplit_once(' ').context(line.to_owned())?;
        number.parse::<f64>().with_context(|| line.to_owned())?;
        let name = series.split('{').next().unwrap_or_default();
        let of_histogram = ["_bucket", "_sum", "_count"].iter().any(|suffix| {
            name.strip_suffix(suffix)
                .is_some_and(|name| described.contains(name))
        });
        ensure!(
            described.contains(name) || of_histogram,
            "{line} is not described"
        );
        ensure!(seen.insert(series.to_owned()), "{series} is there twice");
    }
    Ok(())
}

#[test]
fn every_era_has_what_it_counts_and_nothing_else() -> Result<()> {
    // What a kernel counts by itself, of what differs: totals of the columns that are alive.
    for (era, there, absent) in [
        (
            "2.6.32",
            &["new", "inserted", "searched"][..],
            &["search_restart", "clash_resolve"][..],
        ),
        (
            "4.4",
            &["new", "inserted", "searched", "delete_list", "ignore"],
            &["clash_resolve", "chaintoolong"],
        ),
        (
            "4.19",
            &["ignore", "drop"],
            &["new", "searched", "clash_resolve"],
        ),
        (
            "5.10",
            &["clash_resolve", "drop"],
            &["new", "ignore", "searched", "chaintoolong"],
        ),
        (
            "6.1",
            &["clash_resolve", "chaintoolong"],
            &["new", "ignore", "searched", "delete_list"],
        ),
        (
            "6.18",
            &["clash_resolve", "chaintoolong"],
            &["new", "ignore", "searched", "delete_list"],
        ),
    ] {
        let tree = Tree::of(&format!("{era}/t0"))?;
        let serving = Serving::start(&root(&tree), &["--compat", "node-exporter"])?;
        tree.become_snapshot(&format!("{era}/t1"))?;
        let entries: f64 = std::fs::read_to_string(tree.path(crate::tree::COUNT))?
            .trim()
            .parse()?;
        serving.wait_until("second snapshot", |serving| {
            Ok(serving.metric("ctpulse_entries{netns=\"self\"}")? == Some(entries))
        })?;
        let text = serving.metrics()?;
        check_text(&text).with_context(|| format!("{era}: {text}"))?;
        let total = |counter: &str| {
            value(
                &text,
                &format!("ctpulse_{counter}_total{{netns=\"self\",source=\"proc\"}}"),
            )
        };
        for counter in there {
            assert!(
                total(counter)?.is_some(),
                "{era}: {counter} is absent: {text}"
            );
        }
        for counter in absent {
            assert!(
                !text.contains(&format!("ctpulse_{counter}_total")),
                "{era}: {counter}: {text}"
            );
        }
        // What only probes count is absent, not 0.
        for probed in [
            "_peak_per_second",
            "_per_bucket",
            "ctpulse_bursts_total",
            "ctpulse_check_verdict",
            "source=\"probe\"",
        ] {
            assert!(!text.contains(probed), "{era}: {probed}");
        }
        serving.stop()?;
    }
    Ok(())
}

#[test]
fn under_the_names_of_node_exporter_are_the_kernels_own_values() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    tree.count("drop", 5)?;
    let serving = Serving::start(&root(&tree), &["--compat", "node-exporter"])?;
    let stat = std::fs::read_to_string(tree.path(crate::tree::STAT))?;
    let mut lines = stat.lines();
    let names: Vec<&str> = lines
        .next()
        .context("no header")?
        .split_whitespace()
        .collect();
    let rows: Vec<Vec<u64>> = lines
        .map(|line| {
            line.split_whitespace()
                .map(|cell| u64::from_str_radix(cell, 16))
                .collect()
        })
        .collect::<Result<_, _>>()?;
    let text = serving.metrics()?;
    for column in [
        "found",
        "invalid",
        "ignore",
        "insert",
        "insert_failed",
        "drop",
        "early_drop",
        "search_restart",
    ] {
        let at = names
            .iter()
            .position(|name| *name == column)
            .context(column)?;
        let sum: u64 = rows.iter().map(|row| row[at]).sum();
        let metric = value(&text, &format!("node_nf_conntrack_stat_{column}"))?;
        assert_eq!(metric, Some(sum as f64), "{column}");
    }
    assert_eq!(text.matches("\nnode_nf_conntrack_").count(), 10, "{text}");
    for (name, file) in [
        ("entries", crate::tree::COUNT),
        ("entries_limit", crate::tree::MAX),
    ] {
        let expected: f64 = std::fs::read_to_string(tree.path(file))?.trim().parse()?;
        assert_eq!(
            value(&text, &format!("node_nf_conntrack_{name}"))?,
            Some(expected)
        );
    }
    // They are there only if they are asked for.
    serving.stop()?;
    let serving = Serving::start(&root(&tree), &[])?;
    assert!(!serving.metrics()?.contains("node_nf_conntrack"));
    // What cannot be read is absent.
    tree.remove(crate::tree::STAT)?;
    tree.remove(crate::tree::COUNT)?;
    serving.wait_until("end of the entries", |serving| {
        Ok(serving.metric("ctpulse_entries{netns=\"self\"}")?.is_none())
    })?;
    serving.stop()?;
    Ok(())
}

#[test]
fn names_stay_labels() -> Result<()> {
    // An alert's or instance's name cannot leave its quotes; a directory's kernel release is text from outside.
    let tree = Tree::of("6.1/t0")?;
    tree.write("sys/kernel/osrelease", "6.1\"} 1\nx{\\\u{1b}[31m\u{202e}\n")?;
    let serving = Serving::start(&root(&tree), &[])?;
    let text = serving.metrics()?;
    check_text(&text).with_context(|| text.clone())?;
    assert!(
        text.contains(r#"kernel="6.1\"} 1\\nx{\\\\u{1b}[31m\\u{202e}""#),
        "{text}"
    );
    serving.stop()?;
    Ok(())
}
