//! ctnetlink's statistics: which questions, and what the answers hold. No IO.
//!
//! Numbers of messages and attributes are from `linux/netfilter/nfnetlink_conntrack.h`, what is filled
//! in from `net/netfilter/nf_conntrack_netlink.c`. An object per possible CPU holds what that kernel
//! still counts; where `/proc/net/stat/nf_conntrack` prints a literal 0, there is no attribute.

use crate::{
    reading::proc_stat::ProcStat,
    source::nfnetlink::message::{Malformed, Object, Request},
};

const MODULE: &str = "nf_conntrack_netlink";

/// Packet counters per CPU.
pub(super) const CPU: Request = Request {
    name: "IPCTNL_MSG_CT_GET_STATS_CPU",
    module: MODULE,
    subsystem: libc::NFNL_SUBSYS_CTNETLINK as u8,
    answer_subsystem: libc::NFNL_SUBSYS_CTNETLINK as u8,
    message: 4,
    answer_message: None,
    family: libc::AF_UNSPEC as u8,
    dump: true,
    attributes: &[],
};

/// The size of the table.
pub(super) const GLOBAL: Request = Request {
    name: "IPCTNL_MSG_CT_GET_STATS",
    message: 5,
    dump: false,
    ..CPU
};

/// Expectation counters per CPU. Its answer comes under the number of the other subsystem
/// (`ctnetlink_exp_stat_fill_info()`).
pub(super) const EXPECT_CPU: Request = Request {
    name: "IPCTNL_MSG_EXP_GET_STATS_CPU",
    subsystem: libc::NFNL_SUBSYS_CTNETLINK_EXP as u8,
    message: 3,
    ..CPU
};

/// Types of the attributes of [`CPU`] (`CTA_STATS_*`), and the names that procfs prints over the same
/// counters.
const CPU_COLUMNS: [(u16, &str); 15] = [
    (1, "searched"),    // up to 4.8
    (2, "found"),       //
    (3, "new"),         // up to 4.8
    (4, "invalid"),     //
    (5, "ignore"),      // up to 5.9
    (6, "delete"),      // up to 4.8
    (7, "delete_list"), // up to 4.8
    (8, "insert"),
    (9, "insert_failed"),
    (10, "drop"),
    (11, "early_drop"),
    (12, "icmp_error"), // CTA_STATS_ERROR
    (13, "search_restart"),
    (14, "clashres"),    // CTA_STATS_CLASH_RESOLVE, since 5.10
    (15, "chainlength"), // CTA_STATS_CHAIN_TOOLONG, since 5.15
];

/// The same of [`EXPECT_CPU`] (`CTA_STATS_EXP_*`).
const EXPECT_COLUMNS: [(u16, &str); 3] = [
    (1, "expect_new"),
    (2, "expect_create"),
    (3, "expect_delete"),
];

const ENTRIES: u16 = 1; // CTA_STATS_GLOBAL_ENTRIES
const MAX_ENTRIES: u16 = 2; // CTA_STATS_GLOBAL_MAX_ENTRIES, since 4.18

/// The counters of a CPU.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CpuCounters {
    cpu: u16,
    /// Attribute type and value.
    counters: Vec<(u16, u32)>,
}

/// The size of the table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Global {
    pub(super) entries: u32,
    pub(super) max: Option<u32>,
}

pub(super) fn cpu_counters(object: &Object<'_>) -> Result<CpuCounters, Malformed> {
    Ok(CpuCounters {
        cpu: object.resource,
        counters: numbers(object)?,
    })
}

pub(super) fn global(object: &Object<'_>) -> Result<Global, Malformed> {
    let numbers = numbers(object)?;
    let number = |kind| numbers.iter().find(|(k, _)| *k == kind).map(|&(_, n)| n);
    Ok(Global {
        entries: number(ENTRIES)
            .ok_or_else(|| Malformed::Content("no number of entries".to_owned()))?,
        max: number(MAX_ENTRIES),
    })
}

fn numbers(object: &Object<'_>) -> Result<Vec<(u16, u32)>, Malformed> {
    object
        .attributes()
        .map(|attribute| attribute.and_then(|a| Ok((a.kind, a.be32()?))))
        .collect()
}

