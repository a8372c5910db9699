//! Connections to servers over HTTP, encrypted or not, with requests that carry a body.

mod address;
mod backoff;
mod connect;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod post;
mod tls;

pub use self::{
    address::{HttpAddress, HttpAddressError},
    backoff::{Backoff, random},
    connect::{connect, in_time},
    error::ClientError,
    post::{HttpSender, PostAnswer},
    tls::{Authorities, AuthoritiesError},
};
