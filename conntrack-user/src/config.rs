//! The configuration file: how alerts are judged, and what the command that is told of them may take.
//!
//! TOML. Every key is a row of [`keys`]; parsing, printing and what is said of mistakes follow from
//! those. A mistake is never passed over: unknown keys and values out of range are refused with their
//! line.

mod keys;
mod parse;
mod print;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

pub use keys::{ALERT_KEYS, Key, Kind, ON_ALERT_KEYS};

use crate::model::alert::AlertSettings;

/// Read where no file is named, if it exists.
pub const DEFAULT_PATH: &str = "/etc/ctpulse.toml";

/// All that can be set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// How alerts are judged.
    pub alerts: AlertSettings,
    /// What the command of `--on-alert` may take.
    pub on_alert: Limits,
}

/// What commands may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time after which one is killed, with all that it has started.
    pub timeout: Duration,
    /// How many may run at once.
    pub at_once: usize,
    /// How many notifications may wait for their command.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            at_once: 4,
            queue: 64,
        }
    }
}

/// Why a file is refused: `FILE:LINE: what is wrong`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: PathBuf,
    line: usize,
    message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads a file; without one, [`DEFAULT_PATH`] if it exists, else takes the defaults.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or that is refused.
    pub fn load(file: Option<&Path>) -> io::Result<Self> {
        let path = file.unwrap_or(Path::new(DEFAULT_PATH));
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path).map_err(io::Error::other),
            Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            // Of no kind: a broken pipe here would be taken for one of the output.
            Err(error) => Err(io::Error::other(format!("{}: {error}", path.display()))),
        }
    }

    /// Parses what stands in `file`.
    ///
    /// # Errors
    ///
    /// The first mistake.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        parse::config(text).map_err(|fault| ConfigError {
            file: file.to_owned(),
            line: 1 + text.bytes().take(fault.at).filter(|&b| b == b'\n').count(),
            message: fault.message,
        })
    }

    /// The file that says all of this, with every key explained.
    #[must_use]
    pub fn to_toml(&self) -> String {
        print::toml(self)
    }
}

#[cfg(test)]
mod tests;
