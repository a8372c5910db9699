//! Every era of kernels: what its counters did between two snapshots arrives, under the right name,
//! and what it no longer counts is unavailable. The numbers are those of the fixtures' README and of
//! `conntrack-user/tests/proc_eras.rs`.

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    program::{Running, json_stream},
    tree::Tree,
};

/// The documented charts and dimensions in their order, and the counter behind each.
pub(crate) const CHARTS: [(&str, &[(&str, &str)]); 6] = [
    ("netfilter.conntrack_sockets", &[("connections", "")]),
    (
        "netfilter.conntrack_new",
        &[("new", "new"), ("ignore", "ignore"), ("invalid", "invalid")],
    ),
    (
        "netfilter.conntrack_changes",
        &[
            ("inserted", "inserted"),
            ("deleted", "deleted"),
            ("delete_list", "delete_list"),
        ],
    ),
    (
        "netfilter.conntrack_expect",
        &[
            ("created", "expect_create"),
            ("deleted", "expect_delete"),
            ("new", "expect_new"),
        ],
    ),
    (
        "netfilter.conntrack_search",
        &[
            ("searched", "searched"),
            ("restarted", "search_restart"),
            ("found", "found"),
        ],
    ),
    (
        "netfilter.conntrack_errors",
        &[
            ("icmp_error", "icmp_error"),
            ("error_failed", "insert_failed"),
            ("drop", "drop"),
            ("early_drop", "early_drop"),
        ],
    ),
];

/// All counters by name. Those of the probes alone are null without probes.
const COUNTERS: [&str; 21] = [
    "alloc",
    "free",
    "new",
    "inserted",
    "deleted",
    "delete_list",
    "insert",
    "ignore",
    "invalid",
    "searched",
    "found",
    "search_restart",
    "clash_resolve",
    "chaintoolong",
    "insert_failed",
    "drop",
    "early_drop",
    "icmp_error",
    "expect_new",
    "expect_create",
    "expect_delete",
];

/// What a kernel no longer or not yet counts, besides what none ever did.
const NEVER: &[&str] = &["alloc", "free"];

/// Runs over `<kernel>/t0` becoming `<kernel>/t1`. `moved` are the counters that moved; of the
/// others, `dead` are unavailable and the rest 0.
fn check(kernel: &str, entries: [u64; 2], dead: &[&str], moved: &[(&str, u64)]) -> Result<()> {
    let tree = Tree::of(&format!("{kernel}/t0"))?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let mut program = Running::start(&json_stream(root))?;
    let hello = program.wait_for_hello()?;
    let release = kernel.split('-').next().unwrap_or(kernel);
    assert!(
        hello["kernel"]
            .as_str()
            .is_some_and(|k| k.starts_with(release)),
        "{hello}"
    );

    let dead = |counter: &str| dead.contains(&counter) || NEVER.contains(&counter);
    let counters = |moved: &[(&str, u64)]| {
        COUNTERS.map(|name| {
            let total = moved.iter().find(|(moved, _)| *moved == name);
            let total = total.map_or(0, |(_, total)| *total);
            (
                name,
                if dead(name) {
                    Value::Null
                } else {
                    total.into()
                },
            )
        })
    };
    let first = program.wait_for_sample("sample", |_| true)?;
    for (counter, value) in counters(&[]) {
        assert_eq!(
            first["counters"].get(counter),
            Some(&value),
            "{counter}, before it moves"
        );
    }
    assert_eq!(first["entries"], entries[0]);

    tree.become_snapshot(&format!("{kernel}/t1"))?;
    let expected = counters(moved);
    let last = program
        .wait_for_sample("sample with the new counts", |sample| {
            let counters = &sample["counters"];
            expected
                .iter()
                .all(|(counter, value)| counters.get(counter) == Some(value))
        })
        .with_context(|| format!("expected {expected:?}"))?;
    assert_eq!(last["entries"], entries[1]);

    let ended = program.stop()?;
    let samples = ended.of("sample")?;
    for (chart, dimensions) in CHARTS {
        for (dimension, counter) in dimensions {
            let mut risen = 0.0;
            for sample in &samples {
                let rate = &sample["charts"][chart][dimension];
                let source = &sample["sources"][chart][dimension];
                if dead(counter) {
                    assert_eq!(
                        (rate, source),
                        (&Value::Null, &"unavailable".into()),
                        "{dimension}"
                    );
                    continue;
                }
                assert_eq!(source, "proc", "{chart} {dimension}");
                let rate = rate
                    .as_f64()
                    .with_context(|| format!("{dimension} is {rate}"))?;
                assert!(rate >= 0.0, "{dimension}: {rate}");
                risen += rate * sample["interval_s"].as_f64().context("interval_s")?;
            }
            // Rates hold what the counters hold.
            if let Some(total) = last["counters"][counter].as_f64() {
                assert!(
                    (risen - total).abs() < 1e-6 * total.max(1.0),
                    "{dimension}: {risen}, {total}"
                );
            }
        }
    }
    let summary = ended.records()?.pop().context("no last line")?;
    for (counter, total) in moved {
        let totals = &summary["instances"][0]["totals"][counter];
        assert_eq!(totals["kernel"], *total, "{counter}");
        assert_eq!(totals["probe"], Value::Null, "{counter}");
    }
    Ok(())
}

#[test]
fn linux_2_6_32_counts_everything_but_restarts() -> Result<()> {
    let moved = [
        ("searched", 400),
        ("found", 1770),
        ("new", 110),
        ("invalid", 1),
        ("ignore", 21),
        ("deleted", 60),
        ("delete_list", 53),
        ("inserted", 103),
        ("insert", 103),
        ("drop", 1),
        ("icmp_error", 2),
        ("expect_new", 1),
        ("expect_create", 1),
        ("expect_delete", 1),
    ];
    let dead = ["search_restart", "clash_resolve", "chaintoolong"];
    check("2.6.32", [1800, 1850], &dead, &moved)
}

