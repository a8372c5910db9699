//! The commands, one file each: settings to the engine, records to a sink. None knows how counting works.

mod check;
mod config;
mod doctor;
mod events;
mod failure;
mod generate;
mod live;
mod record;
mod replay;
mod replay_live;
mod report;
mod screen;
mod stream;

use std::{io, path::Path, process::ExitCode};

use clap::{CommandFactory, Parser, error::ErrorKind};

use self::failure::Failure;
use crate::{
    cli::{Cli, Command, LiveArgs, StreamArgs},
    clock::SystemClock,
    config::Config,
    engine::diagnostics::Diagnostics,
    text::is_harmful,
};

/// Standard output, for commands that write once and have nothing to end: a signal ends them at once, whatever they wait for.
#[expect(clippy::disallowed_methods, reason = "no signal is handled there")]
fn stdout() -> io::Stdout {
    io::stdout()
}

/// The program: the command line in, the exit status out.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse().and_then(|cli| match cli.check() {
        Ok(()) => Ok(cli),
        Err(problem) => Err(Cli::command().error(ErrorKind::ArgumentConflict, problem)),
    }) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let diagnostics = Diagnostics::new();
    diagnostics.log(cli.verbose);
    let done = match cli.command {
        None if screen::is_interactive() => live::run(&LiveArgs::default(), &diagnostics),
        None => stream::run(&StreamArgs::default(), &diagnostics),
        Some(Command::Live(args)) => live::run(&args, &diagnostics),
        Some(Command::Stream(args)) => stream::run(&args, &diagnostics),
        Some(Command::Events(args)) => events::run(&args, &diagnostics),
        Some(Command::Record(args)) => record::run(&args, &diagnostics),
        Some(Command::Replay(args)) if args.live => replay_live::run(&args, &diagnostics),
        Some(Command::Replay(args)) => replay::run(&args, &diagnostics),
        Some(Command::Report(args)) => report::run(&args, &diagnostics),
        Some(Command::Generate(args)) => generate::run(&args),
        Some(Command::Check(args)) => return check::run(&args, &SystemClock),
        Some(Command::Doctor(args)) => doctor::run(&args),
        Some(Command::Config(args)) => config::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            diagnostics.notify(failure);
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with the command line, or what was asked of it: help, the version.
fn refuse(error: &clap::Error) -> ExitCode {
    let arguments = std::env::args_os().skip(1);
    let arguments: Vec<_> = arguments
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    if error.use_stderr() && arguments.iter().any(|arg| arg.contains(is_harmful)) {
        // A shell may have put the names of others' files there, which are quoted.
        let message = error.to_string();
        Diagnostics::new().notify(message.lines().next().unwrap_or_default());
    } else {
        // Nobody can be told that it cannot be written.
        let _ = error.print();
    }
    let asked = arguments.iter().find(|arg| !arg.starts_with('-'));
    match asked.map(String::as_str) {
        Some("check") if error.use_stderr() => check::refuse(error),
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
    }
}

/// The configuration: of a file, or of the one that is read without being named.
fn configuration(file: Option<&Path>) -> Result<Config, Failure> {
    Ok(Config::load(file)?)
}
