//! Records of other hosts: from files, standard input, by ssh and by HTTP.
//!
//! A task for each source reads lines, bounded in length and number, and connects again when a connection is lost
//! ([`crate::client::Backoff`]). [`run`] parses them ([`decode`]) and passes the records through [`crate::model::fleet`], so that they are those of one
//! run, whatever they come from. What comes from other hosts is not trusted.

mod address;
mod decode;
mod error;
mod feed;
mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod http;
mod lines;
mod run;
mod settings;
mod specs;
mod ssh;
mod task;

pub use self::{
    address::Source,
    error::RemoteError,
    run::RemoteRun,
    settings::{HttpSettings, RemoteSettings, SshSettings, Token},
};

#[cfg(test)]
mod tests;
