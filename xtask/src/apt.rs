//! Debian packages that the host needs for guests: QEMU, tools for the initramfs, and guest kernels.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process::{self, say};

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
    say(format_args!("installing {}", packages.join(" ")));
    with_fresh_lists(|| process::capture(apt_get().args(install).args(&packages)))?;
    Ok(())
}

/// The newest cloud kernel image of a series ("6.12") that apt knows: the name of its package.
///
/// Debian has a package per series that depends on the current image, except for the series of the
/// release itself, which has one without a number.
///
/// # Errors
/// When apt knows none.
pub(crate) fn kernel_package(series: &str) -> Result<String> {
    let metas = [
        format!("linux-image-{series}-cloud-amd64"),
        "linux-image-cloud-amd64".to_owned(),
    ];
    with_fresh_lists(|| {
        let mut others = Vec::new();
        for meta in &metas {
            // A package that apt does not know is an error of apt-cache, and for us one that was
            // not found.
            let depends = process::capture(Command::new("apt-cache").args(["depends", meta]))
                .unwrap_or_default();
            match kernel_dependency(&depends) {
                Some(package) if is_of_series(package, series) => return Ok(package.to_owned()),
                other => others.extend(other.map(str::to_owned)),
            }
        }
        // Updated lists may have a package that outdated ones lack.
        if others.is_empty() {
            bail!("apt knows no package {}", metas.join(" or "));
        }
        bail!("apt only has {}", others.join(", "))
    })
}

/// The version of a package that apt would install.
///
/// # Errors
/// When apt knows none.
pub(crate) fn version(package: &str) -> Result<String> {
    with_fresh_lists(|| {
        let policy = process::capture(Command::new("apt-cache").args(["policy", package]))?;
        candidate(&policy)
            .map(str::to_owned)
            .with_context(|| format!("apt knows no package {package}"))
    })
}

/// The candidate's version, from the output of `apt-cache policy`:
///
/// ```text
/// linux-source-6.12:
///   Installed: (none)
///   Candidate: 6.12.117-1~deb12u1
/// ```
fn candidate(policy: &str) -> Option<&str> {
    let mut lines = policy.lines();
    let version = lines.find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then_some(version)
}

/// Downloads a package's file into a directory.
///
/// # Errors
/// When apt cannot download it.
pub(crate) fn download(package: &str, into: &Path) -> Result<()> {
    with_fresh_lists(|| process::capture(apt_get().args(["download", package]).current_dir(into)))?;
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("-q").env("DEBIAN_FRONTEND", "noninteractive");
    if process::is_root() {
        // The user _apt cannot write to the download directory.
        command.args(["-o", "APT::Sandbox::User=root"]);
    }
    command
}

/// Runs an apt command; as root, runs it again with updated package lists if it fails, as the lists may be missing or outdated.
fn with_fresh_lists<T>(attempt: impl Fn() -> Result<T>) -> Result<T> {
    match attempt() {
        Err(_) if process::is_root() => {
            say("updating apt's package lists");
            // One broken source among many is common and may not matter: the second attempt decides.
            let update = process::capture(apt_get().arg("update"));
            attempt().map_err(|error| match update {
                Ok(_) => error,
                Err(update) => update.context(error),
            })
        }
        Err(error) => {
            Err(error).context("apt's package lists may be missing or outdated (apt-get update)")
        }
        ok => ok,
    }
}

/// The kernel image that a package depends on, from the output of `apt-cache depends`:
///
/// ```text
/// linux-image-6.12-cloud-amd64
///   Depends: linux-image-6.12.117+deb12-cloud-amd64
/// ```
fn kernel_dependency(depends: &str) -> Option<&str> {
    depends
        .lines()
        .filter_map(|line| {
            line.trim()
                .trim_start_matches('|')
                .strip_prefix("Depends: ")
        })
        .find(|package| package.starts_with("linux-image-"))
}

/// Whether an image's package belongs to a series: `linux-image-6.1.0-56-cloud-amd64` belongs to 6.1, and not to 6.
pub(crate) fn is_of_series(package: &str, series: &str) -> bool {
    let version = package
        .strip_prefix("linux-image-")
        .and_then(|version| version.strip_prefix(series));
    version.is_some_and(|rest| rest.starts_with(['.', '-', '+']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_behind_a_meta_package() {
        let depends = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
        assert_eq!(
            kernel_dependency(depends),
            Some("linux-image-6.1.0-56-cloud-amd64")
        );
    }

    #[test]
    fn other_dependencies_are_not_images() {
        let depends = "linux-image-x\n  PreDepends: linux-image-no\n |Depends: kmod\n  Depends: <linux-initramfs-tool>\n    dracut\n";
        assert_eq!(kernel_dependency(depends), None);
        assert_eq!(kernel_dependency(""), None);
    }

    #[test]
    fn the_version_that_would_be_installed() {
        let policy = "p:\n  Installed: (none)\n  Candidate: 6.12.117-1~deb12u1\n  Version table:\n";
        assert_eq!(candidate(policy), Some("6.12.117-1~deb12u1"));
        assert_eq!(candidate("p:\n  Candidate: (none)\n"), None);
        assert_eq!(candidate(""), None);
    }

    #[test]
    fn series_are_compared_by_number() {
        assert!(is_of_series("linux-image-6.1.0-56-cloud-amd64", "6.1"));
        assert!(is_of_series(
            "linux-image-6.12.117+deb12-cloud-amd64",
            "6.12"
        ));
        assert!(is_of_series("linux-image-7.0+deb14-cloud-amd64", "7.0"));
        assert!(!is_of_series(
            "linux-image-6.12.117+deb12-cloud-amd64",
            "6.1"
        ));
        assert!(!is_of_series("linux-image-cloud-amd64", "6.1"));
    }
}
