//! Finds the network namespaces that have a name or a process.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process,
};

use super::{Location, NAMED, Namespace, NamespaceError, OWN, inode_number, open};
use crate::{files, text::Text};

/// Bytes of `comm` and its newline: the kernel cuts names at 15 bytes (`TASK_COMM_LEN`, include/linux/sched.h).
const COMM: u64 = 16;

/// Namespaces that a scan has found before: their inode numbers, which the kernel uses again, and where they were.
#[derive(Debug, Default)]
pub struct KnownNamespaces(HashMap<u32, PathBuf>);

impl KnownNamespaces {
    /// Scans again. Passes the namespaces that are new, or in another place, to `take`; they are held open. What `take` refuses is
    /// not known, and the next scan finds it again. What cannot be opened (a process that has just ended) is left out.
    ///
    /// # Errors
    ///
    /// [`NamespaceError::Own`].
    pub fn scan(&mut self, mut take: impl FnMut(Namespace) -> bool) -> Result<(), NamespaceError> {
        let mut seen: HashMap<u32, PathBuf> = HashMap::new();
        each(|inode, path, name| {
            if seen.contains_key(&inode) {
                return;
            }
            let known = self.0.get(&inode).is_some_and(|known| *known == path);
            let found = || match open(&path) {
                Ok(Some((fd, opened))) if opened == inode => Some(Namespace {
                    name: name(),
                    inode,
                    place: Location::Found(fd, path.clone()),
                }),
                _ => None,
            };
            if known || found().is_some_and(&mut take) {
                seen.insert(inode, path);
            }
        })?;
        self.0 = seen;
        Ok(())
    }
}

impl Namespace {
    /// All namespaces that have a name or a process, our own first, and what a later scan need not find again.
    ///
    /// # Errors
    ///
    /// [`NamespaceError::Own`].
    pub fn all() -> Result<(Vec<Self>, KnownNamespaces), NamespaceError> {
        let mut known = HashMap::new();
        let mut found = vec![Self::own()?];
        each(|inode, path, name| {
            if known.contains_key(&inode) {
                return;
            }
            if inode != found[0].inode {
                found.push(Self {
                    name: name(),
                    inode,
                    place: Location::Visited(path.clone()),
                });
            }
            known.insert(inode, path);
        })?;
        Ok((found, KnownNamespaces(known)))
    }
}

/// Calls `visit` for every name and process with the inode number of its namespace, the path to that, and what to call it: names
/// first, then processes by their ids. Not for this process, which visits the namespaces that it watches.
fn each(mut visit: impl FnMut(u32, PathBuf, &dyn Fn() -> Text)) -> Result<(), NamespaceError> {
    let device = fs::metadata(OWN).map_err(NamespaceError::Own)?.dev();
    let mut visit = |path: PathBuf, name: &dyn Fn() -> Text| {
        // `ip netns add` makes a file before it mounts the namespace on it, which is of another device.
        if let Ok(meta) = fs::metadata(&path)
            && meta.dev() == device
            && let Ok(inode) = inode_number(&meta)
        {
            visit(inode, path, name);
        }
    };
    for (name, path) in by_name(Path::new(NAMED)) {
        visit(path, &|| name.clone());
    }
    let own = OsString::from(process::id().to_string());
    for (pid, process) in entries(Path::new("/proc")) {
        if pid != own && pid.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            visit(process.join("ns/net"), &|| {
                let comm = files::read_start(&process.join("comm"), COMM).unwrap_or_default();
                format!("{}[{}]", comm.trim(), pid.display()).into()
            });
        }
    }
    Ok(())
}

/// The namespaces in a directory by name; names that are not UTF-8 are listed too.
pub(super) fn by_name(directory: &Path) -> impl Iterator<Item = (Text, PathBuf)> {
    entries(directory)
        .into_iter()
        .map(|(name, path)| (Text::from(name.to_string_lossy().into_owned()), path))
}

/// Names in a directory and their paths, numbers in numeric order; empty when it cannot be read.
fn entries(directory: &Path) -> Vec<(OsString, PathBuf)> {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| (entry.file_name(), entry.path()))
        .collect();
    entries.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
    entries
}
