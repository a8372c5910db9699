//! Which columns of `/proc/net/stat/nf_conntrack` are live.
//!
//! The file has kept its seventeen columns although the kernel no longer counts in several of them, and two columns now hold
//! other counters. Where `ct_cpu_seq_show()` no longer has a counter it prints a literal 0, which looks like an idle counter; the
//! two can only be told apart by the era.
//!
//! | Kernel | position 2 | `new` | `ignore` | `delete` | position 8 |
//! |---|---|---|---|---|---|
//! | ≤ 4.8 | `searched` | live | live | live | `delete_list` |
//! | 4.9 – 5.9 | `searched`, 0 | 0 | live | 0 | `delete_list`, 0 |
//! | 5.10 – 5.14 | `clashres` | 0 | 0 | 0 | `delete_list`, 0 |
//! | ≥ 5.15 | `clashres` | 0 | 0 | 0 | `chainlength` |

use crate::reading::proc_stat::ProcStat;

/// A range of kernel versions in which the columns have the same meaning. Ordered by version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Era {
    /// Up to 4.8: all columns count.
    UpTo4_8,
    /// 4.9 to 5.9: the packet path no longer counts lookups, new, inserted and deleted entries.
    From4_9,
    /// 5.10 to 5.14: `ignore` is gone too; `clashres` replaces `searched`.
    From5_10,
    /// 5.15 and later: `chainlength` replaces `delete_list`.
    From5_15,
}

