//! Where records come from, as users write it: FILE, `-`, `ssh://[user@]host[:port]`, `http(s)://host[:port]/stream`, each perhaps
//! with `NAME=` before it.

use std::{fmt, path::PathBuf, str::FromStr};

use thiserror::Error;

use crate::{
    client::{HttpAddress, HttpAddressError},
    text::Text,
};

/// The path that serves records where none is given.
const STREAM: &str = "/stream";

/// The most characters of a name.
const NAME_CHARS: usize = 64;

/// A source of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The name that was given.
    pub(super) name: Option<Text>,
    pub(super) place: SourcePlace,
    /// All of it, as it was written.
    written: String,
}

/// What a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SourcePlace {
    File(PathBuf),
    Stdin,
    Ssh(SshHost),
    Http(HttpAddress),
}

/// What ssh connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SshHost {
    pub(super) user: Option<String>,
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

/// Why text is no source.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    #[error("is empty; expected FILE, -, ssh://[user@]host[:port] or http(s)://host:port/stream")]
    Empty,
    #[error("expected ssh://[user@]host[:port], such as ssh://root@gateway:2222")]
    Ssh,
    #[error("expected http://host:port/stream or https://host:port/stream")]
    Http,
    #[error(
        "a password or token does not belong into an address: CTPULSE_TOKEN or --from-token-file"
    )]
    Password,
    #[error("no such scheme; there are ssh://, http:// and https://")]
    Scheme,
}

impl Source {
    /// What its instances are named after, unless another source has that name too; `None`: what its records say.
    pub(super) fn host(&self) -> Option<&str> {
        match &self.place {
            SourcePlace::File(_) | SourcePlace::Stdin => None,
            SourcePlace::Ssh(ssh) => Some(&ssh.host),
            SourcePlace::Http(http) => Some(&http.host),
        }
    }

    /// The same with the port.
    pub(super) fn host_and_port(&self) -> Option<String> {
        match &self.place {
            SourcePlace::File(_) | SourcePlace::Stdin => None,
            SourcePlace::Ssh(ssh) => Some(format!("{}:{}", ssh.host, ssh.port.unwrap_or(22))),
            SourcePlace::Http(http) => Some(format!("{}:{}", http.host, http.port)),
        }
    }

    /// Whether a ctpulse is started for it, so that it can be told what to measure.
    #[must_use]
    pub const fn is_started(&self) -> bool {
        matches!(self.place, SourcePlace::Ssh(_))
    }

    /// Whether it is a file, or standard input: what has ended may be looked at for longer.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        matches!(self.place, SourcePlace::File(_) | SourcePlace::Stdin)
    }

    /// Whether it is standard input.
    #[must_use]
    pub const fn is_stdin(&self) -> bool {
        matches!(self.place, SourcePlace::Stdin)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

impl FromStr for Source {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (name, place) = match text.split_once('=') {
            Some((name, place)) if is_name(name) => (Some(name.to_owned().into()), place),
            _ => (None, text),
        };
        let place = match place.split_once("://") {
            _ if place.is_empty() => return Err(AddressError::Empty),
            _ if place == "-" => SourcePlace::Stdin,
            Some(("ssh", rest)) => SourcePlace::Ssh(ssh(rest)?),
            Some(("http" | "https", _)) => SourcePlace::Http(http(place)?),
            Some((scheme, _)) if is_name(scheme) => {
                return Err(AddressError::Scheme);
            }
            _ => SourcePlace::File(place.into()),
        };
        Ok(Self {
            name,
            place,
            written: text.to_owned(),
        })
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=NAME_CHARS).contains(&text.len()) && text.chars().all(allowed)
}

/// A host that is no option to ssh, and nothing to a shell.
fn ssh(rest: &str) -> Result<SshHost, AddressError> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (user, place) = match rest.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => return Err(AddressError::Password),
        Some((user, place)) => (Some(user), place),
        None => (None, rest),
    };
    let (host, port) = match place.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed.split_once(']').ok_or(AddressError::Ssh)?;
            (
                host,
                after.strip_prefix(':').or(after.is_empty().then_some("")),
            )
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, Some("")),
        },
    };
    let port = match port.ok_or(AddressError::Ssh)? {
        "" => None,
        port => Some(port.parse().map_err(|_| AddressError::Ssh)?),
    };
    let is_word = |text: &str| {
        let allowed =
            |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '%' | '@' | '\\');
        !text.is_empty() && !text.starts_with('-') && text.chars().all(allowed)
    };
    if !is_word(host) || user.is_some_and(|user| !is_word(user)) {
        return Err(AddressError::Ssh);
    }
    Ok(SshHost {
        user: user.map(str::to_owned),
        host: host.to_owned(),
        port,
    })
}

fn http(text: &str) -> Result<HttpAddress, AddressError> {
    let address = text.parse::<HttpAddress>();
    let address = address.map_err(|error| match error {
        HttpAddressError::Password => AddressError::Password,
        HttpAddressError::Form => AddressError::Http,
    })?;
    Ok(address.or_path(STREAM))
}
