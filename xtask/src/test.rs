//! `cargo xtask test`: the tests that run on this machine, and those that need kernels of their
//! own.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::apt::{self, Needed};
use crate::build::{self, Artifacts};
use crate::process;
use crate::report::{Parts, Report};
use crate::toolchain::Toolchain;
use crate::vm::{self, Guest, Size};

/// Run the tests on this machine and in guests with Linux 6.1 and 6.12 (twice: as Debian has it, and with
/// nf_conntrack built in).
///
/// All of them run, whatever fails; a summary comes last, with the time each part took.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the tests on this machine
    #[arg(long, conflicts_with_all = ["guest", "kernels"])]
    host: bool,

    /// Only the tests in guests
    #[arg(long)]
    guest: bool,

    /// The guests' kernels, as for `vm`
    #[arg(long = "kernel", value_name = "KERNEL", default_values = ["6.1", "6.12", "6.12-built-in"])]
    kernels: Vec<String>,

    #[command(flatten)]
    size: Size,

    /// How long the tests in a guest may take
    #[arg(long, value_name = "SECONDS", default_value_t = 2700, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,

    /// Only tests whose names contain one of these
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

/// The browser that the report is tested in, and what drives it.
const BROWSER: &[Needed] = &[
    Needed {
        program: "chromium",
        package: "chromium",
    },
    Needed {
        program: "chromedriver",
        package: "chromium-driver",
    },
];

pub(crate) fn main(args: Args) -> Result<ExitCode> {
    let toolchain = Toolchain::ensure()?;
    let mut report = Report::default();
    let artifacts = report.step("build", || build::all(&toolchain));
    if !args.guest {
        // Without it the tests of the report fail, and their errors name what to install.
        report.step("browser", || apt::ensure(BROWSER));
        match &artifacts {
            Some(artifacts) => host(&mut report, &toolchain, artifacts, &args.filters),
            None => report.skip("host tests", "the build failed"),
        }
    }
    if !args.host {
        let files = artifacts.as_ref().and_then(|artifacts| {
            let mut programs = report.step("build of guest tests", || {
                build::test_programs(&toolchain, artifacts)
            })?;
            programs.push(artifacts.binary.clone());
            let wrong = report.step("build of the wrong selector", || {
                build::wrong_ebpf_object(&toolchain)
            })?;
            let mut files: Vec<_> = vm::in_bin(&programs).collect();
            files.push(vm::wrong_object(wrong));
            Some(files)
        });
        for kernel in &args.kernels {
            let name = format!("guest tests on {kernel}");
            match &files {
                Some(files) => {
                    report.step_in_parts(name, |parts| guest(kernel, files, &args, parts));
                }
                None => report.skip(name, "the build failed"),
            }
        }
    }
    Ok(report.finish())
}

/// The terminal that the live view is tested on.
const TMUX: Needed = Needed {
    program: "tmux",
    package: "tmux",
};

/// The workspace's own tests, unit and whole-program.
fn host(report: &mut Report, toolchain: &Toolchain, artifacts: &Artifacts, filters: &[String]) {
    let cargo = |selection: &[&str], more: &[&str]| -> Command {
        let mut cargo = build::host_cargo(toolchain, "test", &artifacts.ebpf_object);
        cargo.env("CTPULSE_BIN", &artifacts.binary);
        cargo.arg("--no-fail-fast").args(selection).args(more);
        cargo
    };
    let workspace = ["--workspace", "--exclude", "conntrack-ebpf"];
    // Its library is the host's as well as the kernel's; its programs are the kernel's only.
    let ebpf = ["-p", "conntrack-ebpf", "--lib"];
    let built = report.step("build of host tests", || {
        process::run(&mut cargo(&workspace, &["--no-run"]))?;
        process::run(&mut cargo(&ebpf, &["--no-run"]))
    });
    if built.is_none() {
        report.skip("host tests", "their build failed");
        return;
    }
    let filters: Vec<&str> = [
        &["--"][..],
        &filters.iter().map(String::as_str).collect::<Vec<_>>(),
    ]
    .concat();
    report.step("host tests", || {
        apt::ensure(&[TMUX])?;
        process::pass(&mut cargo(&workspace, &filters))
    });
    report.step("host tests of conntrack-ebpf", || {
        process::pass(&mut cargo(&ebpf, &filters))
    });
}

/// The scenarios that need a kernel with connection tracking to play with.
fn guest(kernel: &str, files: &[(PathBuf, PathBuf)], args: &Args, parts: &mut Parts) -> Result<()> {
    let mut command = vec!["guest-tests".to_owned()];
    command.extend_from_slice(&args.filters);
    let guest = Guest {
        kernel: kernel.to_owned(),
        size: args.size.clone(),
        timeout: Some(Duration::from_secs(args.timeout)),
        append: String::new(),
        files: files.to_vec(),
        no_modules: false,
        instructions: false,
        command: Some(command),
    };
    match guest.run(parts)? {
        0 => Ok(()),
        status => bail!("guest-tests ended with status {status}"),
    }
}
