//! `cargo xtask bench user-space`: what a tick takes on this machine, without probes.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use super::page;
use crate::architecture::Architecture;
use crate::process::{self, say};
use crate::toolchain::Toolchain;
use crate::{build, servers};

/// Measure what a tick takes, beside what others take.
///
/// Reading the kernel's own counters, from /proc and from a copy with 512 rows: ctpulse, a bare read
/// of the file, node_exporter's conntrack collector alone, `conntrack -S` and Netdata's collection,
/// one after another in each round. The report replaces the one in the manual.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How often all of them are measured
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Only print the report
    #[arg(long)]
    print: bool,
}

/// What measures.
const TICK: &str = "tick";

/// The page that has the report.
const PAGE: &str = "overhead.md";

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let toolchain = Toolchain::ensure(Architecture::HOST)?;
    let artifacts = build::all(&toolchain, Architecture::HOST)?;
    let programs = build::test_programs(&toolchain, Architecture::HOST)?;
    let tick = programs.iter().find(|program| program.ends_with(TICK));
    let tick = tick.with_context(|| format!("the test programs have no {TICK}"))?;
    let servers = servers::tree()?;
    let mut command = Command::new(tick);
    command.arg("--ctpulse").arg(&artifacts.binary);
    command.arg("--servers").arg(&servers);
    command
        .arg("--node-exporter")
        .arg(servers.join(servers::NODE_EXPORTER));
    match process::find("conntrack") {
        Some(conntrack) => drop(command.arg("--conntrack").arg(conntrack)),
        None => say("bench user-space: without `conntrack -S`, which is not installed"),
    }
    command.arg(format!("--rounds={}", args.rounds));
    let report = process::capture(&mut command)?;
    if args.print {
        print!("{report}");
    } else {
        page::publish(&report, "user-space", PAGE)?;
    }
    Ok(ExitCode::SUCCESS)
}
