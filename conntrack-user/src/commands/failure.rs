//! The errors of commands, each one line for the user.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    commands::whole_file::WholeFileError,
    config::ConfigError,
    engine::{drive::DriveError, error::EngineError},
    event_log::EventLogError,
    files::Remedied,
    recording::{RecordingError, file::OpenError, writer::RecordError},
    remote::RemoteError,
    remote_write::RemoteWriteError,
    server::ServerError,
    text::{PlainPath, Text},
};

/// Why a command failed.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// The run could not start or continue.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Requests cannot be answered.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Events cannot be written.
    #[error("--events-to: {0}")]
    EventLog(#[from] EventLogError),
    /// Samples cannot be sent.
    #[error("remote write: {0}")]
    RemoteWrite(#[from] RemoteWriteError),
    /// Standard output cannot be written. A closed pipe ([`io::ErrorKind::BrokenPipe`]) is not reported as a failure.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    /// A file could not be read or written.
    #[error("{}: {}", PlainPath(file), Remedied(source))]
    File { file: PathBuf, source: io::Error },
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A recording cannot be created or opened for writing.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file that was asked for cannot be written.
    #[error(transparent)]
    WholeFile(#[from] WholeFileError),
    /// A recording cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Events were asked for, and there are no probes to see them.
    #[error("no events without probes: {0}; `ctpulse doctor` says more")]
    NoEvents(Text),
    /// doctor was asked about several namespaces.
    #[error("--netns all: doctor looks at one network namespace")]
    AllNamespaces,
    /// The live view was started without a terminal.
    #[error("the live view needs a terminal; {without}")]
    NoTerminal {
        /// What to use without a terminal.
        without: &'static str,
    },
    /// `--step` and the recording would both read stdin.
    #[error("--step asks stdin, which the recording comes from; name a file")]
    StepOfStdin,
    /// The page would be appended to the recording that it is made of.
    #[error("standard output is the recording itself; -o PAGE names another file")]
    PageIntoInput,
    /// A report has no samples.
    #[error("{}: there is no sample in {}", PlainPath(file), if *.part { "that part" } else { "it" })]
    NoSample {
        file: PathBuf,
        /// Whether only a part of the recording was requested.
        part: bool,
    },
    /// The records of other hosts cannot be read.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The secret for a server cannot be used.
    #[error("{origin}: no token; expected a line of letters, digits and signs")]
    NoToken { origin: String },
    /// Records could not be written to a recording.
    #[error("{}: {source}; {kept}", PlainPath(file))]
    NotKept {
        file: PathBuf,
        source: RecordError,
        /// What the recording contains.
        kept: String,
    },
    /// The run that was being recorded failed.
    #[error("{source}; {}: {kept}", PlainPath(file))]
    Stopped {
        source: Box<Failure>,
        file: PathBuf,
        /// What the recording contains.
        kept: String,
    },
}

impl Failure {
    /// An error on a file.
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
