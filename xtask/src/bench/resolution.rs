//! `cargo xtask bench resolution`: which bursts are seen, in a guest that is busy.

use std::process::ExitCode;

use anyhow::Result;

use super::in_guest::Bench;
use crate::vm::Size;

/// Find out which bursts are seen, and how long they seem to be.
///
/// In a guest whose CPU is busy with other work, bursts of 1 to 500 ms are made while ctpulse has the lowest priority and is
/// stopped, beside programs that read the number of entries 1,000 times a second and once a second. The guest's clock counts
/// instructions, so that other work on this machine delays nobody. The report replaces the one in the manual.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The guest's kernel, as for `vm`
    #[arg(long, default_value = "6.12")]
    kernel: String,

    /// How often each burst is made
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    repetitions: u32,

    /// Only print the report
    #[arg(long)]
    print: bool,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let bench = Bench {
        kernel: &args.kernel,
        size: Size {
            cpus: 1,
            memory: "1024M".to_owned(),
        },
        instructions: true,
        append: String::new(),
        others: Vec::new(),
        command: vec![
            "resolution".to_owned(),
            format!("--repetitions={}", args.repetitions),
        ],
    };
    bench.publish("resolution", "measured.md", args.print)?;
    Ok(ExitCode::SUCCESS)
}
