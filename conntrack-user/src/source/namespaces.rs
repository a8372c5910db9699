//! Network namespaces: finding them, naming them, and reading inside one.

use std::{
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FsWord, PROC_SUPER_MAGIC, fstatfs},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

mod scan;

pub use scan::KnownNamespaces;

use crate::{
    files::{self, Remedied},
    source::denied::{Advised, DeniedRemedy, OTHER_NAMESPACE},
    text::{PlainPath, Text},
};

/// Where `ip netns add` mounts named namespaces.
const NAMED: &str = "/run/netns";

/// The calling thread's own namespace.
const OWN: &str = "/proc/thread-self/ns/net";

/// `NSFS_MAGIC` of linux/magic.h.
const NSFS_MAGIC: FsWord = 0x6e73_6673;

/// Why a network namespace cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// Our own namespace cannot be read.
    #[error("{OWN}: {}{}", Remedied(.0), if .0.kind() == io::ErrorKind::NotFound { "; is /proc mounted?" } else { "" })]
    Own(#[source] io::Error),
    /// No process has the id that was asked for.
    #[error("--netns {0}: no process has this id")]
    NoProcess(Text),
    /// Nothing has the name, or is at the path, that was asked for.
    #[error(
        "--netns {name}: {} does not exist; `ip netns list` shows names, a process id or a path will do \
         too",
        PlainPath(path)
    )]
    NotFound {
        /// The name, process id or path that was asked for.
        name: Text,
        /// Where it should be.
        path: PathBuf,
    },
    /// We have no right to open it.
    #[error("--netns {name}: {}: permission denied; {advice}", PlainPath(path))]
    PermissionDenied {
        /// The name, process id or path that was asked for.
        name: Text,
        /// Where it is.
        path: PathBuf,
        /// What would help.
        advice: DeniedRemedy,
    },
    /// There is something else at the path.
    #[error(
        "--netns {name}: {} is no network namespace; `ip netns list` shows names, a process id will do \
         too",
        PlainPath(path)
    )]
    NotANamespace {
        /// The name, process id or path that was asked for.
        name: Text,
        /// What is no namespace.
        path: PathBuf,
    },
    /// It cannot be opened for another reason.
    #[error("--netns {name}: {}: {}", PlainPath(path), Remedied(source))]
    Open {
        /// The name, process id or path that was asked for.
        name: Text,
        /// Where it is.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No process or mount keeps it any more, so the kernel has removed it.
    #[error("network namespace {0} is gone")]
    Gone(Text),
    /// The calling thread cannot move into it.
    #[error("network namespace {name} cannot be entered: {}{}", Remedied(source), Advised(*advice))]
    Enter {
        /// The namespace's name, as ctpulse shows it.
        name: Text,
        /// Why not.
        source: io::Error,
        /// What would help, where it is denied.
        advice: Option<DeniedRemedy>,
    },
    /// The calling thread cannot move back: everything it read from now on would be another namespace's.
    #[error("cannot return to our own network namespace: {0}")]
    Return(#[source] io::Error),
}

impl NamespaceError {
    /// Whether the namespace merely does not exist any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Gone(_))
    }
}