#[test]
fn linux_4_4_counts_everything() -> Result<()> {
    let moved = [
        ("searched", 20_200),
        ("found", 35_800),
        ("new", 1110),
        ("invalid", 4),
        ("ignore", 150),
        ("deleted", 710),
        ("delete_list", 670),
        ("inserted", 1085),
        ("insert", 1085),
        ("insert_failed", 1),
        ("drop", 3),
        ("early_drop", 1),
        ("icmp_error", 2),
        ("expect_new", 1),
        ("expect_create", 3),
        ("expect_delete", 3),
        ("search_restart", 1),
    ];
    check(
        "4.4",
        [50_000, 50_400],
        &["clash_resolve", "chaintoolong"],
        &moved,
    )
}

/// Two cells of the sixth of eight rows wrap at 2^32.
#[test]
fn one_cpu_of_eight_wraps_and_nothing_is_lost() -> Result<()> {
    let moved = [
        ("searched", 32_280),
        ("found", 64_560),
        ("new", 828),
        ("ignore", 56),
        ("deleted", 748),
        ("delete_list", 668),
        ("inserted", 788),
        ("insert", 788),
    ];
    check(
        "4.4-8cpu-wrap",
        [50_000, 50_800],
        &["clash_resolve", "chaintoolong"],
        &moved,
    )
}

/// All cells of all rows but the number of entries pass 2^32 in the same interval.
#[test]
fn all_cells_wrap_at_once_and_nothing_is_lost() -> Result<()> {
    const STAT: &str = "net/stat/nf_conntrack";
    const BEFORE: u32 = u32::MAX - 9;
    let tree = Tree::of("6.1/t0")?;
    let text = fs::read_to_string(tree.path(STAT))?;
    let (head, rows) = text.split_once('\n').context("no heading")?;
    let with = |cell: u32| {
        let rows = rows.lines().map(|row| {
            let mut cells = row.split_whitespace();
            let entries = cells.next().unwrap_or_default();
            format!(
                "{entries}{}\n",
                format!(" {cell:08x}").repeat(cells.count())
            )
        });
        format!("{head}\n{}", rows.collect::<String>())
    };
    tree.write(STAT, &with(BEFORE))?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let mut program = Running::start(&json_stream(root))?;
    program.wait_for_sample("sample", |_| true)?;
    tree.write(STAT, &with(10))?;
    let expected = 20 * rows.lines().count() as u64;
    let counted = [
        "found",
        "invalid",
        "insert_failed",
        "drop",
        "early_drop",
        "icmp_error",
        "expect_new",
        "expect_create",
        "expect_delete",
        "search_restart",
        "clash_resolve",
        "chaintoolong",
    ];
    program.wait_for_sample("sample with all that was counted", |sample| {
        let mut counters = counted.iter();
        counters.all(|counter| sample["counters"][*counter] == expected)
    })?;
    let ended = program.stop()?;
    let summary = &ended.of("summary")?[0]["instances"][0]["totals"];
    for counter in counted {
        assert_eq!(summary[counter]["kernel"], expected, "{counter}");
    }
    Ok(())
}

#[test]
fn linux_4_19_counts_no_new_inserted_or_deleted_flow() -> Result<()> {
    let dead = [
        "new",
        "inserted",
        "deleted",
        "delete_list",
        "searched",
        "clash_resolve",
        "chaintoolong",
    ];
    let moved = [
        ("found", 39),
        ("invalid", 12),
        ("ignore", 3490),
        ("insert", 3),
        ("insert_failed", 3),
        ("drop", 5),
        ("early_drop", 1),
        ("icmp_error", 4),
        ("expect_new", 1),
        ("expect_create", 4),
        ("expect_delete", 3),
        ("search_restart", 6),
    ];
    check("4.19", [120_000, 120_700], &dead, &moved)
}

#[test]
fn linux_5_10_counts_resolved_clashes_and_no_ignored_packets() -> Result<()> {
    let dead = [
        "new",
        "inserted",
        "deleted",
        "delete_list",
        "searched",
        "ignore",
        "chaintoolong",
    ];
    let moved = [
        ("clash_resolve", 19),
        ("found", 50),
        ("invalid", 18),
        ("insert", 2),
        ("insert_failed", 4),
        ("drop", 6),
        ("early_drop", 2),
        ("icmp_error", 4),
        ("expect_new", 1),
        ("expect_create", 4),
        ("expect_delete", 3),
        ("search_restart", 10),
    ];
    check("5.10", [200_000, 201_000], &dead, &moved)
}

/// What is dead on every kernel since 5.15.
const DEAD: [&str; 6] = [
    "new",
    "inserted",
    "deleted",
    "delete_list",
    "searched",
    "ignore",
];

#[test]
fn linux_6_1_counts_chains_that_are_too_long() -> Result<()> {
    let moved = [
        ("clash_resolve", 59),
        ("found", 90),
        ("invalid", 58),
        ("chaintoolong", 7),
        ("insert", 3),
        ("insert_failed", 14),
        ("drop", 30),
        ("early_drop", 10),
        ("icmp_error", 6),
        ("expect_new", 2),
        ("expect_create", 4),
        ("expect_delete", 4),
        ("search_restart", 14),
    ];
    check("6.1", [242_000, 261_000], &DEAD, &moved)
}

/// 402 new entries, of which the kernel counted two.
#[test]
fn linux_6_18_as_captured_counts_no_new_flow() -> Result<()> {
    check(
        "6.18",
        [100, 502],
        &DEAD,
        &[("insert", 2), ("icmp_error", 6)],
    )
}
