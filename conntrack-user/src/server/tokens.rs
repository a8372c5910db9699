//! Tokens: whoever has one may read.

use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::credentials::{CredentialsError, MadeOfFiles};

/// The fewest characters of a token: fewer can be guessed.
const LEAST: usize = 16;

/// The most tokens of a file.
const TOKENS: usize = 100;

/// A file with a token in each line.
#[derive(Clone, Debug)]
pub(super) struct TokenFile(pub(super) PathBuf);

/// The tokens of a file, by what they hash to: that is equally long for all, and says nothing of them.
pub(super) struct Tokens(Vec<[u8; 32]>);

/// What a request has to show for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    Valid,
    /// None was given.
    Missing,
    Invalid,
}

impl MadeOfFiles for TokenFile {
    type Made = Tokens;

    fn paths(&self) -> Vec<&Path> {
        vec![&self.0]
    }

    fn make(&self, contents: &[Vec<u8>]) -> Result<Tokens, CredentialsError> {
        let lines = contents
            .iter()
            .flat_map(|bytes| bytes.split(|b| *b == b'\n'));
        let tokens: Vec<&[u8]> = lines
            .map(<[u8]>::trim_ascii)
            .filter(|token| !token.is_empty())
            .collect();
        let refused = |what| CredentialsError::Contents {
            path: self.0.clone(),
            what,
        };
        if tokens.is_empty() || tokens.len() > TOKENS {
            return Err(refused(
                "a token in each line is expected, 1 to 100 of them",
            ));
        }
        if tokens.iter().any(|token| token.len() < LEAST) {
            return Err(refused(
                "a token has at least 16 characters; `head -c 32 /dev/urandom | base64` makes one",
            ));
        }
        if tokens
            .iter()
            .any(|token| !token.iter().all(u8::is_ascii_graphic))
        {
            return Err(refused(
                "a token has letters, digits and signs of ASCII only",
            ));
        }
        Ok(Tokens(tokens.into_iter().map(hash).collect()))
    }
}

impl Tokens {
    /// What a request shows: a token as such, or as the password that a browser asks for.
    pub(super) fn check(&self, headers: &HeaderMap) -> Credential {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Credential::Missing;
        };
        let is_known = token(value).is_some_and(|token| self.has(&token));
        match is_known {
            true => Credential::Valid,
            false => Credential::Invalid,
        }
    }

    /// Takes equally long whichever it is, and whether or not.
    fn has(&self, token: &[u8]) -> bool {
        let hash = hash(token);
        let none = Choice::from(0);
        let found = self
            .0
            .iter()
            .fold(none, |found, other| found | other.ct_eq(&hash));
        found.into()
    }
}

fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn token(value: &HeaderValue) -> Option<Vec<u8>> {
    let value = value.as_bytes();
    let space = value.iter().position(|b| *b == b' ')?;
    let (scheme, rest) = (&value[..space], value[space..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(rest.to_vec());
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let decoded = STANDARD.decode(rest).ok()?;
    let colon = decoded.iter().position(|b| *b == b':')?;
    Some(decoded[colon + 1..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "correct-horse-battery";

    fn tokens(text: &str) -> Result<Tokens, CredentialsError> {
        TokenFile("tokens".into()).make(&[text.as_bytes().to_vec()])
    }

    fn check(value: &str) -> Credential {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        let tokens = tokens(&format!("another-one-of-them\n  {TOKEN} \r\n\n")).unwrap();
        tokens.check(&headers)
    }

    #[test]
    fn a_token_or_a_password_is_known() {
        assert_eq!(check(&format!("Bearer {TOKEN}")), Credential::Valid);
        assert_eq!(check(&format!("bearer  {TOKEN}")), Credential::Valid);
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(check(&basic(&format!("me:{TOKEN}"))), Credential::Valid);
        assert_eq!(check(&basic(&format!(":{TOKEN}"))), Credential::Valid);
        for other in [
            TOKEN.to_owned(),
            format!("Digest {TOKEN}"),
            format!("Bearer {}", &TOKEN[1..]),
            format!("Bearer {TOKEN}x"),
            "Bearer ".to_owned(),
            "Bearer".to_owned(),
            "Basic !!".to_owned(),
            basic(TOKEN),
            basic(&format!("{TOKEN}:")),
        ] {
            assert_eq!(check(&other), Credential::Invalid, "{other}");
        }
        let known = tokens(TOKEN).unwrap();
        assert_eq!(known.check(&HeaderMap::new()), Credential::Missing);
    }

    #[test]
    fn files_without_a_token_that_is_worth_it_are_refused() {
        for text in [
            "",
            "\n \n",
            "short",
            "correct-horse-battery\nshort",
            "correct horse battery",
            "pässword-pässword",
        ] {
            assert!(tokens(text).is_err(), "{text:?}");
        }
        assert!(tokens(&format!("{TOKEN}\n").repeat(100)).is_ok());
        assert!(tokens(&format!("{TOKEN}\n").repeat(101)).is_err());
    }
}
