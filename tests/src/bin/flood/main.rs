//! Measures what watching conntrack costs the kernel: a flood of new flows from every CPU, without a watcher, with ctpulse, and
//! with the tools it is compared to.
//!
//! Only for guests, as root: it loads rules, resizes the table and flushes it repeatedly.
//!
//! [`traffic`] creates the flows in the kernel's [`table`] while a [`watcher`] runs; [`probes`] and [`programs`] read its probes
//! and programs from the kernel. A [`lab`] combines these; [`bench`] and [`profile`] are two experiments in it, and [`complete`] is
//! one without it, each with its report.

mod bench;
mod complete;
mod lab;
mod probes;
mod process;
mod profile;
mod programs;
mod report;
mod sample;
mod table;
mod traffic;
mod watcher;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use lab::Lab;
use watcher::Condition;

/// Measures what watching conntrack costs a flood of new flows.
#[derive(Parser)]
struct Options {
    /// Flows in a round
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1_000..=4_000_000))]
    flows: u32,
    /// Rounds of each condition
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    repetitions: u32,
    /// Measure the BPF programs themselves, instead of the flood
    #[arg(long)]
    profile: bool,
    /// Count the flows with all watchers at once, instead of measuring what each costs
    #[arg(long, conflicts_with = "profile")]
    complete: bool,
    /// Say that a nanosecond of this machine's clock is one instruction
    #[arg(long)]
    instructions: bool,
    /// Only these besides nothing
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Condition>,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if options.complete {
        print!("{}", complete::run(options.flows)?);
        return Ok(ExitCode::SUCCESS);
    }
    let lab = Lab::prepare(options.flows)?;
    let text = if options.profile {
        profile::run(&lab, options.repetitions)?
    } else {
        let experiment = bench::Experiment {
            repetitions: options.repetitions,
            instructions: options.instructions,
            only: options.only,
        };
        bench::run(&lab, &experiment)?
    };
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}
