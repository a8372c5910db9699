//! Expectations of flows, by helpers and ctnetlink.

use std::{fs, path::Path, thread, time::Duration};

use anyhow::{Result, ensure};

use super::proof::{FLOW, prove};
use crate::{
    drive::{
        expect::{self, Master},
        packet::RawSockets,
    },
    kernel::{proc_columns, sysctl},
};

/// Every expected flow arrives.
pub(super) fn ftp() -> Result<()> {
    const TRANSFERS: u32 = 25;
    let transfers = u64::from(TRANSFERS);
    expect::helpers()?;
    let proof = prove(FLOW, || expect::ftp(TRANSFERS))?;
    proof
        .moves_only(&["expect_new", "expect_create", "expect_delete"])?
        .counted("expect_create", 2 * transfers)?
        .counted("expect_new", transfers)?
        .counted("expect_delete", 2 * transfers)?
        // Only the control connection is new.
        .probed("new", 1)?
        .probed("inserted", transfers + 1)?
        .balanced()?;
    Ok(())
}

const EXPECTED: u16 = 30;

/// Created over ctnetlink: each replaces the previous one; the last one is deleted by its tuple.
pub(super) fn ctnetlink() -> Result<()> {
    expect::helpers()?;
    let master = Master::make(1)?;
    let proof = prove(FLOW, || {
        for port in 1..=EXPECTED {
            master.expect(port)?;
        }
        master.delete(EXPECTED)
    })?;
    proof
        .moves_only(&["expect_create", "expect_delete"])?
        .counted("expect_create", EXPECTED.into())?
        .counted("expect_delete", EXPECTED.into())?
        .counted("expect_new", 0)?;
    Ok(())
}

/// More than a namespace may have: each refusal is known, with the flow whose helper expected another.
pub(super) fn refused() -> Result<()> {
    const MAX: &str = "net/netfilter/nf_conntrack_expect_max";
    const ROOM: u16 = 10;
    expect::helpers()?;
    let masters = (1..=EXPECTED)
        .map(Master::make)
        .collect::<Result<Vec<_>>>()?;
    let before = fs::read_to_string(Path::new("/proc/sys").join(MAX))?;
    sysctl(MAX, ROOM)?;
    let proof = prove(FLOW, || {
        // Two cannot expect the same flow.
        let answers = masters
            .iter()
            .zip(1..)
            .map(|(master, port)| master.ask(port));
        answers.collect::<Result<Vec<_>>>()
    });
    sysctl(MAX, before.trim())?;
    let proof = proof?;
    let refused = proof.driven.iter().filter(|answer| answer.is_err()).count();
    ensure!(
        refused == usize::from(EXPECTED - ROOM),
        "{:?}",
        proof.driven
    );
    proof.counted("expect_create", ROOM.into())?.events(
        "expect_full",
        refused as u64,
        |event| event["tuple"]["proto"] == "tcp" && event["tuple"]["dport"] == 21,
    )?;
    Ok(())
}

/// Created for several masters, and deleted all at once.
pub(super) fn deleted() -> Result<()> {
    expect::helpers()?;
    let masters = (1..=EXPECTED)
        .map(Master::make)
        .collect::<Result<Vec<_>>>()?;
    let proof = prove(FLOW, || {
        for (master, port) in masters.iter().zip(1..) {
            master.expect(port)?;
        }
        masters[0].delete_all()
    })?;
    proof
        .moves_only(&["expect_create", "expect_delete"])?
        .counted("expect_create", EXPECTED.into())?
        .counted("expect_delete", EXPECTED.into())?;
    Ok(())
}

/// Created, and deleted with their masters.
pub(super) fn orphaned() -> Result<()> {
    expect::helpers()?;
    let masters = (1..=EXPECTED)
        .map(Master::make)
        .collect::<Result<Vec<_>>>()?;
    let proof = prove(FLOW, || {
        for (master, port) in masters.iter().zip(1..) {
            master.expect(port)?;
        }
        crate::kernel::flush()
    })?;
    proof
        .moves_only(&["expect_create", "expect_delete"])?
        .counted("expect_create", EXPECTED.into())?
        .counted("expect_delete", EXPECTED.into())?
        .balanced()?;
    Ok(())
}

/// The most that timers may be late, in milliseconds.
const TIMERS_MS: u32 = 500;

/// Created, and expired before the flow arrives, which is new then.
pub(super) fn expired() -> Result<()> {
    expect::helpers()?;
    let masters = (1..=EXPECTED)
        .map(Master::make)
        .collect::<Result<Vec<_>>>()?;
    let sockets = RawSockets::open()?;
    let proof = prove(FLOW, || {
        let all_deleted = proc_columns()?["expect_delete"] + u64::from(EXPECTED);
        for (master, port) in masters.iter().zip(1..) {
            master.expect(port)?;
            master.expire(port)?;
        }
        // Kernels with a timer for each expectation delete it now. Those without one (6.1.192, 6.12.117) delete it when they come
        // across it: waiting does not change that.
        for _ in 0..TIMERS_MS {
            if proc_columns()?["expect_delete"] >= all_deleted {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        for (master, port) in masters.iter().zip(1..) {
            master.send_expected(port, &sockets)?;
        }
        Ok(())
    })?;
    proof
        .moves_only(&["expect_create", "expect_delete"])?
        .counted("expect_create", EXPECTED.into())?
        .counted("expect_delete", EXPECTED.into())?
        .counted("expect_new", 0)?
        .probed("new", EXPECTED.into())?
        .balanced()?;
    Ok(())
}

const CALLS: u16 = 20;

/// SIP expects two flows per call, in two calls of the function.
pub(super) fn sip() -> Result<()> {
    expect::helpers()?;
    let calls = u64::from(CALLS);
    let proof = prove(FLOW, || expect::sip(CALLS))?;
    proof
        .moves_only(&["expect_create", "expect_delete"])?
        .counted("expect_create", 4 * calls)?
        .counted("expect_delete", 2 * calls)?;
    Ok(())
}

/// With NAT both are created at once, if the kernel has a function for that. At the second crossing the message contains the
/// rewritten address, for which no expectation is created.
pub(super) fn sip_behind_nat() -> Result<()> {
    expect::helpers()?;
    expect::sip_nat()?;
    let calls = u64::from(CALLS);
    let proof = prove(FLOW, || expect::sip(CALLS))?;
    proof
        .moves_only(&["expect_create", "expect_delete"])?
        .counted("expect_create", 2 * calls)?
        .counted("expect_delete", 2 * calls)?;
    Ok(())
}
