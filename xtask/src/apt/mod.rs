//! Debian packages: those whose programs the host needs, installed by its own apt, and those that are
//! unpacked to a [`tree`], for guests and tests, from any suite of the [`archive`].

mod archive;
mod progress;
mod sources;
mod tree;

use std::process::Command;

use anyhow::{Context as _, Result, bail};

pub(crate) use self::archive::{Archive, main_mirror};
pub(crate) use self::tree::{fetch, unpack};
use crate::process;

/// A program that the host needs (by name, or the path of a file), and the Debian package that contains it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needed {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
}

/// Makes sure that programs are installed; as root, installs the packages of those that are missing.
///
/// # Errors
/// When some are missing and we are not root (with the command to run), or they cannot be
/// installed.
pub(crate) fn ensure(needed: &[Needed]) -> Result<()> {
    let missing: Vec<_> = needed
        .iter()
        .filter(|needed| process::find(needed.program).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<_> = missing.iter().map(|needed| needed.program).collect();
    if process::find("apt-get").is_none() {
        bail!(
            "missing on this machine, which has no apt-get: {}; install them first",
            programs.join(", ")
        );
    }
    let packages: Vec<_> = missing.iter().map(|needed| needed.package).collect();
    let install = ["install", "-y", "--no-install-recommends"];
    if !process::is_root() {
        bail!(
            "missing: {}; as root run: apt-get {} {}",
            programs.join(", "),
            install.join(" "),
            packages.join(" ")
        );
    }
    with_fresh_lists(|| {
        let what = format!("installing {}", packages.join(" "));
        progress::run(apt_get().args(install).args(&packages), &what)
    })
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    if process::is_root() {
        // The user _apt cannot write to the download directory.
        command.args(["-o", "APT::Sandbox::User=root"]);
    }
    command
}

/// Tries something with the host's apt; as root, tries again with updated package lists if it fails, as the lists may be missing
/// or outdated.
fn with_fresh_lists<T>(attempt: impl Fn() -> Result<T>) -> Result<T> {
    match attempt() {
        Err(_) if process::is_root() => {
            // One broken source among many is common and may not matter: the second attempt decides.
            let update = progress::run(apt_get().arg("update"), "updating apt's package lists");
            attempt().map_err(|error| match update {
                Ok(()) => error,
                Err(update) => update.context(error),
            })
        }
        Err(error) => {
            Err(error).context("apt's package lists may be missing or outdated (apt-get update)")
        }
        ok => ok,
    }
}
