//! Whose counters a directory given in place of /proc has.
//!
//! In procfs, `net` is a link to `self/net`, and `sys/net` follows whoever reads, too: where the /proc of a host is mounted into a
//! container, both are the container's own. Only `PID/net` is another process's, whoever reads it.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::fs::{PROC_SUPER_MAGIC, statfs};

use crate::text::PlainPath;

/// A procfs whose `net` is not what a user means.
#[derive(Debug, thiserror::Error)]
#[error(
    "{root}/net and {root}/sys/net are the network namespace of the process that reads them, which is ctpulse's own and not that \
     of {root}/1: take --proc-root {root}/1, or --netns {root}/1/ns/net",
    root = PlainPath(.0)
)]
pub struct ForeignProc(PathBuf);

/// What a directory laid out like procfs is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcKind {
    /// A directory with copies of the files.
    Copy,
    /// A procfs whose `net` is our own network namespace, as that of its first process.
    Own,
    /// The directory of a process in a procfs.
    Process,
}

/// Finds out whose counters are below `root`.
///
/// # Errors
///
/// When they would be our own, and its first process is in another network namespace.
pub fn kind(root: &Path) -> Result<ProcKind, ForeignProc> {
    if !statfs(root).is_ok_and(|system| system.f_type == PROC_SUPER_MAGIC) {
        return Ok(ProcKind::Copy);
    }
    // Only at the top of a procfs: a link, even where this process has no number there.
    if fs::symlink_metadata(root.join("self")).is_err() {
        return Ok(ProcKind::Process);
    }
    // /proc/PID/net/stat is one inode of each network namespace. Other than /proc/PID/ns/net everybody may see it.
    let identity = |path: &str| -> io::Result<(u64, u64)> {
        let meta = fs::metadata(root.join(path))?;
        Ok((meta.dev(), meta.ino()))
    };
    match (identity("net/stat"), identity("1/net/stat")) {
        (Ok(ours), Ok(first)) if ours == first => Ok(ProcKind::Own),
        _ => Err(ForeignProc(root.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_whatever_they_are_copies_of() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(kind(dir.path()).unwrap(), ProcKind::Copy);
        // What is not there is waited for.
        assert_eq!(kind(&dir.path().join("no")).unwrap(), ProcKind::Copy);
    }

    #[test]
    fn a_directory_of_a_process_is_of_that_process() {
        assert_eq!(kind(Path::new("/proc/self")).unwrap(), ProcKind::Process);
        assert_eq!(kind(Path::new("/proc/1")).unwrap(), ProcKind::Process);
    }

    #[test]
    fn the_message_says_what_to_take() {
        let error = ForeignProc("/host/proc".into()).to_string();
        assert!(error.contains("--proc-root /host/proc/1"), "{error}");
        assert!(error.contains("--netns /host/proc/1/ns/net"), "{error}");
    }
}