/// Whether a column of an [`Era`] is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnState {
    /// The kernel counts what the name says.
    Live,
    /// The kernel counts less than the name says; the text says what.
    LiveNarrow(&'static str),
    /// A constant 0; the text says why.
    Dead(&'static str),
    /// The header does not have the column in this era, or its name is unknown.
    Absent,
}

const PACKET_PATH_SILENT: &str = "since kernel 4.9 the packet path no longer counts it";
const IGNORE_GONE: &str = "since kernel 5.10 the packet path no longer counts it";
const INSERT_NARROW: &str =
    "since kernel 4.9 it counts only entries inserted by ctnetlink or BPF, not by packets";
const FOUND_NARROW: &str = "since kernel 4.9 it counts only tuples found taken by \
                            nf_conntrack_tuple_taken, not lookups";

/// Columns that are non-zero only where the kernel still counts them.
const ALIVE_UP_TO_4_8: [&str; 3] = ["new", "delete", "delete_list"];
/// What a kernel counts besides where it counts `searched`: there is no lookup without a flow that was new and inserted once.
const WITH_SEARCHED: [&str; 4] = ["new", "delete", "delete_list", "insert"];

impl Era {
    /// Detects the era from a snapshot and, where its header is ambiguous, from the kernel release (`uname -r`).
    ///
    /// Distributions backport, so the file has priority over the release: its header names `clashres` and `chainlength`, and a
    /// counter that is not 0 is live. An unknown release without counts is taken for [`Era::From4_9`]; a later snapshot may
    /// correct that to [`Era::UpTo4_8`].
    ///
    /// For some weeks of 2020 kernels that were to become 5.10 counted resolved clashes under the old name `searched`. Such a file
    /// counts in it and in nothing that goes with it.
    #[must_use]
    pub fn detect(stat: &ProcStat, kernel_release: Option<&str>) -> Self {
        if stat.column_index("chainlength").is_some() {
            return Self::From5_15;
        }
        if stat.column_index("clashres").is_some() {
            return Self::From5_10;
        }
        let counts = |column: &str| stat.sum(column).is_some_and(|sum| sum > 0);
        let old = kernel_release
            .and_then(major_minor)
            .is_some_and(|version| version < (4, 9));
        if old || ALIVE_UP_TO_4_8.into_iter().any(counts) {
            return Self::UpTo4_8;
        }
        let clashes = counts("searched") && !WITH_SEARCHED.into_iter().any(counts);
        if clashes && !counts("ignore") {
            Self::From5_10
        } else {
            Self::From4_9
        }
    }

    /// The state of a column, by its name in the header.
    ///
    /// `search_restart` is live in every era although the oldest kernels (2.6.32) lack it: whether a file *has* a column is up to
    /// [`ProcStat::column_index`].
    #[must_use]
    pub fn column_state(self, column: &str) -> ColumnState {
        use ColumnState::{Absent, Dead, Live, LiveNarrow};
        let since_4_9 = self >= Self::From4_9;
        match column {
            "entries" | "invalid" | "insert_failed" | "drop" | "early_drop" | "icmp_error"
            | "expect_new" | "expect_create" | "expect_delete" | "search_restart" => Live,
            "found" if since_4_9 => LiveNarrow(FOUND_NARROW),
            "insert" if since_4_9 => LiveNarrow(INSERT_NARROW),
            "new" | "delete" if since_4_9 => Dead(PACKET_PATH_SILENT),
            "ignore" if self >= Self::From5_10 => Dead(IGNORE_GONE),
            "found" | "insert" | "new" | "delete" | "ignore" => Live,
            "searched" => match self {
                Self::UpTo4_8 => Live,
                Self::From4_9 => Dead(PACKET_PATH_SILENT),
                Self::From5_10 | Self::From5_15 => Absent,
            },
            "clashres" if self >= Self::From5_10 => Live,
            "delete_list" => match self {
                Self::UpTo4_8 => Live,
                Self::From4_9 | Self::From5_10 => Dead(PACKET_PATH_SILENT),
                Self::From5_15 => Absent,
            },
            "chainlength" if self == Self::From5_15 => Live,
            _ => Absent,
        }
    }
}

/// The first two numbers of a release: `4.9` of `4.9.337-0-virt`.
fn major_minor(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release
        .trim()
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::proc_stat::{ParseError, kernel_text};

    const OLD: &[&str] = &[
        "entries",
        "searched",
        "found",
        "new",
        "delete",
        "delete_list",
    ];
    const WITH_CLASHRES: &[&str] = &["entries", "clashres", "new", "delete_list"];
    const WITH_CHAINLENGTH: &[&str] = &["entries", "clashres", "new", "chainlength"];

    /// Detects from a file in which the columns `counted` are 1 on the last of two rows.
    fn check(
        columns: &[&str],
        counted: &[&str],
        release: Option<&str>,
        expected: Era,
    ) -> Result<(), ParseError> {
        let idle = vec![0; columns.len()];
        let busy: Vec<u32> = columns
            .iter()
            .map(|column| u32::from(counted.contains(column)))
            .collect();
        let stat = ProcStat::parse(&kernel_text(columns, &[idle, busy]))?;
        assert_eq!(
            Era::detect(&stat, release),
            expected,
            "{columns:?} {counted:?} {release:?}"
        );
        Ok(())
    }

    #[test]
    fn the_header_decides_if_it_is_unambiguous() -> Result<(), ParseError> {
        check(WITH_CHAINLENGTH, &[], None, Era::From5_15)?;
        check(WITH_CHAINLENGTH, &[], Some("4.18.0-553.el8"), Era::From5_15)?;
        check(WITH_CLASHRES, &[], None, Era::From5_10)?;
        check(WITH_CLASHRES, &["clashres"], Some("4.4.0"), Era::From5_10)
    }

    #[test]
    fn the_release_decides_if_the_header_is_ambiguous() -> Result<(), ParseError> {
        check(OLD, &[], Some("2.6.32-754.el6.x86_64"), Era::UpTo4_8)?;
        check(OLD, &[], Some("3.10.0-1160.el7.x86_64"), Era::UpTo4_8)?;
        check(OLD, &[], Some("4.8.17"), Era::UpTo4_8)?;
        check(OLD, &[], Some("4.9.0-rc1"), Era::From4_9)?;
        check(OLD, &[], Some("4.19.325\n"), Era::From4_9)?;
        check(OLD, &[], Some("5.4"), Era::From4_9)?;
        check(OLD, &[], None, Era::From4_9)?;
        check(OLD, &[], Some("unknown"), Era::From4_9)?;
        check(OLD, &[], Some("4"), Era::From4_9)
    }

    #[test]
    fn a_counter_that_moved_outranks_the_release() -> Result<(), ParseError> {
        for column in ALIVE_UP_TO_4_8 {
            check(OLD, &[column], Some("4.19.0"), Era::UpTo4_8)?;
            check(OLD, &[column], None, Era::UpTo4_8)?;
            check(OLD, &[column, "searched"], None, Era::UpTo4_8)?;
        }
        // `found` and `entries` are live in every era, so they are no evidence.
        check(OLD, &["found", "entries"], None, Era::From4_9)
    }

    #[test]
    fn searched_alone_is_resolved_clashes_under_the_old_name() -> Result<(), ParseError> {
        const COLUMNS: &[&str] = &[
            "entries",
            "searched",
            "found",
            "new",
            "ignore",
            "delete",
            "delete_list",
            "insert",
        ];
        for release in [None, Some("5.9.0-next-20200908"), Some("4.18.0-553.el8")] {
            check(COLUMNS, &["searched"], release, Era::From5_10)?;
            check(COLUMNS, &["searched", "found"], release, Era::From5_10)?;
            // As ignored packets are counted, they are not dead.
            check(COLUMNS, &["searched", "ignore"], release, Era::From4_9)?;
            check(COLUMNS, &["searched", "insert"], release, Era::From4_9)?;
            check(COLUMNS, &["searched", "new"], release, Era::UpTo4_8)?;
        }
        check(COLUMNS, &["searched"], Some("4.4.0"), Era::UpTo4_8)
    }

    /// One letter per era, oldest first: Live, Narrow, Dead, Absent.
    fn check_states(column: &str, expected: &str) {
        let states: String = [Era::UpTo4_8, Era::From4_9, Era::From5_10, Era::From5_15]
            .into_iter()
            .map(|era| match era.column_state(column) {
                ColumnState::Live => 'L',
                ColumnState::LiveNarrow(_) => 'N',
                ColumnState::Dead(_) => 'D',
                ColumnState::Absent => 'A',
            })
            .collect();
        assert_eq!(states, expected, "{column}");
    }

    #[test]
    fn states_by_era() {
        for live in [
            "entries",
            "invalid",
            "insert_failed",
            "drop",
            "early_drop",
            "icmp_error",
            "expect_new",
            "expect_create",
            "expect_delete",
            "search_restart",
        ] {
            check_states(live, "LLLL");
        }
        check_states("searched", "LDAA");
        check_states("clashres", "AALL");
        check_states("found", "LNNN");
        check_states("new", "LDDD");
        check_states("ignore", "LLDD");
        check_states("delete", "LDDD");
        check_states("delete_list", "LDDA");
        check_states("chainlength", "AAAL");
        check_states("insert", "LNNN");
        check_states("no_such_column", "AAAA");
    }
}
