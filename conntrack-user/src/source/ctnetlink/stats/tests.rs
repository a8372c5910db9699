//! Captured and made-up statistics.

use std::{fs, path::Path};

use crate::{
    model::kernel::era::{ColumnState, Era},
    source::{
        ctnetlink::stats::*,
        nfnetlink::message::{Answer, AnswerError, build},
    },
};

/// The datagrams in a captured file: each follows its length, a little-endian u32.
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
    request: &NetlinkRequest,
    datagrams: &[Vec<u8>],
    sequence: u32,
    decode: fn(&Object<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, AnswerError> {
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
fn a_captured_answer_equals_the_proc_file_of_the_same_moment() -> Result<(), AnswerError> {
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
fn the_size_of_the_table_is_read_with_or_without_its_limit() -> Result<(), AnswerError> {
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
