//! `cargo xtask bench`: what ctpulse costs, measured.

mod kernel_path;
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
    KernelPath(kernel_path::Args),
    Scrape(scrape::Args),
    UserSpace(user_space::Args),
}

pub(crate) fn main(args: Args) -> Result<ExitCode> {
    match args.what {
        What::KernelPath(args) => kernel_path::main(args),
        What::Scrape(args) => scrape::main(&args),
        What::UserSpace(args) => user_space::main(&args),
    }
}
