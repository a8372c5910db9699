//! The configuration file: how alerts are evaluated, the limits of the commands that are run for them, and how the live view
//! starts.
//!
//! TOML. Every key is a row of [`keys`]; parsing, printing and the messages about mistakes follow from
//! those. A mistake is never passed over: unknown keys and values out of range are refused with their
//! line.

mod keys;
mod mistake;
mod parse;
mod print;
mod settings;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use self::settings::{Config, HookLimits, LiveConfig};
#[cfg(test)]
pub use self::settings::{LAYOUTS, THEMES};
use crate::{
    config::mistake::Mistake,
    files::{self, Remedied},
    text::PlainPath,
};

/// The file that is read when the user names none, if it exists.
pub const DEFAULT_PATH: &str = "/etc/ctpulse.toml";

/// The most bytes of a configuration. Real ones are far shorter; a longer file may be endless.
const MAX_BYTES: u64 = 1 << 20;

/// Why a configuration cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {}", PlainPath(path), Remedied(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is refused: `FILE:LINE: what is wrong`.
    #[error("{}:{line}: {mistake}", PlainPath(path))]
    Mistake {
        /// The file.
        path: PathBuf,
        /// The line of the first mistake, from 1.
        line: usize,
        /// The first mistake.
        mistake: Mistake,
    },
}

impl Config {
    /// Reads a file; without one, [`DEFAULT_PATH`] if it exists, else takes the defaults. Waits for the writer of a pipe.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or that is refused.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let path = file.unwrap_or(Path::new(DEFAULT_PATH));
        match files::read_or_wait(path, MAX_BYTES) {
            Ok(bytes) => Self::parse(&bytes, path),
            Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(source) => Err(ConfigError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Parses the contents of the file at `path`.
    ///
    /// # Errors
    ///
    /// The first mistake in it, with its line.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, ConfigError> {
        parse::config(bytes).map_err(|parse::MistakeAt(at, mistake)| ConfigError::Mistake {
            path: path.to_owned(),
            line: 1 + bytes.iter().take(at).filter(|&&b| b == b'\n').count(),
            mistake,
        })
    }

    /// A file that sets all of this, with every key explained.
    #[must_use]
    pub fn to_toml(&self) -> String {
        print::toml(self)
    }
}

#[cfg(test)]
mod tests;
