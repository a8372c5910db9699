//! Packages unpacked to trees: nothing of them is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self as std_process, Command};

use anyhow::{Context as _, Result};

use super::Archive;
use crate::process;

/// Downloads packages and unpacks them to one tree. The tree appears only when it is complete.
///
/// # Errors
/// When they cannot be downloaded or unpacked.
pub(crate) fn fetch(archive: &Archive, packages: &[String], tree: &Path) -> Result<()> {
    let downloads = tree.with_added_extension(format!("download-{}", std_process::id()));
    fs::create_dir_all(&downloads)
        .with_context(|| format!("cannot create {}", downloads.display()))?;
    let unpacked = archive
        .download(packages, &downloads)
        .and_then(|()| files(&downloads))
        .and_then(|debs| unpack(&debs, tree));
    let _ = fs::remove_dir_all(&downloads);
    unpacked.with_context(|| format!("cannot get {}", packages.join(", ")))
}

/// Unpacks .debs to one tree. The tree appears only when it is complete.
///
/// # Errors
/// When one is none, or the tree cannot be written.
pub(crate) fn unpack(debs: &[PathBuf], tree: &Path) -> Result<()> {
    let partial = tree.with_added_extension(format!("partial-{}", std_process::id()));
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    let mut unpacked = Ok(());
    for deb in debs {
        unpacked = unpacked
            .and_then(|()| process::run(Command::new("dpkg").arg("-x").arg(deb).arg(&partial)));
    }
    let unpacked = unpacked.and_then(|()| replace(tree, &partial));
    if unpacked.is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    unpacked
}

/// Moves a directory to the place of a tree, which may exist.
fn replace(tree: &Path, by: &Path) -> Result<()> {
    if tree.exists() {
        fs::remove_dir_all(tree).with_context(|| format!("cannot replace {}", tree.display()))?;
    }
    // dpkg sets the directory's time to the package's; but its age shows whether it is outdated.
    fs::File::open(by)
        .and_then(|dir| dir.set_modified(std::time::SystemTime::now()))
        .with_context(|| format!("cannot set the time of {}", by.display()))?;
    fs::rename(by, tree).with_context(|| format!("cannot create {}", tree.display()))
}

/// The files in a directory.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let files = entries.map(|entry| Ok(entry?.path()));
    files
        .collect::<std::io::Result<_>>()
        .with_context(|| format!("cannot read {}", dir.display()))
}