/// Puts both sets of counters into the form that procfs gives them.
///
/// Attributes this program has never heard of are left out: unlike a column of procfs they have no
/// name.
pub(super) fn table(
    cpus: &[CpuCounters],
    expect: &[CpuCounters],
    entries: u32,
) -> Result<ProcStat, Malformed> {
    let (mut columns, mut rows) = part(cpus, &CPU_COLUMNS)?;
    let (more_columns, more_rows) = part(expect, &EXPECT_COLUMNS)?;
    if !cpus.iter().map(|c| c.cpu).eq(expect.iter().map(|c| c.cpu)) {
        return Err(Malformed::Content(
            "packets and expectations are counted on different CPUs".to_owned(),
        ));
    }
    columns.extend(more_columns);
    for (row, more) in rows.iter_mut().zip(more_rows) {
        row.extend(more);
    }
    ProcStat::from_rows(columns, &rows, entries)
        .ok_or_else(|| Malformed::Content("no counter, or no CPU, or one of them twice".to_owned()))
}

type Part = (Vec<String>, Vec<Vec<u32>>);

/// The names of the counters, and a row of them per CPU.
fn part(cpus: &[CpuCounters], known: &[(u16, &str)]) -> Result<Part, Malformed> {
    let kinds = |cpu: &CpuCounters| cpu.counters.iter().map(|&(kind, _)| kind).collect();
    let first: Vec<u16> = cpus.first().map(kinds).unwrap_or_default();
    if let Some(odd) = cpus.iter().find(|&cpu| kinds(cpu) != first) {
        return Err(Malformed::Content(format!(
            "CPU {} has other counters than the first",
            odd.cpu
        )));
    }
    let name = |kind| {
        known
            .iter()
            .find(|(k, _)| *k == kind)
            .map(|&(_, name)| name)
    };
    let columns = first.iter().filter_map(|&kind| name(kind));
    let row = |cpu: &CpuCounters| {
        cpu.counters
            .iter()
            .filter(|(kind, _)| name(*kind).is_some())
            .map(|&(_, value)| value)
            .collect()
    };
    Ok((
        columns.map(str::to_owned).collect(),
        cpus.iter().map(row).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::{
        model::kernel::era::{ColumnState, Era},
        source::nfnetlink::message::{Answer, Fault, build},
    };

    /// The datagrams of a file as captured: each after its length, a little-endian u32.
    fn captured(kernel: &str, name: &str) -> Vec<Vec<u8>> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../tests/fixtures/ctnetlink")
            .join(kernel)
            .join(name);
        let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut rest = &bytes[..];
        let mut datagrams = Vec::new();
        while let Some((length, more)) = rest.split_first_chunk() {
            let (datagram, more) = more.split_at(u32::from_le_bytes(*length) as usize);
            datagrams.push(datagram.to_vec());
            rest = more;
        }
        datagrams
    }

    fn read<T>(
        request: &Request,
        datagrams: &[Vec<u8>],
        sequence: u32,
        decode: fn(&Object<'_>) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Fault> {
        let mut answer = Answer::new(request, sequence);
        for datagram in datagrams {
            if answer.take(datagram, decode)? {
                return Ok(answer.finish().0);
            }
        }
        panic!("{}: the answer is not complete", request.name)
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_captured_answer_equals_the_proc_file_of_the_same_moment() -> Result<(), Fault> {
        for kernel in ["6.1", "6.12"] {
            let global = &read(&GLOBAL, &captured(kernel, "stats"), 1, global)?[0];
            let cpus = read(&CPU, &captured(kernel, "stats_cpu"), 2, cpu_counters)?;
            let expect = read(
                &EXPECT_CPU,
                &captured(kernel, "expect_stats_cpu"),
                3,
                cpu_counters,
            )?;
            let stat = table(&cpus, &expect, global.entries)?;

            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../tests/fixtures/ctnetlink")
                .join(kernel);
            let text = |name| fs::read_to_string(path.join(name)).expect("a fixture");
            let proc = ProcStat::parse(&text("nf_conntrack")).expect("a whole file");
            let max: u32 = text("nf_conntrack_max").trim().parse().expect("a number");

            assert_eq!((stat.entries(), global.max), (proc.entries(), Some(max)));
            assert_eq!(stat.row_count(), proc.row_count());
            let era = Era::detect(&proc, None);
            for column in proc.columns().iter().filter(|c| *c != "entries") {
                let sum = match era.column_state(column) {
                    ColumnState::Dead(_) => None,
                    _ => proc.sum(column),
                };
                assert_eq!(stat.sum(column), sum, "{kernel}: {column}");
            }
            for (row, proc_row) in stat.rows().zip(proc.rows()) {
                for (column, cell) in stat.columns().iter().zip(row) {
                    let at = proc.column_index(column).expect("a column of procfs");
                    assert_eq!(*cell, proc_row[at], "{kernel}: {column}");
                }
            }
            // Both kernels had counted, or equality would prove little.
            for counted in [
                "insert",
                "icmp_error",
                "drop",
                "expect_new",
                "expect_create",
            ] {
                assert!(stat.sum(counted) > Some(0), "{kernel}: {counted}");
            }
        }
        Ok(())
    }

    fn cpu(cpu: u16, counters: &[(u16, u32)]) -> CpuCounters {
        CpuCounters {
            cpu,
            counters: counters.to_vec(),
        }
    }

    #[test]
    fn counters_get_the_names_of_procfs_and_unknown_ones_are_left_out() -> Result<(), Malformed> {
        let stat = table(
            &[
                cpu(0, &[(12, 5), (99, 1), (14, 6)]),
                cpu(3, &[(12, 50), (99, 1), (14, 60)]),
            ],
            &[cpu(0, &[(2, 7)]), cpu(3, &[(2, 70)])],
            8,
        )?;
        assert_eq!(stat.columns(), ["icmp_error", "clashres", "expect_create"]);
        assert!(stat.rows().eq([[5, 6, 7], [50, 60, 70]]));
        assert_eq!(stat.entries(), 8);
        Ok(())
    }

    #[test]
    fn counters_that_do_not_fit_together_are_refused() {
        let refused = |cpus: &[CpuCounters], expect: &[CpuCounters]| {
            table(cpus, expect, 0).expect_err("refused").to_string()
        };
        assert_eq!(
            refused(&[cpu(0, &[(2, 1)]), cpu(1, &[(4, 1)])], &[]),
            "CPU 1 has other counters than the first"
        );
        assert_eq!(
            refused(&[cpu(0, &[(2, 1)])], &[cpu(1, &[(1, 1)])]),
            "packets and expectations are counted on different CPUs"
        );
        let nothing = "no counter, or no CPU, or one of them twice";
        assert_eq!(refused(&[], &[]), nothing);
        assert_eq!(refused(&[cpu(0, &[])], &[cpu(0, &[])]), nothing);
        assert_eq!(
            refused(&[cpu(0, &[(2, 1), (2, 1)])], &[cpu(0, &[])]),
            nothing
        );
    }

    #[test]
    fn the_size_of_the_table_is_told_with_or_without_its_limit() -> Result<(), Fault> {
        let of = |attributes: &[(u16, &[u8])]| {
            let object = build::object(0, attributes);
            read(&GLOBAL, &[build::message(0x0105, 0, 1, &object)], 1, global)
        };
        let (entries, max) = ((1, &[0, 0, 1, 0][..]), (2, &[0, 4, 0, 0][..]));
        let expected = |max| {
            vec![Global {
                entries: 0x100,
                max,
            }]
        };
        assert_eq!(of(&[entries])?, expected(None));
        assert_eq!(of(&[entries, max])?, expected(Some(0x40000)));
        assert!(of(&[max]).is_err());
        Ok(())
    }

    /// What each era's `ctnetlink_ct_stat_cpu_fill_info()` fills in.
    #[test]
    fn the_era_is_told_from_the_attributes() -> Result<(), Malformed> {
        let check = |kinds: &[u16], release, expected| {
            let counters: Vec<_> = kinds.iter().map(|&kind| (kind, 0)).collect();
            let expect = [cpu(0, &[(1, 0), (2, 0), (3, 0)])];
            let stat = table(&[cpu(0, &counters)], &expect, 0)?;
            assert_eq!(Era::detect(&stat, Some(release)), expected, "{release}");
            Ok(())
        };
        let up_to_4_8: Vec<u16> = (1..=13).collect();
        check(&up_to_4_8, "4.4.0", Era::UpTo4_8)?;
        let from_4_9 = [2, 4, 5, 8, 9, 10, 11, 12, 13];
        check(&from_4_9, "4.19.325", Era::From4_9)?;
        let from_5_10 = [2, 4, 8, 9, 10, 11, 12, 13, 14];
        check(&from_5_10, "5.10.0", Era::From5_10)?;
        let from_5_15 = [2, 4, 8, 9, 10, 11, 12, 13, 14, 15];
        check(&from_5_15, "5.15.70", Era::From5_15)
    }
}
