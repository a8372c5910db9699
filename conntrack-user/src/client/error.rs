//! Why a server was not reached, or gave no answer.

use std::io;

use thiserror::Error;

/// Why there is no answer. Another attempt may get one.
#[derive(Debug, Error)]
pub enum ClientError {
    #[error("{what}: {source}")]
    Io {
        what: &'static str,
        source: io::Error,
    },
    #[error("{what} took longer than {seconds} s")]
    Timeout { what: &'static str, seconds: u64 },
    #[error("{0} is no name that a certificate can have")]
    NoName(String),
    #[error("{0}{cause}", cause = cause(.0))]
    Http(#[from] hyper::Error),
    #[error("the request cannot be made: {0}")]
    Request(#[from] hyper::http::Error),
}

/// What is behind an error of HTTP, which says what it did, and not why that failed.
fn cause(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(String::new, |cause| format!(": {cause}"))
}
