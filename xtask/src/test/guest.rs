//! Scenarios that run in guests, one after another in each.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::Args;
use super::progress::{self, Failed, Progress};
use crate::architecture::Architecture;
use crate::build::{self, Artifacts};
use crate::process::{self, say};
use crate::report::{Parts, Report};
use crate::servers;
use crate::toolchain::Toolchain;
use crate::vm::{self, Guest, Size};

/// Runs the scenarios on each kernel.
pub(super) fn tests(
    report: &mut Report,
    toolchain: &Toolchain,
    artifacts: Option<&Artifacts>,
    args: &Args,
) {
    let architecture = args.choice.architecture;
    let programs = artifacts.and_then(|artifacts| {
        report.step("build of guest tests", || {
            Programs::build(toolchain, artifacts, architecture)
        })
    });
    for Planned { kernel, chosen } in kernels(args) {
        let args = &Args {
            chosen,
            ..args.clone()
        };
        for timing in [Timing::Any, Timing::Exact] {
            let mut name = format!("{} on {kernel}", timing.name());
            if !architecture.is_host() {
                name = format!("{name}, {architecture}");
            }
            let Some(programs) = &programs else {
                report.skip(name, "the build failed");
                continue;
            };
            // If the list cannot be read, boot the guest.
            if programs.any_scenario(timing, args).unwrap_or(true) {
                report.step_in_parts(name, |parts| run(kernel, timing, programs, args, parts));
            }
        }
    }
}

/// A kernel, and whether only the chosen scenarios run on it.
struct Planned<'a> {
    kernel: &'a str,
    chosen: bool,
}

/// The guests' kernels: on arm64, the first whose tracing serves fentry is 6.4. Without being asked for, the older one gets the chosen
/// scenarios only, unless some are named: all of them on both take longer than one waits for.
fn kernels(args: &Args) -> Vec<Planned<'_>> {
    let planned = |kernel| Planned {
        kernel,
        chosen: args.chosen,
    };
    match args.choice.architecture {
        _ if !args.kernels.is_empty() => {
            args.kernels.iter().map(|kernel| planned(kernel)).collect()
        }
        Architecture::Amd64 => vec![
            Planned {
                kernel: "6.1",
                chosen: args.chosen || args.filters.is_empty(),
            },
            planned("6.12"),
        ],
        Architecture::Arm64 => vec![planned("6.12")],
    }
}

/// The files that a guest needs to run scenarios.
struct Programs {
    /// Of the host, to list the scenarios.
    guest_tests: PathBuf,
    /// Files of the host and their paths in the guest.
    files: Vec<(PathBuf, PathBuf)>,
}

impl Programs {
    fn build(
        toolchain: &Toolchain,
        artifacts: &Artifacts,
        architecture: Architecture,
    ) -> Result<Self> {
        let mut programs = build::test_programs(toolchain, architecture)?;
        let run_here = if architecture.is_host() {
            programs.clone()
        } else {
            let host = Architecture::HOST;
            build::test_programs(&Toolchain::ensure(host)?, host)?
        };
        let guest_tests = run_here
            .into_iter()
            .find(|program| program.ends_with(GUEST_TESTS))
            .with_context(|| format!("the test programs have no {GUEST_TESTS}"))?;
        programs.push(artifacts.binary.clone());
        let mut files: Vec<_> = vm::in_bin(&programs).collect();
        files.extend(vm::faulty_objects(build::faulty_ebpf_objects(
            toolchain,
            architecture,
        )?));
        Ok(Self { guest_tests, files })
    }

    /// The servers' programs that the selected scenarios take, for the guest's /bin. Packages are those for this machine's processor.
    fn of_servers(
        &self,
        timing: Timing,
        args: &Args,
        filters: &[String],
    ) -> Result<Vec<(PathBuf, PathBuf)>> {
        let mut list = Command::new(&self.guest_tests);
        list.arg("--list-programs")
            .args(selection(timing, args, filters));
        let names = process::capture(&mut list)?;
        if names.is_empty() || !args.choice.architecture.is_host() {
            return Ok(Vec::new());
        }
        let tree = servers::tree()?.join("usr/bin");
        let programs: Vec<_> = names.lines().map(|name| tree.join(name)).collect();
        Ok(vm::in_bin(&programs).collect())
    }

