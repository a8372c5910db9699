//! Why a command failed, in one line.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    config::ConfigError,
    engine::{drive::DriveError, error::EngineError},
    recording::{RecordingError, file::OpenError, writer::RecordError},
    text::PlainPath,
};

/// Why a command failed, in one line.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// What runs could not start, or go on.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What was shown could not be written; nobody reading any more is no failure.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    /// A file could not be read or written.
    #[error("{}: {source}", PlainPath(file))]
    File {
        file: PathBuf,
        /// What the kernel said, or what is wrong with it.
        source: io::Error,
    },
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no file to record to.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A recording cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// There is no terminal.
    #[error("the live view needs a terminal; {without}")]
    NoTerminal {
        /// What does without one.
        without: &'static str,
    },
    /// Answers and the recording would come from the same place.
    #[error("--step asks stdin, which the recording comes from; name a file")]
    StepOfStdin,
    /// There is nothing to report of.
    #[error("{}: there is no sample in {}", PlainPath(file), if *.part { "that part" } else { "it" })]
    NoSample {
        /// The recording.
        file: PathBuf,
        /// Whether only a part of it was asked for.
        part: bool,
    },
    /// A recording lacks something that was to be recorded.
    #[error("{}: {source}; {kept}", PlainPath(file))]
    NotKept {
        /// The recording.
        file: PathBuf,
        /// Why.
        source: RecordError,
        /// What it has.
        kept: String,
    },
    /// What was being recorded could not go on.
    #[error("{source}; {}: {kept}", PlainPath(file))]
    Stopped {
        /// Why.
        source: Box<DriveError>,
        /// The recording.
        file: PathBuf,
        /// What it has.
        kept: String,
    },
}

impl Failure {
    /// What went wrong with a file.
    pub(super) fn file(file: &Path, source: io::Error) -> Self {
        Self::File {
            file: file.to_owned(),
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
