//! The address of a server.

use std::{fmt, str::FromStr};

use hyper::Uri;
use thiserror::Error;

use crate::text::Plain;

/// `http(s)://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAddress {
    pub tls: bool,
    pub host: String,
    pub port: u16,
    /// Host and port as they are written.
    pub authority: String,
    pub path: String,
}

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HttpAddressError {
    #[error("expected http://HOST:PORT/PATH or https://HOST:PORT/PATH")]
    Form,
    #[error("a password does not belong into an address, which everybody on this host can read")]
    Password,
}

impl HttpAddress {
    /// With this path if it has none.
    #[must_use]
    pub fn or_path(mut self, path: &str) -> Self {
        if self.path == "/" {
            path.clone_into(&mut self.path);
        }
        self
    }

    /// Whether connections to it are encrypted.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.tls
    }
}

impl FromStr for HttpAddress {
    type Err = HttpAddressError;

    fn from_str(text: &str) -> Result<Self, HttpAddressError> {
        let uri: Uri = text.parse().map_err(|_| HttpAddressError::Form)?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(HttpAddressError::Form),
        };
        let authority = uri.authority().ok_or(HttpAddressError::Form)?;
        if authority.as_str().contains('@') {
            return Err(HttpAddressError::Password);
        }
        let host = authority.host();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        if host.is_empty() {
            return Err(HttpAddressError::Form);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.to_string(),
            path: path.to_owned(),
        })
    }
}

/// Without what is asked for: that may be a secret.
impl fmt::Display for HttpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{}", Plain(&self.authority), Plain(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_they_are_written() -> Result<(), HttpAddressError> {
        let address: HttpAddress = "https://[::1]/a?key=b".parse()?;
        assert_eq!((&*address.host, address.port), ("::1", 443));
        assert_eq!(address.path, "/a?key=b");
        assert_eq!(address.to_string(), "https://[::1]/a");
        let address: HttpAddress = "http://vm:8428".parse()?;
        assert_eq!(address.or_path("/api/v1/write").path, "/api/v1/write");
        for wrong in ["", "vm:8428", "ftp://vm/", "http://", "/x"] {
            assert_eq!(
                wrong.parse::<HttpAddress>(),
                Err(HttpAddressError::Form),
                "{wrong}"
            );
        }
        assert_eq!(
            "http://a:b@vm/".parse::<HttpAddress>(),
            Err(HttpAddressError::Password)
        );
        Ok(())
    }
}
