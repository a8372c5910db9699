//! Flows that are announced.

use std::{thread, time::Duration};

use anyhow::Result;

use super::proof::{FLOW, prove};
use crate::{
    drive::{
        expect::{self, Master},
        packet::RawSockets,
    },
    kernel::{proc_columns, tracking},
};

/// Every announced flow comes.
pub(super) fn ftp() -> Result<()> {
    const TRANSFERS: u32 = 25;
    let transfers = u64::from(TRANSFERS);
    tracking()?;
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

const ANNOUNCED: u16 = 30;

/// Announced over ctnetlink: each displaces the one before it; the last is withdrawn by name.
pub(super) fn ctnetlink() -> Result<()> {
    tracking()?;
    expect::helpers()?;
    let master = Master::make(1)?;
    let proof = prove(FLOW, || {
        for port in 1..=ANNOUNCED {
            master.expect(port)?;
        }
        master.forget(ANNOUNCED)
    })?;
    proof
        .moves_only(&["expect_create", "expect_delete"])?
        .counted("expect_create", ANNOUNCED.into())?
        .counted("expect_delete", ANNOUNCED.into())?
        .counted("expect_new", 0)?;
    Ok(())
}

/// Announced by as many flows, and withdrawn all at once.
pub(super) fn withdrawn() -> Result<()> {
    tracking()?;
    expect::helpers()?;
    let masters = (1..=ANNOUNCED)
        .map(Master::make)
        .collect::<Result<Vec<_>>>()?;
    let proof = prove(FLOW, || {
        for (master, port) in masters.iter().zip(1..) {
            master.expect(port)?;
        }
        masters[0].forget_all()
    })?;
    proof
        .moves_only(&["expect_create", "expect_delete"])?
        .counted("expect_create", ANNOUNCED.into())?
        .counted("expect_delete", ANNOUNCED.into())?;
    Ok(())
}

/// Announced, and gone with the flows that announced them.
pub(super) fn orphaned() -> Result<()> {
    tracking()?;
    expect::helpers()?;
    let masters = (1..=ANNOUNCED)
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
        .counted("expect_create", ANNOUNCED.into())?
        .counted("expect_delete", ANNOUNCED.into())?
        .balanced()?;
    Ok(())
}

/// How long timers that are due may take to run, in milliseconds.
const TIMERS_MS: u32 = 500;

/// Announced, and not come in time: the flow that comes is new.
pub(super) fn expired() -> Result<()> {
    tracking()?;
    expect::helpers()?;
    let masters = (1..=ANNOUNCED)
        .map(Master::make)
        .collect::<Result<Vec<_>>>()?;
    let sockets = RawSockets::open()?;
    let proof = prove(FLOW, || {
        let withdrawn = proc_columns()?["expect_delete"] + u64::from(ANNOUNCED);
        for (master, port) in masters.iter().zip(1..) {
            master.expect(port)?;
            master.expire(port)?;
        }
        // Kernels with a timer for each announced flow withdraw it now. Those without one (6.1.192,
        // 6.12.117) do so when they come across it: waiting changes nothing there.
        for _ in 0..TIMERS_MS {
            if proc_columns()?["expect_delete"] >= withdrawn {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        for (master, port) in masters.iter().zip(1..) {
            master.come(port, &sockets)?;
        }
        Ok(())
    })?;
    proof
        .moves_only(&["expect_create", "expect_delete"])?
        .counted("expect_create", ANNOUNCED.into())?
        .counted("expect_delete", ANNOUNCED.into())?
        .counted("expect_new", 0)?
        .probed("new", ANNOUNCED.into())?
        .balanced()?;
    Ok(())
}

const CALLS: u16 = 20;

/// SIP announces two flows per call, one after the other.
pub(super) fn sip() -> Result<()> {
    tracking()?;
    expect::helpers()?;
    let calls = u64::from(CALLS);
    let proof = prove(FLOW, || expect::sip(CALLS))?;
    proof
        .moves_only(&["expect_create", "expect_delete"])?
        .counted("expect_create", 4 * calls)?
        .counted("expect_delete", 2 * calls)?;
    Ok(())
}

/// With NAT it announces both at once where the kernel has a function for that. At the second
/// crossing the call's text speaks of the rewritten address, which announces nothing.
pub(super) fn sip_behind_nat() -> Result<()> {
    tracking()?;
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
