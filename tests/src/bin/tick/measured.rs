//! The CPU time and the memory of a program that runs to its end, with all of its threads. The kernel tells them of the children that
//! were waited for; so a program of its own, this one, has it as its only child.

use std::{
    env,
    ffi::OsString,
    process::{Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};

/// What a program took.
pub(crate) struct Taken {
    pub(crate) cpu: Duration,
    pub(crate) peak_kib: u64,
}

/// The option with which this program runs another, and says what that took.
const OPTION: &str = "--measured";

/// Runs a program whose output nobody wants.
pub(crate) fn run(program: &[OsString]) -> Result<Taken> {
    let output = command(program)?.stdin(Stdio::null()).output()?;
    taken(output)
}

/// How it is run and measured.
pub(crate) fn command(program: &[OsString]) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(OPTION).args(program).stderr(Stdio::inherit());
    Ok(command)
}

/// What that has written.
pub(crate) fn taken(output: Output) -> Result<Taken> {
    ensure!(output.status.success(), "{}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let numbers = text.trim().split_once(' ').context("two numbers")?;
    Ok(Taken {
        cpu: Duration::from_micros(numbers.0.parse()?),
        peak_kib: numbers.1.parse()?,
    })
}

/// Runs a program, and prints what it took.
pub(crate) fn child(program: &[OsString]) -> Result<()> {
    let (name, args) = program.split_first().context("a program to run")?;
    let status = Command::new(name)
        .args(args)
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "{}: {status}", name.display());
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let (user, system) = (usage.user_time(), usage.system_time());
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    println!("{} {}", micros(user) + micros(system), usage.max_rss());
    Ok(())
}
