//! `cargo xtask test`: the tests that run on this machine, and those that need kernels of their
//! own.

mod guest;
mod host;
mod packages;
mod progress;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::architecture::Choice;
use crate::build;
use crate::report::Report;
use crate::toolchain::Toolchain;
use crate::vm::Size;

/// Run the tests on this machine and in guests with Debian's Linux 6.1 and 6.12.
///
/// All of them run, whatever fails; a summary comes last, with the time each part took. On 6.1 they are the chosen scenarios, which
/// drive every counter; `--kernel 6.1` runs all there. Other kernels on request: `--kernel 5.10`,
/// `--kernel 7`, or `--kernel 6.12-built-in` and `--kernel 6.12-thinlto`, which take some minutes to build. So are guests with
/// another processor, which is emulated: `--arch aarch64 --chosen`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Only the tests on this machine
    #[arg(long, conflicts_with_all = ["guest", "kernels"])]
    host: bool,

    /// Only the tests in guests
    #[arg(long)]
    guest: bool,

    /// The guests' kernels, as for `vm` [default: 6.1 and 6.12; 6.12 on aarch64]
    #[arg(long = "kernel", value_name = "KERNEL")]
    kernels: Vec<String>,

    #[command(flatten)]
    choice: Choice,

    /// In guests only the chosen scenarios, which drive every counter: enough for a kernel or processor that is tested on request
    #[arg(long, conflicts_with = "host")]
    chosen: bool,

    /// In guests attach probes by kprobe alone
    #[arg(long, conflicts_with = "host")]
    no_fentry: bool,

    /// Only the packages: made, checked by Debian's tools, and installed in a guest that boots systemd. As root
    #[arg(long, conflicts_with_all = ["host", "guest", "chosen", "no_fentry", "filters"])]
    packages: bool,

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
    let architecture = args.choice.architecture;
    if args.host && !architecture.is_host() {
        bail!("--arch {architecture} --host: its programs do not run on this machine");
    }
    let toolchain = Toolchain::ensure(architecture)?;
    let mut report = Report::default();
    if args.packages {
        let kernel = args.kernels.first().map_or("6.12", String::as_str);
        packages::tests(&mut report, kernel);
        return Ok(report.finish());
    }
    let artifacts = report.step("build", || build::all(&toolchain, architecture));
    if !args.guest && architecture.is_host() {
        host::tests(&mut report, &toolchain, artifacts.as_ref(), &args.filters);
    }
    if !args.host {
        guest::tests(&mut report, &toolchain, artifacts.as_ref(), &args);
    }
    Ok(report.finish())
}
