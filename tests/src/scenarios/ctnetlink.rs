//! Flows created over ctnetlink.

use anyhow::{Result, ensure};
use rustix::io::Errno;

use super::proof::{FLOW, prove};
use crate::{
    drive::{
        ctnetlink::{Ctnetlink, Flow, Tuple},
        packet::protocol,
    },
    kernel::run,
};

const FLOWS: u16 = 500;

fn tuple(port: u16) -> Tuple {
    Tuple {
        protocol: protocol::UDP,
        from: ([127, 9, 0, 1].into(), port),
        to: ([127, 9, 0, 2].into(), 53),
    }
}

/// Each flow is inserted, and none is new: no packet started it.
pub(super) fn fresh() -> Result<()> {
    let ctnetlink = Ctnetlink::open()?;
    let proof = prove(FLOW, || {
        for port in 1..=FLOWS {
            let answer = ctnetlink.insert(&Flow::of(tuple(port)))?;
            ensure!(answer.is_ok(), "flow {port}: {answer:?}");
        }
        Ok(())
    })?;
    proof
        .moves_only(&["insert"])?
        .counted("insert", FLOWS.into())?
        .probed("inserted", FLOWS.into())?
        .probed("alloc", FLOWS.into())?
        .probed("new", 0)?
        .balanced()?;
    Ok(())
}

/// Existing flows are not inserted: neither if the original direction exists, which is found before one is created, nor if the
/// reply direction does, which is found at the insertion.
pub(super) fn duplicate() -> Result<()> {
    let ctnetlink = Ctnetlink::open()?;
    for port in 1..=FLOWS {
        let answer = ctnetlink.insert(&Flow::of(tuple(port)))?;
        ensure!(answer.is_ok(), "flow {port}: {answer:?}");
    }
    let proof = prove(FLOW, || {
        for port in 1..=FLOWS {
            let again = Flow::of(tuple(port));
            let same_reply = Flow {
                original: tuple(FLOWS + port),
                ..again
            };
            for flow in [again, same_reply] {
                let answer = ctnetlink.insert(&flow)?;
                ensure!(answer == Err(Errno::EXIST), "{flow:?}: {answer:?}");
            }
        }
        Ok(())
    })?;
    proof
        .moves_only(&[])?
        .counted("insert", 0)?
        .probed("inserted", 0)?
        .probed("alloc", FLOWS.into())?
        .probed("free", FLOWS.into())?
        .balanced()?;
    Ok(())
}

/// The same with conntrack(8).
pub(super) fn by_tool() -> Result<()> {
    const COMMANDS: u16 = 10;
    let insert = |port: u16| {
        let port = port.to_string();
        let from = ["-s", "127.9.0.1", "--sport", &port];
        let to = ["-d", "127.9.0.2", "--dport", "53"];
        let mut command = vec!["conntrack", "-I", "-p", "udp", "-t", "60"];
        command.extend(from.iter().chain(&to));
        run(&command)
    };
    let proof = prove(FLOW, || {
        for port in 1..=COMMANDS {
            insert(port)?;
            ensure!(insert(port).is_err(), "flow {port} was inserted twice");
        }
        Ok(())
    })?;
    proof
        .moves_only(&["insert"])?
        .counted("insert", COMMANDS.into())?
        .probed("new", 0)?
        .balanced()?;
    Ok(())
}
