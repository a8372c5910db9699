//! Paths: the workspace, and xtask's files in its target directory.

use std::env;
use std::path::{Path, PathBuf, absolute};

/// The workspace's root directory.
pub(crate) fn workspace() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Cargo's target directory: `CARGO_TARGET_DIR` when set, else `target` in the workspace.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        // Cargo takes a relative one as relative to the current directory, and so does this.
        Some(dir) if !dir.is_empty() => absolute(&dir).unwrap_or_else(|_| dir.into()),
        _ => workspace().join("target"),
    }
}

/// The directory of everything for guests: kernels, console logs, files of running guests.
pub(crate) fn guest() -> PathBuf {
    target().join("guest")
}
