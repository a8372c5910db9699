//! What is read, and how, as plain values.

use std::{fmt, path::PathBuf, time::Duration};

use crate::remote::Source;

/// What is read, and how.
#[derive(Clone, Debug)]
pub struct RemoteSettings {
    /// Where records come from.
    pub sources: Vec<Source>,
    /// How long the run lasts; `None`: until it is interrupted, or all sources have ended.
    pub duration: Option<Duration>,
    pub http: HttpSettings,
    pub ssh: SshSettings,
}

/// What is started by ssh.
#[derive(Clone, Debug)]
pub struct SshSettings {
    /// The ctpulse there.
    pub path: String,
    /// What it is to measure.
    pub arguments: Vec<String>,
    /// Whether it is started by `sudo -n`.
    pub sudo: bool,
    /// Whether this program is copied there for the run, instead.
    pub copy: bool,
    /// Options of ssh, such as `IdentityFile=key`.
    pub options: Vec<String>,
}

/// How sources by HTTP are read.
#[derive(Clone, Debug, Default)]
pub struct HttpSettings {
    /// The secret that a server asks for.
    pub token: Option<Token>,
    /// Whether samples are to have their buckets.
    pub buckets: bool,
    /// A file of certificates to trust instead of the system's.
    pub authorities: Option<PathBuf>,
}

/// A secret, which no message has.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// From what a file or a variable holds; `None` if that can be no token.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let allowed = |c: char| c.is_ascii_graphic();
        (!text.is_empty() && text.chars().all(allowed)).then(|| Self(text.to_owned()))
    }

    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
