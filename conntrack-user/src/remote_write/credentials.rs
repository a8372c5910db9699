//! Secrets for the server, from files.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::header::HeaderValue;

use super::{CredentialFile, RemoteWriteError};
use crate::files;

/// The most bytes of a file with a secret.
const SECRET: u64 = 64 << 10;

/// The value of `Authorization`.
pub(super) fn authorization(file: &CredentialFile) -> Result<HeaderValue, RemoteWriteError> {
    let (text, path) = match file {
        CredentialFile::Bearer(path) => (format!("Bearer {}", secret(path)?), path),
        CredentialFile::Basic { user, password } => {
            let pair = format!("{user}:{}", secret(password)?);
            (format!("Basic {}", STANDARD.encode(pair)), password)
        }
    };
    let value = HeaderValue::try_from(text).map_err(|_| RemoteWriteError::NoSecret {
        path: path.clone(),
        why: "the secret has characters that a header cannot have",
    });
    let mut value = value?;
    value.set_sensitive(true);
    Ok(value)
}

fn secret(path: &Path) -> Result<String, RemoteWriteError> {
    let bytes = files::read(path, SECRET).map_err(|source| RemoteWriteError::Secret {
        path: path.to_owned(),
        source,
    })?;
    let text = String::from_utf8_lossy(&bytes);
    match text.lines().next().map(str::trim) {
        Some(secret) if !secret.is_empty() => Ok(secret.to_owned()),
        _ => Err(RemoteWriteError::NoSecret {
            path: path.to_owned(),
            why: "its first line is empty; the secret is expected there",
        }),
    }
}
