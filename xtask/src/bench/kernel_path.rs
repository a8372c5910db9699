//! `cargo xtask bench kernel-path`: the cost of the probes per flow, in a guest.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::apt::{self, Needed};
use crate::architecture::Architecture;
use crate::process;
use crate::report::Parts;
use crate::toolchain::Toolchain;
use crate::vm::{self, Guest, Size};
use crate::{build, process::say};

/// bpftrace, for comparison; conntrack is in every guest.
const BPFTRACE: Needed = Needed {
    program: "bpftrace",
    package: "bpftrace",
};

/// Measure what the probes cost a flood of new flows, beside conntrack and bpftrace.
///
/// In a guest, UDP packets make new flows from all CPUs at once: with nothing watching, with
/// ctpulse's groups of probes, with `conntrack -E`, and with bpftrace counting the functions of the
/// flow group, by kprobe, kprobe.multi and fentry. The report goes to standard output, each round's
/// result to standard error.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The guests' kernels, as for `vm`, one after another
    #[arg(long = "kernel", value_name = "KERNEL", default_values = ["6.12"])]
    kernels: Vec<String>,

    /// Number of processors
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=255))]
    cpus: u32,

    /// Memory, as QEMU understands it; bpftrace and its compiler need much
    #[arg(long, default_value = "2048M")]
    memory: String,

    /// Flows in a round
    #[arg(long, default_value_t = 200_000)]
    flows: u32,

    /// Rounds of each condition
    #[arg(long, default_value_t = 7)]
    repetitions: u32,

    /// Measure the BPF programs themselves, by the kernel's clock: nanoseconds per hit of each
    #[arg(long)]
    profile: bool,

    /// Measure instructions instead of time: the guest's clock goes by instructions, one nanosecond
    /// each, so that the figures are the same however busy this machine is
    #[arg(long, conflicts_with = "profile")]
    instructions: bool,

    /// Measure only these besides nothing: flow, flow-kprobe, top, lifetimes, latency, all,
    /// conntrack, bpftrace, kprobe-multi, limit
    #[arg(long, value_delimiter = ',', value_name = "WATCHERS")]
    only: Vec<String>,

    /// How long it may take in a guest
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

pub(crate) fn main(args: Args) -> Result<ExitCode> {
    apt::ensure(&[BPFTRACE])?;
    let bpftrace = process::find(BPFTRACE.program).context("bpftrace is missing")?;
    let toolchain = Toolchain::ensure(Architecture::HOST)?;
    let artifacts = build::all(&toolchain, Architecture::HOST)?;
    let mut programs = build::test_programs(&toolchain, Architecture::HOST)?;
    programs.extend([artifacts.binary, bpftrace]);
    for kernel in &args.kernels {
        say(format_args!("bench kernel-path on {kernel} …"));
        match guest(kernel, &programs, &args)
            .run(&mut Parts::default())?
            .status
        {
            0 => {}
            status => bail!("the bench on {kernel} ended with status {status}"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn guest(kernel: &str, programs: &[PathBuf], args: &Args) -> Guest {
    let mut command = vec![
        "flood".to_owned(),
        format!("--flows={}", args.flows),
        format!("--repetitions={}", args.repetitions),
    ];
    if args.profile {
        command.push("--profile".to_owned());
    }
    if args.instructions {
        command.push("--instructions".to_owned());
    }
    if !args.only.is_empty() {
        command.push(format!("--only={}", args.only.join(",")));
    }
    Guest {
        architecture: Architecture::HOST,
        kernel: kernel.to_owned(),
        size: Size {
            cpus: args.cpus,
            memory: args.memory.clone(),
        },
        timeout: Some(Duration::from_secs(args.timeout)),
        append: String::new(),
        files: vm::in_bin(programs).collect(),
        out: Vec::new(),
        no_modules: false,
        instructions: args.instructions,
        command: Some(command),
        resume: None,
    }
}
