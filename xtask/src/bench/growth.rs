//! `cargo xtask bench growth`: how the cost grows with what there is.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use super::in_guest::Bench;
use super::page;
use crate::architecture::Architecture;
use crate::toolchain::Toolchain;
use crate::vm::Size;
use crate::{build, paths, process};

/// Measure how the cost grows: with CPUs, namespaces, the length of recordings, and entries.
///
/// On this machine, as root: ticks with 1 to 512 rows and network namespaces, which are made for it, and recordings of a minute to a
/// day, made of a short one. In a guest, where a nanosecond is an instruction: ticks and listings with a thousand to a million entries.
/// The report replaces the one in the manual.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The guest's kernel, as for `vm`
    #[arg(long, default_value = "6.12")]
    kernel: String,

    /// How often each tick is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Only print the report
    #[arg(long)]
    print: bool,
}

/// The short run that recordings are made of.
const RECORDING: &str = "tests/fixtures/recordings/incident-6.12.ctp";

/// What measures.
const TICK: &str = "tick";

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let toolchain = Toolchain::ensure(Architecture::HOST)?;
    let artifacts = build::all(&toolchain, Architecture::HOST)?;
    let programs = build::test_programs(&toolchain, Architecture::HOST)?;
    let tick = programs.iter().find(|program| program.ends_with(TICK));
    let mut here = Command::new(tick.with_context(|| format!("there is no {TICK}"))?);
    here.arg("--ctpulse").arg(&artifacts.binary);
    here.arg("--growth").arg(paths::workspace().join(RECORDING));
    here.arg(format!("--rounds={}", args.rounds));
    let here = process::capture(&mut here)? + "\nEntries in the table:\n\n";
    if args.print {
        print!("{here}");
    }
    let bench = Bench {
        kernel: &args.kernel,
        size: Size {
            cpus: 1,
            absent: 0,
            memory: "2048M".to_owned(),
        },
        instructions: true,
        others: Vec::new(),
        command: vec![TICK.to_owned(), "--entries".to_owned()],
    };
    let entries = bench.run()?;
    if !args.print {
        page::publish(&(here + &entries), "growth", "measured.md")?;
    }
    Ok(ExitCode::SUCCESS)
}
