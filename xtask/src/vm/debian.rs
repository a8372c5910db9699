//! Debian packages of guest kernels, unpacked to trees that are kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self as std_process, Command};

use anyhow::{Context as _, Result};

use crate::{apt, paths, process};

/// The directory of the trees.
pub(super) fn trees() -> PathBuf {
    paths::guest().join("kernels")
}

/// Downloads a package and unpacks it to a tree. The tree appears only when it is complete.
///
/// # Errors
/// When it cannot be downloaded or unpacked.
pub(super) fn fetch(package: &str, tree: &Path) -> Result<()> {
    let downloads = trees().join(format!("download-{}", std_process::id()));
    fs::create_dir_all(&downloads)
        .with_context(|| format!("cannot create {}", downloads.display()))?;
    let unpacked = apt::download(package, &downloads)
        .and_then(|()| only_file(&downloads))
        .and_then(|deb| unpack(&deb, tree));
    let _ = fs::remove_dir_all(&downloads);
    unpacked.with_context(|| format!("cannot get {package}"))
}

/// Unpacks a .deb to a tree. The tree appears only when it is complete.
///
/// # Errors
/// When it is none, or the tree cannot be written.
pub(super) fn unpack(deb: &Path, tree: &Path) -> Result<()> {
    let partial = tree.with_added_extension(format!("partial-{}", std_process::id()));
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    let unpacked = process::run(Command::new("dpkg").arg("-x").arg(deb).arg(&partial))
        .and_then(|()| replace(tree, &partial));
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

/// The only file in a directory.
fn only_file(dir: &Path) -> Result<PathBuf> {
    let mut files = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let file = files
        .next()
        .with_context(|| format!("nothing in {}", dir.display()))?;
    Ok(file
        .with_context(|| format!("cannot read {}", dir.display()))?
        .path())
}
