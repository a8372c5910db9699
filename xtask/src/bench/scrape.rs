//! `cargo xtask bench scrape`: what it costs to answer a scraper, without probes on this machine and with them in a guest.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::architecture::Architecture;
use crate::build;
use crate::process::{self, say};
use crate::report::Parts;
use crate::servers;
use crate::toolchain::Toolchain;
use crate::vm::{self, Guest, Size};

/// Measure what a scrape of `ctpulse serve` costs.
///
/// On this machine, as root: of one network namespace, beside node_exporter's conntrack collector
/// alone, and of many, which are made for it. In a guest: with probes, of namespaces in which
/// connections are tracked. There a nanosecond is an instruction, so that the figures are the same
/// however busy this machine is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The guest's kernel, as for `vm`
    #[arg(long, default_value = "6.12")]
    kernel: String,

    /// Network namespaces on this machine
    #[arg(long, default_value_t = 512)]
    namespaces: u32,

    /// Scrapes in each format
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Only on this machine
    #[arg(long, conflicts_with = "guest")]
    host: bool,

    /// Only in a guest
    #[arg(long)]
    guest: bool,
}

/// What measures.
const SCRAPE: &str = "scrape";

/// How long it may take in a guest.
const LIMIT: Duration = Duration::from_secs(3600);

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let toolchain = Toolchain::ensure(Architecture::HOST)?;
    let artifacts = build::all(&toolchain, Architecture::HOST)?;
    let mut programs = build::test_programs(&toolchain, Architecture::HOST)?;
    let scrape = programs.iter().find(|program| program.ends_with(SCRAPE));
    let scrape = scrape.with_context(|| format!("the test programs have no {SCRAPE}"))?;
    if !args.guest {
        here(scrape, &artifacts.binary, args)?;
    }
    if !args.host {
        programs.push(artifacts.binary);
        in_guest(&programs, args)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn here(scrape: &Path, ctpulse: &Path, args: &Args) -> Result<()> {
    let node_exporter = servers::tree()?.join(servers::NODE_EXPORTER);
    let measure = || {
        let mut command = Command::new(scrape);
        command.arg("--ctpulse").arg(ctpulse);
        command.arg(format!("--rounds={}", args.rounds));
        command
    };
    say("bench scrape: one namespace on this machine …");
    process::pass(measure().arg("--node-exporter").arg(node_exporter))?;
    say(format_args!(
        "bench scrape: {} namespaces on this machine …",
        args.namespaces
    ));
    process::pass(measure().arg(format!("--namespaces={}", args.namespaces)))
}

fn in_guest(programs: &[PathBuf], args: &Args) -> Result<()> {
    say(format_args!(
        "bench scrape: with probes on {} …",
        args.kernel
    ));
    let guest = Guest {
        architecture: Architecture::HOST,
        kernel: args.kernel.clone(),
        size: Size {
            cpus: 1,
            memory: "1024M".to_owned(),
        },
        timeout: Some(LIMIT),
        append: String::new(),
        files: vm::in_bin(programs).collect(),
        out: Vec::new(),
        no_modules: false,
        instructions: true,
        command: Some(vec![
            SCRAPE.to_owned(),
            "--traffic".to_owned(),
            format!("--rounds={}", args.rounds),
        ]),
        resume: None,
    };
    match guest.run(&mut Parts::default())?.status {
        0 => Ok(()),
        status => bail!("the bench on {} ended with status {status}", args.kernel),
    }
}