    /// Whether any scenario is selected; if not, the guest need not be booted.
    fn any_scenario(&self, timing: Timing, args: &Args) -> Result<bool> {
        let mut list = Command::new(&self.guest_tests);
        list.arg("--list")
            .args(selection(timing, args, &args.filters));
        let names = process::capture(&mut list)?;
        Ok(names.lines().any(|line| line.ends_with(": test")))
    }
}

/// The program that contains the scenarios.
const GUEST_TESTS: &str = "guest-tests";

/// The timing that scenarios require of their guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timing {
    /// None: the guest's CPUs run in parallel, as fast as they can.
    Any,
    /// Nothing must delay them: the guest's clock counts instructions.
    Exact,
}

impl Timing {
    fn name(self) -> &'static str {
        match self {
            Self::Any => "guest tests",
            Self::Exact => "guest tests of exact timing",
        }
    }

    /// The option of guest-tests that selects these scenarios.
    fn argument(self) -> &'static str {
        match self {
            Self::Any => "--timing=any",
            Self::Exact => "--timing=exact",
        }
    }
}

/// The most failed scenarios that are repeated. Emulated guests can be held up for seconds, which no scenario is made for; but
/// that does not happen to many of them, and what is wrong fails again. The summary names what took two attempts, with its error.
const REPEATED: usize = 3;

/// The arguments of guest-tests that select scenarios, and how they attach probes.
fn selection(timing: Timing, args: &Args, filters: &[String]) -> Vec<String> {
    let mut selection = vec![timing.argument().to_owned()];
    if args.chosen {
        selection.push("--chosen".to_owned());
    }
    if args.no_fentry {
        selection.push("--no-fentry".to_owned());
    }
    selection.extend_from_slice(filters);
    selection
}

/// Runs the scenarios of one kind on one kernel.
fn run(
    kernel: &str,
    timing: Timing,
    programs: &Programs,
    args: &Args,
    parts: &mut Parts,
) -> Result<()> {
    let failed = attempt(kernel, timing, programs, args, &args.filters, parts)?;
    if failed.is_empty() {
        return Ok(());
    }
    let errors = joined(failed.iter().map(Failed::to_string));
    if failed.len() > REPEATED {
        bail!("failed: {errors}");
    }
    say(format_args!("repeated in another guest: {errors}"));
    let names: Vec<_> = failed.into_iter().map(|failed| failed.name).collect();
    let again = attempt(kernel, timing, programs, args, &names, parts)?;
    if !again.is_empty() {
        bail!(
            "failed twice: {}",
            joined(again.iter().map(Failed::to_string))
        );
    }
    parts.remark(format!(
        "FAILED at the first attempt, passed at the second: {errors}"
    ));
    Ok(())
}

fn joined(errors: impl Iterator<Item = String>) -> String {
    errors.collect::<Vec<_>>().join("; ")
}

/// Runs the scenarios that the filters select in one guest, and returns those that failed.
fn attempt(
    kernel: &str,
    timing: Timing,
    programs: &Programs,
    args: &Args,
    filters: &[String],
    parts: &mut Parts,
) -> Result<Vec<Failed>> {
    let mut command = vec![GUEST_TESTS.to_owned()];
    command.extend(selection(timing, args, filters));
    let mut files = programs.files.clone();
    files.extend(programs.of_servers(timing, args, filters)?);
    let guest = Guest {
        architecture: args.choice.architecture,
        kernel: kernel.to_owned(),
        size: match timing {
            Timing::Any => args.size.clone(),
            // Its CPUs would share a thread, and 6.1 hangs where one starts another.
            Timing::Exact => Size {
                cpus: 1,
                ..args.size.clone()
            },
        },
        timeout: Some(Duration::from_secs(args.timeout)),
        append: String::new(),
        files,
        out: Vec::new(),
        no_modules: false,
        instructions: timing == Timing::Exact,
        command: Some(command),
        resume: Some(progress::resume),
    };
    let finished = guest.run(parts)?;
    let failed = Progress::of(&finished.output).failed;
    match finished.status {
        0 => Ok(Vec::new()),
        _ if !failed.is_empty() => Ok(failed),
        status => bail!("{GUEST_TESTS} ended with status {status}"),
    }
}
