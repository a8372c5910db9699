//! `cargo xtask test`: the tests that run on this machine, and those that need kernels of their
//! own.

mod guest;
mod host;
mod progress;

use std::process::ExitCode;

use anyhow::Result;

use crate::build;
use crate::report::Report;
use crate::toolchain::Toolchain;
use crate::vm::Size;

/// Run the tests on this machine and in guests with Debian's Linux 6.1 and 6.12.
///
/// All of them run, whatever fails; a summary comes last, with the time each part took. Other kernels on request: `--kernel 5.10`,
/// `--kernel 7`, or `--kernel 6.12-built-in`, which takes some minutes to build.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the tests on this machine
    #[arg(long, conflicts_with_all = ["guest", "kernels"])]
    host: bool,

    /// Only the tests in guests
    #[arg(long)]
    guest: bool,

    /// The guests' kernels, as for `vm`
    #[arg(long = "kernel", value_name = "KERNEL", default_values = ["6.1", "6.12"])]
    kernels: Vec<String>,

    #[command(flatten)]
    size: Size,

    /// How long the tests in a guest may take
    #[arg(long, value_name = "SECONDS", default_value_t = 5400, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,

    /// Only tests whose names contain one of these
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

pub(crate) fn main(args: Args) -> Result<ExitCode> {
    let toolchain = Toolchain::ensure()?;
    let mut report = Report::default();
    let artifacts = report.step("build", || build::all(&toolchain));
    if !args.guest {
        host::tests(&mut report, &toolchain, artifacts.as_ref(), &args.filters);
    }
    if !args.host {
        guest::tests(&mut report, &toolchain, artifacts.as_ref(), &args);
    }
    Ok(report.finish())
}
