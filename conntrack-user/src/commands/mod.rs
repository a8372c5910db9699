//! The commands, one file each: they pass settings to the engine and its records to a sink. None knows how counting works.

mod advise;
mod check;
mod check_from;
mod config;
mod doctor;
mod events;
mod failure;
mod from;
mod generate;
mod input;
mod keeper;
mod live;
mod live_from;
mod look;
mod netdata;
mod record;
mod replay;
mod replay_live;
mod report;
mod screen;
mod serve;
mod stream;
mod whole_file;

use std::{io, path::Path, process::ExitCode};

use clap::{CommandFactory, Parser, error::ErrorKind};

use self::failure::Failure;
use crate::{
    cli::{Cli, Command, LiveArgs, StreamArgs},
    clock::SystemClock,
    config::Config,
    engine::{diagnostics::Diagnostics, hook, signals},
    text::is_harmful,
};

/// Standard output, for commands that write once. They handle no signals: a signal kills them at once, even while they block.
#[expect(clippy::disallowed_methods, reason = "no signal is handled there")]
fn stdout() -> io::Stdout {
    io::stdout()
}

/// The program: parses the command line, runs the command, returns the exit status.
#[must_use]
pub fn main() -> ExitCode {
    let line = netdata::as_plugin(std::env::args_os().collect());
    let cli = match Cli::try_parse_from(line).and_then(|cli| match cli.check() {
        Ok(()) => Ok(cli),
        Err(problem) => Err(Cli::command().error(ErrorKind::ArgumentConflict, problem)),
    }) {
        Ok(cli) => cli,
        Err(error) => return report_usage_error(&error),
    };
    let diagnostics = Diagnostics::new();
    diagnostics.log(cli.verbose > 0);
    // Without it the signal kills, as it does most programs.
    let _ = signals::survive_limit_of_files();
    let done = match cli.command {
        None if screen::is_interactive() => live::run(&LiveArgs::default(), &diagnostics),
        None => stream::run(&StreamArgs::default(), &diagnostics),
        Some(Command::Live(args)) if args.stream.from.is_given() => {
            live_from::run(&args, &diagnostics)
        }
        Some(Command::Live(args)) => live::run(&args, &diagnostics),
        Some(Command::Stream(args)) => stream::run(&args, &diagnostics),
        Some(Command::Netdata(args)) => netdata::run(&args, &diagnostics),
        Some(Command::Events(args)) => events::run(&args, &diagnostics),
        Some(Command::Record(args)) => record::run(&args, &diagnostics),
        Some(Command::Replay(args)) if args.live => replay_live::run(&args, &diagnostics),
        Some(Command::Replay(args)) => replay::run(&args, &diagnostics),
        Some(Command::Report(args)) => report::run(&args, &diagnostics),
        Some(Command::Advise(args)) => advise::run(&args, &diagnostics),
        Some(Command::Serve(args)) => serve::run(&args, &diagnostics),
        Some(Command::Completions(args)) => generate::completions(&args),
        Some(Command::Generate(args)) => generate::run(&args),
        Some(Command::Check(args)) if args.from.is_given() => {
            return check_from::run(&args, &diagnostics);
        }
        Some(Command::Check(args)) => return check::run(&args, cli.verbose > 0, SystemClock),
        Some(Command::Doctor(args)) => doctor::run(&args),
        Some(Command::Config(args)) => config::run(&args),
        Some(Command::OnAlertHelper) => hook::helper::run().map_err(Failure::from),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has closed the pipe: that is not an error.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            diagnostics.notify(failure);
            ExitCode::FAILURE
        }
    }
}

/// Prints an error of the command line, or the requested help or version.
fn report_usage_error(error: &clap::Error) -> ExitCode {
    let arguments = std::env::args_os().skip(1);
    let arguments: Vec<_> = arguments
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    if error.use_stderr() && arguments.iter().any(|arg| arg.contains(is_harmful)) {
        // File names in the message may come from a shell's globbing, and from other users: they are escaped.
        let message = error.to_string();
        Diagnostics::new().notify(message.lines().next().unwrap_or_default());
    } else {
        // If this fails, there is nowhere to report it.
        let _ = error.print();
    }
    let asked = arguments.iter().find(|arg| !arg.starts_with('-'));
    match asked.map(String::as_str) {
        Some("check") if error.use_stderr() => check::report_usage_error(error),
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
    }
}

/// The configuration: of the given file, or else of the default one.
fn configuration(file: Option<&Path>) -> Result<Config, Failure> {
    Ok(Config::load(file)?)
}
