//! The commands, one file each: settings to the engine, records to a sink. None knows how counting works.

mod check;
mod config;
mod doctor;
mod events;
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
use thiserror::Error;

use crate::{
    cli::{Cli, Command, LiveArgs, StreamArgs},
    clock::SystemClock,
    config::{Config, ConfigError},
    engine::{diagnostics::Diagnostics, drive::DriveError, error::EngineError},
    recording::file::OpenError,
};

/// Why a command failed, in one line.
#[derive(Debug, Error)]
enum Failure {
    /// What runs could not start, or go on.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What was shown could not be written; nobody reading any more is no failure.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    /// A file could not be read or written.
    #[error("{file}: {source}")]
    File {
        /// Its name.
        file: String,
        /// What the kernel said, or what is wrong with it.
        source: io::Error,
    },
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no file to record to.
    #[error(transparent)]
    Recording(#[from] OpenError),
    /// Anything else, as it is told.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    fn file(file: &Path, source: io::Error) -> Self {
        Self::File {
            file: file.display().to_string(),
            source,
        }
    }
}

impl From<DriveError> for Failure {
    fn from(error: DriveError) -> Self {
        match error {
            DriveError::Engine(error) => Self::Engine(error),
            DriveError::Write(error) => Self::Output(error),
        }
    }
}

/// The program: the command line in, the exit status out.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| check::refuse(&error));
    if let Err(problem) = cli.check() {
        // Says so, and ends the program with the status of bad usage.
        Cli::command()
            .error(ErrorKind::ArgumentConflict, problem)
            .exit();
    }
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

/// The configuration: of a file, or of the one that is read without being named.
fn configuration(file: Option<&Path>) -> Result<Config, Failure> {
    Ok(Config::load(file)?)
}
