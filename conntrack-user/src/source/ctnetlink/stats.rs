//! ctnetlink's statistics: the requests, and what the answers hold. No IO.
//!
//! Numbers of messages and attributes are from `linux/netfilter/nfnetlink_conntrack.h`, what is filled
//! in from `net/netfilter/nf_conntrack_netlink.c`. An object per possible CPU holds what that kernel
//! still counts; where `/proc/net/stat/nf_conntrack` prints a literal 0, there is no attribute.

use crate::{
    reading::proc_stat::ProcStat,
    source::nfnetlink::{
        attribute::{Malformed, Object},
        message::NetlinkRequest,
    },
};

const MODULE: &str = "nf_conntrack_netlink";

/// Packet counters per CPU.
pub(super) const CPU: NetlinkRequest = NetlinkRequest {
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
pub(super) const GLOBAL: NetlinkRequest = NetlinkRequest {
    name: "IPCTNL_MSG_CT_GET_STATS",
    message: 5,
    dump: false,
    ..CPU
};

/// Expectation counters per CPU. Its answer comes under the number of the other subsystem
/// (`ctnetlink_exp_stat_fill_info()`).
pub(super) const EXPECT_CPU: NetlinkRequest = NetlinkRequest {
    name: "IPCTNL_MSG_EXP_GET_STATS_CPU",
    subsystem: libc::NFNL_SUBSYS_CTNETLINK_EXP as u8,
    message: 3,
    ..CPU
};

/// Every expectation.
pub(super) const EXPECTATIONS: NetlinkRequest = NetlinkRequest {
    name: "IPCTNL_MSG_EXP_GET",
    subsystem: libc::NFNL_SUBSYS_CTNETLINK_EXP as u8,
    answer_subsystem: libc::NFNL_SUBSYS_CTNETLINK_EXP as u8,
    message: 1,
    // IPCTNL_MSG_EXP_NEW
    answer_message: Some(0),
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

/// Types and names of the attributes of [`EXPECT_CPU`] (`CTA_STATS_EXP_*`).
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
        entries: number(ENTRIES).ok_or(Malformed::Content("no number of entries"))?,
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
/// Attributes that this program does not know are left out: unlike a column of procfs they have no name.
pub(super) fn table(
    cpus: &[CpuCounters],
    expect: &[CpuCounters],
    entries: u32,
) -> Result<ProcStat, Malformed> {
    let (mut columns, mut rows) = part(cpus, &CPU_COLUMNS)?;
    let (more_columns, more_rows) = part(expect, &EXPECT_COLUMNS)?;
    if !cpus.iter().map(|c| c.cpu).eq(expect.iter().map(|c| c.cpu)) {
        return Err(Malformed::Content(
            "packets and expectations are counted on different CPUs",
        ));
    }
    columns.extend(more_columns);
    for (row, more) in rows.iter_mut().zip(more_rows) {
        row.extend(more);
    }
    ProcStat::from_rows(columns, &rows, entries).ok_or(Malformed::Content(
        "no counter, or no CPU, or one of them twice",
    ))
}

type NamedRows = (Vec<String>, Vec<Vec<u32>>);

/// The names of the counters, and a row of them per CPU.
fn part(cpus: &[CpuCounters], known: &[(u16, &str)]) -> Result<NamedRows, Malformed> {
    let kinds = |cpu: &CpuCounters| cpu.counters.iter().map(|&(kind, _)| kind).collect();
    let first: Vec<u16> = cpus.first().map(kinds).unwrap_or_default();
    if let Some(odd) = cpus.iter().find(|&cpu| kinds(cpu) != first) {
        return Err(Malformed::OtherCounters { cpu: odd.cpu });
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
mod tests;
