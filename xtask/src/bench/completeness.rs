//! `cargo xtask bench completeness`: what watchers count of a million flows, in a guest.

use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::in_guest::Bench;
use crate::apt::{self, Needed};
use crate::process;
use crate::vm::Size;

/// For comparison; conntrack is in every guest.
const BPFTRACE: Needed = Needed {
    program: "bpftrace",
    package: "bpftrace",
};

/// Count a million flows with ctpulse, `conntrack -E` and bpftrace at once.
///
/// In a guest, UDP packets make new flows from all CPUs, as fast as they can, while all three watch the same flows. The
/// report says how many each of them lost. It replaces the one in the manual.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The guest's kernel, as for `vm`
    #[arg(long, default_value = "6.12")]
    kernel: String,

    /// Flows in a run
    #[arg(long, default_value_t = 1_000_000)]
    flows: u32,

    /// Only print the report
    #[arg(long)]
    print: bool,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    apt::ensure(&[BPFTRACE])?;
    let bpftrace = process::find(BPFTRACE.program).context("bpftrace is missing")?;
    let bench = Bench {
        kernel: &args.kernel,
        size: Size {
            cpus: 2,
            memory: "4096M".to_owned(),
        },
        instructions: false,
        append: String::new(),
        others: vec![bpftrace],
        command: vec![
            "flood".to_owned(),
            "--complete".to_owned(),
            format!("--flows={}", args.flows),
        ],
    };
    bench.publish("completeness", "measured.md", args.print)?;
    Ok(ExitCode::SUCCESS)
}
