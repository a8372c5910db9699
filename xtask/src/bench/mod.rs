//! `cargo xtask bench`: what ctpulse costs, measured.

mod completeness;
mod growth;
mod in_guest;
mod kernel_path;
mod page;
mod resolution;
mod scrape;
mod user_space;

use std::process::ExitCode;

use anyhow::Result;

/// Measure what ctpulse costs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Completeness(completeness::Args),
    Growth(growth::Args),
    KernelPath(kernel_path::Args),
    Resolution(resolution::Args),
    Scrape(scrape::Args),
    UserSpace(user_space::Args),
}

pub(crate) fn main(args: Args) -> Result<ExitCode> {
    match args.what {
        What::Completeness(args) => completeness::main(&args),
        What::Growth(args) => growth::main(&args),
        What::KernelPath(args) => kernel_path::main(args),
        What::Resolution(args) => resolution::main(&args),
        What::Scrape(args) => scrape::main(&args),
        What::UserSpace(args) => user_space::main(&args),
    }
}
