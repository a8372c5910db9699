//! `cargo xtask bench growth`: how the cost grows with what there is.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use super::in_guest::Bench;
use super::page;
use crate::architecture::Architecture;
use crate::toolchain::Toolchain;
use crate::vm::Size;
use crate::{build, paths, process};

/// Measure how the cost grows: with CPUs, namespaces, the length of recordings, and entries.
///
/// On this machine, as root: ticks with 1 to 512 rows and network namespaces, which are made for it, and recordings of a minute to a
/// day, made of a short one. In guests, where a nanosecond is an instruction: ticks of a kernel that may have 1 to 512 CPUs, and ticks
/// and listings with a thousand to a million entries.
/// The report replaces the one in the manual.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The guest's kernel, as for `vm`
    #[arg(long, default_value = "6.12")]
    kernel: String,

    /// How often each tick is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Only print the report
    #[arg(long)]
    print: bool,
}

/// The short run that recordings are made of.
const RECORDING: &str = "tests/fixtures/recordings/incident-6.12.ctp";

/// CPUs that there may be.
const POSSIBLE: [u32; 3] = [1, 64, 512];

/// A kernel that can be given any number of them with `possible_cpus`; later ones count the processors.
const CPUS_KERNEL: &str = "6.1";

const CPUS_HEAD: &str = "| rows | opening, reading and closing the file | a tick of ctpulse | × the bare read |\n\
    | --: | --: | --: | --: |\n";

/// What measures.
const TICK: &str = "tick";

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let toolchain = Toolchain::ensure(Architecture::HOST)?;
    let artifacts = build::all(&toolchain, Architecture::HOST)?;
    let programs = build::test_programs(&toolchain, Architecture::HOST)?;
    let tick = programs.iter().find(|program| program.ends_with(TICK));
    let mut here = Command::new(tick.with_context(|| format!("there is no {TICK}"))?);
    here.arg("--ctpulse").arg(&artifacts.binary);
    here.arg("--growth").arg(paths::workspace().join(RECORDING));
    here.arg(format!("--rounds={}", args.rounds));
    let mut report = GrowthReport {
        text: String::new(),
        shown: args.print,
    };
    report.add(&process::capture(&mut here)?);
    report.add("\nThe file itself, as a kernel writes it for so many CPUs that there may be:\n\n");
    report.add(CPUS_HEAD);
    for cpus in POSSIBLE {
        let mut guest = guest(CPUS_KERNEL, "--cpus");
        guest.append = format!("possible_cpus={cpus}");
        report.text.push_str(&guest.run()?);
    }
    report.add(&format!(
        "\nThousands of instructions, in the process and in the kernel for it, a mean of 200 ticks. Linux {CPUS_KERNEL}, one CPU.\n"
    ));
    report.add("\nEntries in the table:\n\n");
    let entries = guest(&args.kernel, "--entries").run()?;
    report.text.push_str(&entries);
    if !args.print {
        page::publish(&report.text, "growth", "measured.md")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is reported; what guests print is shown as it comes.
struct GrowthReport {
    text: String,
    /// Whether the rest is shown, too.
    shown: bool,
}

impl GrowthReport {
    fn add(&mut self, text: &str) {
        if self.shown {
            print!("{text}");
        }
        self.text.push_str(text);
    }
}

/// A guest in which a nanosecond is an instruction.
fn guest<'a>(kernel: &'a str, what: &str) -> Bench<'a> {
    Bench {
        kernel,
        size: Size {
            cpus: 1,
            memory: "2048M".to_owned(),
        },
        instructions: true,
        append: String::new(),
        others: Vec::new(),
        command: vec![TICK.to_owned(), what.to_owned()],
    }
}
