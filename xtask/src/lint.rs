//! `cargo xtask lint`: formatting, clippy and dependencies.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::architecture::Architecture;
use crate::build;
use crate::paths;
use crate::process;
use crate::report::Report;
use crate::toolchain::Toolchain;

/// Check formatting, clippy's lints, and the dependencies' licences and sources.
///
/// All checks run, whatever fails; a summary comes last. Known vulnerabilities are looked up only
/// with --advisories, because the database is fetched from the network.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also look for known vulnerabilities (fetches the RustSec database from GitHub)
    #[arg(long)]
    advisories: bool,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let toolchain = Toolchain::ensure(Architecture::HOST)?;
    let mut report = Report::default();
    report.step("format", || {
        let fmt = ["fmt", "--all", "--check"];
        process::run(toolchain.cargo().args(fmt))?;
        process::run(toolchain.cargo().args(fmt).args(FUZZING))
    });
    match report.step("eBPF object", || {
        build::ebpf_object(&toolchain, Architecture::HOST)
    }) {
        Some(object) => {
            report.step("clippy", || host_clippy(&toolchain, &object));
        }
        None => report.skip("clippy", "ctpulse needs the eBPF object"),
    }
    for architecture in Architecture::ALL {
        report.step(format!("clippy for eBPF on {architecture}"), || {
            let mut clippy = build::ebpf_cargo(&toolchain, "clippy", architecture)?;
            process::run(clippy.args(["--", "-D", "warnings"]))
        });
    }
    report.step("clippy for fuzzing", || fuzz_clippy(&toolchain));
    report.step("dependencies", || deny(&toolchain, args.advisories));
    Ok(report.finish())
}

fn host_clippy(toolchain: &Toolchain, ebpf_object: &Path) -> Result<()> {
    // The eBPF programs do not compile for the host; the library that they share with it does.
    for selection in [
        &[
            "--workspace",
            "--exclude",
            "conntrack-ebpf",
            "--all-targets",
        ][..],
        &["-p", "conntrack-ebpf", "--lib"],
    ] {
        let mut cargo = build::host_cargo(toolchain, "clippy", ebpf_object);
        process::run(cargo.args(selection).args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

/// The targets of the fuzzer, which are a workspace of their own.
const FUZZING: [&str; 2] = ["--manifest-path", "tests/fuzz/Cargo.toml"];

fn fuzz_clippy(toolchain: &Toolchain) -> Result<()> {
    let mut cargo = toolchain.cargo();
    cargo.arg("clippy").args(FUZZING);
    cargo.args(["--all-targets", "--", "-D", "warnings"]);
    cargo.env("RUSTFLAGS", "--cfg fuzzing");
    cargo.env("CARGO_TARGET_DIR", paths::target().join("fuzz-lint"));
    // Nothing is linked, so that the fuzzer, which is in C++, need not be compiled.
    cargo.env("CUSTOM_LIBFUZZER_PATH", "/none/libfuzzer.a");
    process::run(&mut cargo)
}

fn deny(toolchain: &Toolchain, advisories: bool) -> Result<()> {
    for workspace in [&[][..], &FUZZING] {
        let mut deny = toolchain
            .cargo_deny()
            .context("cannot check dependencies")?;
        deny.args(workspace).arg("--workspace");
        deny.args(["check", "bans", "licenses", "sources"]);
        if advisories {
            deny.arg("advisories");
        }
        process::run(&mut deny)?;
    }
    Ok(())
}