impl From<NamespaceError> for io::Error {
    fn from(error: NamespaceError) -> Self {
        let kind = match error {
            NamespaceError::Gone(_) => io::ErrorKind::NotFound,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// A network namespace that can be entered.
#[derive(Debug)]
pub struct Namespace {
    /// Its name, as ctpulse shows it.
    pub name: Text,
    /// Its inode number, by which the kernel's `ns.inum` knows it.
    pub inode: u32,
    place: Location,
}

#[derive(Debug)]
enum Location {
    /// The namespace that ctpulse runs in.
    Here,
    /// Held open: it exists as long as we watch it, even when no process is left in it.
    Held(OwnedFd),
    /// Found by a scan: held open until it was read for the first time, and then visited.
    Found(OwnedFd, PathBuf),
    /// Opened each time it is entered, so that watching it does not keep it alive.
    Visited(PathBuf),
}

impl Namespace {
    /// The namespace ctpulse runs in.
    ///
    /// # Errors
    ///
    /// [`NamespaceError::Own`].
    pub fn own() -> Result<Self, NamespaceError> {
        Ok(Self {
            name: Text::fixed("self"),
            inode: inode(Path::new(OWN)).map_err(NamespaceError::Own)?,
            place: Location::Here,
        })
    }

    /// Finds a namespace by its name (as in `ip netns`), by a process id, or by a path.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be opened.
    pub fn named(text: &str) -> Result<Self, NamespaceError> {
        let is_pid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let path = if text.contains('/') {
            PathBuf::from(text)
        } else if is_pid {
            PathBuf::from(format!("/proc/{text}/ns/net"))
        } else {
            Path::new(NAMED).join(text)
        };
        let name = || Text::from(text.to_owned());
        match open(&path) {
            Ok(Some((fd, inode))) => Ok(Self {
                name: name(),
                inode,
                place: Location::Held(fd),
            }),
            Ok(None) => Err(NamespaceError::NotANamespace { name: name(), path }),
            Err(error) => Err(match error.kind() {
                io::ErrorKind::NotFound if is_pid => NamespaceError::NoProcess(name()),
                io::ErrorKind::NotFound => NamespaceError::NotFound { name: name(), path },
                io::ErrorKind::PermissionDenied => NamespaceError::PermissionDenied {
                    name: name(),
                    path,
                    advice: DeniedRemedy::after_denial(OTHER_NAMESPACE),
                },
                _ => NamespaceError::Open {
                    name: name(),
                    path,
                    source: error,
                },
            }),
        }
    }

    /// Whether it is still where it was found. What we hold open is.
    #[must_use]
    pub fn is_there(&self) -> bool {
        match &self.place {
            Location::Here | Location::Held(_) => true,
            Location::Found(_, path) | Location::Visited(path) => {
                inode(path).is_ok_and(|inode| inode == self.inode)
            }
        }
    }

    /// Whether it exists as long as it is watched.
    #[must_use]
    pub fn is_to_stay(&self) -> bool {
        matches!(self.place, Location::Here | Location::Held(_))
    }

    /// Visits it where `other` is from now on: the same namespace, with another name or process.
    pub fn move_to(&mut self, mut other: Self) {
        other.let_go();
        if matches!(self.place, Location::Visited(_)) {
            self.place = other.place;
        }
    }

    /// Keeps it open no longer, if a scan has found it.
    pub fn let_go(&mut self) {
        let place = std::mem::replace(&mut self.place, Location::Here);
        self.place = match place {
            Location::Found(_, path) => Location::Visited(path),
            place => place,
        };
    }

    /// A second handle of the same namespace, for another thread.
    ///
    /// # Errors
    ///
    /// When no file descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            name: self.name.clone(),
            inode: self.inode,
            place: match &self.place {
                Location::Here => Location::Here,
                Location::Held(fd) => Location::Held(fd.try_clone()?),
                Location::Found(_, path) | Location::Visited(path) => {
                    Location::Visited(path.clone())
                }
            },
        })
    }

    /// Runs `work` with the calling thread in this namespace: `/proc/thread-self/net`, `/proc/sys/net` and new sockets are then
    /// this namespace's.
    ///
    /// # Errors
    ///
    /// When the namespace cannot be entered; `work` has not been run then. When the thread cannot return from it.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> Result<T, NamespaceError> {
        let opened;
        let there = match &self.place {
            Location::Here => return Ok(work()),
            Location::Held(fd) | Location::Found(fd, _) => fd.as_fd(),
            Location::Visited(path) => {
                opened = self.visit(path)?;
                opened.as_fd()
            }
        };
        let home = files::open(Path::new(OWN)).map_err(NamespaceError::Own)?;
        enter(there).map_err(|source| self.cannot_enter(source))?;
        let result = work();
        // This should not fail for the namespace we came from; if it did, every later number would be another namespace's.
        enter(home.as_fd()).map_err(NamespaceError::Return)?;
        Ok(result)
    }

    /// Opens the namespace at a path, if it is still the same.
    fn visit(&self, path: &Path) -> Result<OwnedFd, NamespaceError> {
        match open(path) {
            Ok(Some((fd, inode))) if inode == self.inode => Ok(fd),
            // The path leads to another one by now, or to something else.
            Ok(_) => Err(NamespaceError::Gone(self.name.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(NamespaceError::Gone(self.name.clone()))
            }
            Err(error) => Err(self.cannot_enter(error)),
        }
    }

    fn cannot_enter(&self, source: io::Error) -> NamespaceError {
        let denied = source.kind() == io::ErrorKind::PermissionDenied;
        NamespaceError::Enter {
            name: self.name.clone(),
            source,
            advice: denied.then(|| DeniedRemedy::after_denial(OTHER_NAMESPACE)),
        }
    }
}

/// Opens a namespace; `None` when there is something else at the path. Never blocks.
fn open(path: &Path) -> io::Result<Option<(OwnedFd, u32)>> {
    // A namespace is a regular file; opening anything else may have a side effect.
    if !fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let file = files::open(path)?;
    // Before 3.19 namespaces were files of procfs (see ns_get_path() of fs/nsfs.c, which came then).
    let system = fstatfs(&file)?.f_type;
    if ![NSFS_MAGIC, PROC_SUPER_MAGIC].contains(&system) {
        return Ok(None);
    }
    let inode = inode_number(&file.metadata()?)?;
    Ok(Some((file.into(), inode)))
}

fn enter(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(move_into_link_name_space(
        fd,
        Some(LinkNameSpaceType::Network),
    )?)
}

fn inode(path: &Path) -> io::Result<u32> {
    inode_number(&fs::metadata(path)?)
}

/// `ns.inum` is an `unsigned int` (`struct ns_common`, include/linux/ns_common.h).
fn inode_number(meta: &fs::Metadata) -> io::Result<u32> {
    u32::try_from(meta.ino()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
