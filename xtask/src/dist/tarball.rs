//! The tarball: the files of all packages, and a script that installs them.

use std::path::Path;

use anyhow::Result;

use super::pack::{archive, compressed};
use super::staging::Staged;
use super::write_file;

/// Writes it.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn make(staged: &Staged, dist: &Path) -> Result<()> {
    let top = staged.name();
    let files = staged.files()?;
    let of_debian = |name: &str| name == "changelog.Debian" || name.starts_with("deb/");
    let files = files
        .into_iter()
        .filter(|(name, _)| !of_debian(name))
        .map(|(name, file)| (format!("{top}/{name}"), file))
        .collect();
    let path = dist.join(format!("{top}.tar.gz"));
    write_file(&path, compressed(&archive(&files, staged.time)?)?)
}
