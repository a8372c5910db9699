//! The kernel's own counters of every era, from whole files: parsing, era and differences.
//!
//! The fixtures and where they come from: `tests/fixtures/proc/README.md` at the top of the
//! workspace.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    model::{
        kernel::era::{ColumnState, Era},
        rates::delta::{StatDelta, delta},
    },
    reading::proc_stat::{ParseError, ProcStat},
};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// What the tests use of one `/proc` tree.
struct Proc {
    stat: ProcStat,
    release: String,
    count: u32,
    max: u32,
}

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/proc")
        .join(path)
}

fn read(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn load(tree: &str) -> Result<Proc, Box<dyn std::error::Error>> {
    let root = fixture(tree);
    let number = |path| -> Result<u32, Box<dyn std::error::Error>> {
        Ok(read(&root.join(path))?.trim().parse()?)
    };
    Ok(Proc {
        stat: ProcStat::parse(&read(&root.join("net/stat/nf_conntrack"))?)?,
        release: read(&root.join("sys/kernel/osrelease"))?,
        count: number("sys/net/netfilter/nf_conntrack_count")?,
        max: number("sys/net/netfilter/nf_conntrack_max")?,
    })
}

/// Loads the two snapshots of `kernel` and checks what holds for both: size, era, gauge.
/// `events` are all counters that moved; every other one must have a difference of 0.
fn check(
    kernel: &str,
    (rows, columns): (usize, usize),
    era: Era,
    entries: [u32; 2],
    events: &[(&str, u64)],
) -> Result<StatDelta, Box<dyn std::error::Error>> {
    let snapshots = [
        load(&format!("{kernel}/t0"))?,
        load(&format!("{kernel}/t1"))?,
    ];
    for (snapshot, entries) in snapshots.iter().zip(entries) {
        let stat = &snapshot.stat;
        assert_eq!(
            (stat.row_count(), stat.columns().len()),
            (rows, columns),
            "{kernel}"
        );
        assert_eq!(Era::detect(stat, Some(&snapshot.release)), era, "{kernel}");
        assert_eq!(
            (stat.entries(), snapshot.count),
            (entries, entries),
            "{kernel}"
        );
        assert!(stat.entries() <= snapshot.max, "{kernel}");
        for column in stat.columns() {
            assert_ne!(
                era.column_state(column),
                ColumnState::Absent,
                "{kernel}: {column}"
            );
            if matches!(era.column_state(column), ColumnState::Dead(_)) {
                assert_eq!(stat.sum(column), Some(0), "{kernel}: {column} is dead");
            }
        }
    }

    let [t0, t1] = snapshots;
    let delta = delta(&t0.stat, &t1.stat);
    assert_eq!(
        delta.iter().count(),
        columns - 1,
        "{kernel}: all but `entries`"
    );
    for (column, moved) in delta.iter() {
        let expected = events.iter().find(|(name, _)| *name == column);
        assert_eq!(
            moved,
            expected.map_or(0, |(_, events)| *events),
            "{kernel}: {column}"
        );
    }
    for (column, _) in events {
        assert!(delta.get(column).is_some(), "{kernel}: {column} is missing");
    }
    assert_eq!(
        (delta.rows_appeared, delta.rows_vanished, delta.resets),
        (0, 0, 0),
        "{kernel}"
    );
    Ok(delta)
}

#[test]
fn linux_2_6_32_has_no_search_restart() -> TestResult {
    let events = [
        ("searched", 400),
        ("found", 1770),
        ("new", 110),
        ("invalid", 1),
        ("ignore", 21),
        ("delete", 60),
        ("delete_list", 53),
        ("insert", 103),
        ("insert_failed", 0),
        ("drop", 1),
        ("icmp_error", 2),
        ("expect_new", 1),
        ("expect_create", 1),
        ("expect_delete", 1),
    ];
    let delta = check("2.6.32", (2, 16), Era::UpTo4_8, [1800, 1850], &events)?;
    assert_eq!(delta.get("search_restart"), None);
    Ok(())
}

#[test]
fn linux_4_4_counts_everything() -> TestResult {
    let events = [
        ("searched", 20_200),
        ("found", 35_800),
        ("new", 1110),
        ("invalid", 4),
        ("ignore", 150),
        ("delete", 710),
        ("delete_list", 670),
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
    check("4.4", (4, 17), Era::UpTo4_8, [50_000, 50_400], &events)?;
    Ok(())
}

#[test]
fn linux_4_19_counts_no_new_inserted_or_deleted_flow() -> TestResult {
    let events = [
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
    check("4.19", (4, 17), Era::From4_9, [120_000, 120_700], &events)?;
    Ok(())
}

#[test]
fn linux_5_10_has_clashres_for_searched() -> TestResult {
    let events = [
        ("clashres", 19),
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
    let delta = check("5.10", (4, 17), Era::From5_10, [200_000, 201_000], &events)?;
    assert_eq!(delta.get("searched"), None);
    Ok(())
}

#[test]
fn linux_6_1_has_chainlength_for_delete_list() -> TestResult {
    let events = [
        ("clashres", 59),
        ("found", 90),
        ("invalid", 58),
        ("chainlength", 7),
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
    let delta = check("6.1", (4, 17), Era::From5_15, [242_000, 261_000], &events)?;
    assert_eq!(
        (delta.get("searched"), delta.get("delete_list")),
        (None, None)
    );
    Ok(())
}

/// 402 new entries, of which the kernel counted the two that ctnetlink made; and 3 ICMP messages of
/// a bad type, which crossed conntrack twice each on their way through the loopback interface.
#[test]
fn linux_6_18_as_captured_counts_no_new_flow() -> TestResult {
    let events = [("insert", 2), ("icmp_error", 6)];
    check("6.18", (2, 17), Era::From5_15, [100, 502], &events)?;
    Ok(())
}

#[test]
fn one_cpu_of_eight_wraps() -> TestResult {
    let events = [
        ("searched", 32_280),
        ("found", 64_560),
        ("new", 828),
        ("ignore", 56),
        ("delete", 748),
        ("delete_list", 668),
        ("insert", 788),
    ];
    check(
        "4.4-8cpu-wrap",
        (8, 17),
        Era::UpTo4_8,
        [50_000, 50_800],
        &events,
    )?;
    Ok(())
}

/// Reads as Netdata's proc.plugin does: the header is skipped, a counter is a position, and CPUs are
/// summed in 64 bits before anything is differenced.
fn sum_by_position(tree: &str, position: usize) -> Result<u64, Box<dyn std::error::Error>> {
    let text = read(&fixture(tree).join("net/stat/nf_conntrack"))?;
    let mut sum = 0;
    for row in text.lines().skip(1) {
        let cell = row.split_whitespace().nth(position).ok_or("short row")?;
        sum += u64::from_str_radix(cell, 16)?;
    }
    Ok(sum)
}

/// Positions of Netdata's dimensions `searched`, `found`, `new` and `delete_list`.
const SEARCHED: usize = 1;
const FOUND: usize = 2;
const NEW: usize = 3;
const DELETE_LIST: usize = 7;

/// The sum falls by 2^32 minus what was counted. Its difference looks like a reset, and the events of all eight CPUs in that
/// interval are lost.
#[test]
fn summing_cpus_before_differencing_loses_the_interval_of_a_wrap() -> TestResult {
    let fell_by = |position| -> Result<u64, Box<dyn std::error::Error>> {
        let before = sum_by_position("4.4-8cpu-wrap/t0", position)?;
        let after = sum_by_position("4.4-8cpu-wrap/t1", position)?;
        assert!(after < before, "the sum fell although every CPU counted up");
        Ok(before - after)
    };
    assert_eq!(fell_by(SEARCHED)?, (1 << 32) - 32_280);
    assert_eq!(fell_by(FOUND)?, (1 << 32) - 64_560);
    // A column in which no CPU wrapped comes out right, which is why it goes unnoticed.
    let [before, after] = ["4.4-8cpu-wrap/t0", "4.4-8cpu-wrap/t1"].map(|t| sum_by_position(t, NEW));
    assert_eq!(after? - before?, 828);
    Ok(())
}

/// From 5.10 on the column of `searched` has resolved clashes, and from 5.15 on the column of `delete_list` has insertions that
/// were rejected because a hash chain was too long.
#[test]
fn columns_by_position_show_another_counter_under_the_old_name() -> TestResult {
    for (kernel, position, name, events) in [
        ("4.4", SEARCHED, "searched", 20_200),
        ("5.10", SEARCHED, "clashres", 19),
        ("6.1", SEARCHED, "clashres", 59),
        ("4.4", DELETE_LIST, "delete_list", 670),
        ("6.1", DELETE_LIST, "chainlength", 7),
    ] {
        let [t0, t1] = ["t0", "t1"].map(|t| format!("{kernel}/{t}"));
        let shown = sum_by_position(&t1, position)? - sum_by_position(&t0, position)?;
        let delta = delta(&load(&t0)?.stat, &load(&t1)?.stat);
        assert_eq!(Some(shown), delta.get(name), "{kernel}");
        assert_eq!(shown, events, "{kernel}");
    }
    Ok(())
}

#[test]
fn malformed_files_are_refused_with_the_line() -> TestResult {
    let check = |name: &str, expected: ParseError| -> TestResult {
        let text = read(&fixture("malformed").join(name))?;
        assert_eq!(ProcStat::parse(&text), Err(expected), "{name}");
        Ok(())
    };
    check("empty", ParseError::Empty)?;
    check(
        "truncated",
        ParseError::CellCount {
            line: 5,
            found: 11,
            expected: 17,
        },
    )?;
    check(
        "cut_cell",
        ParseError::CutCell {
            line: 5,
            column: "search_restart".into(),
        },
    )?;
    check(
        "non_hex",
        ParseError::BadCell {
            line: 3,
            column: "found".into(),
            cell: "0000189g".into(),
        },
    )
}
