//! Network namespaces: finding them, naming them, and reading inside one.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where `ip netns add` leaves named namespaces.
const NAMED: &str = "/run/netns";

/// Our own, as the calling thread is in it.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace that can be entered.
#[derive(Debug)]
pub struct Namespace {
    /// What it is called here.
    pub name: String,
    /// Its inode number, by which the kernel's `ns.inum` knows it.
    pub inode: u32,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// The one we are in.
    Here,
    /// Held open: it stays while we watch it, even when everybody else has left.
    Held(OwnedFd),
    /// Opened for each visit: watching it does not keep it.
    Visited(PathBuf),
}

impl Namespace {
    /// The namespace ctpulse runs in.
    pub fn own() -> Result<Self, String> {
        Ok(Self {
            name: "self".to_owned(),
            inode: inode(Path::new(OWN)).map_err(|e| format!("{OWN}: {e}"))?,
            place: Place::Here,
        })
    }

    /// The namespace of a name (as of `ip netns`), a process id, or a path.
    pub fn named(text: &str) -> Result<Self, String> {
        let is_pid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let path = if text.contains('/') {
            PathBuf::from(text)
        } else if is_pid {
            PathBuf::from(format!("/proc/{text}/ns/net"))
        } else {
            Path::new(NAMED).join(text)
        };
        let opened = |e: io::Error| match e.kind() {
            io::ErrorKind::NotFound if is_pid => format!("--netns {text}: no process has this id"),
            io::ErrorKind::NotFound => format!(
                "--netns {text}: {} does not exist; `ip netns list` shows names, a process id or a \
                 path will do too",
                path.display()
            ),
            io::ErrorKind::PermissionDenied => {
                format!(
                    "--netns {text}: {}: permission denied; run as root",
                    path.display()
                )
            }
            _ => format!("--netns {text}: {}: {e}", path.display()),
        };
        let file = File::open(&path).map_err(opened)?;
        let inode = file
            .metadata()
            .and_then(|meta| small(&meta))
            .map_err(opened)?;
        Ok(Self {
            name: text.to_owned(),
            inode,
            place: Place::Held(file.into()),
        })
    }

    /// All namespaces that have a name or a process, our own first. What cannot be looked at (a
    /// process that has just ended) is left out.
    pub fn all() -> Result<Vec<Self>, String> {
        let mut found = vec![Self::own()?];
        let mut add = |name: String, path: PathBuf| {
            if let Ok(inode) = inode(&path)
                && !found.iter().any(|known: &Self| known.inode == inode)
            {
                found.push(Self {
                    name,
                    inode,
                    place: Place::Visited(path),
                });
            }
        };
        for entry in entries(Path::new(NAMED)) {
            add(entry.clone(), Path::new(NAMED).join(entry));
        }
        for pid in entries(Path::new("/proc")) {
            if pid.bytes().all(|byte| byte.is_ascii_digit()) {
                let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
                add(format!("{}[{pid}]", comm.trim()), path);
            }
        }
        Ok(found)
    }

    /// The same namespace once more, for another thread.
    ///
    /// # Errors
    ///
    /// When there are no more descriptors to be had.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            name: self.name.clone(),
            inode: self.inode,
            place: match &self.place {
                Place::Here => Place::Here,
                Place::Held(fd) => Place::Held(fd.try_clone()?),
                Place::Visited(path) => Place::Visited(path.clone()),
            },
        })
    }

    /// Does something with the calling thread in this namespace: `/proc/thread-self/net` and
    /// `/proc/sys/net` are then its, as are new sockets.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        let opened;
        let there = match &self.place {
            Place::Here => return Ok(work()),
            Place::Held(fd) => fd.as_fd(),
            Place::Visited(path) => {
                opened = File::open(path)?;
                if small(&opened.metadata()?)? != self.inode {
                    // The path leads to another namespace by now.
                    return Err(io::ErrorKind::NotFound.into());
                }
                opened.as_fd()
            }
        };
        let home = File::open(OWN)?;
        enter(there)?;
        let result = work();
        // Going home cannot fail for a descriptor of the namespace we came from; if it did, every
        // later number would be another namespace's.
        enter(home.as_fd()).map_err(|e| {
            io::Error::other(format!("cannot return to our own network namespace: {e}"))
        })?;
        Ok(result)
    }
}

fn enter(fd: std::os::fd::BorrowedFd<'_>) -> io::Result<()> {
    Ok(move_into_link_name_space(
        fd,
        Some(LinkNameSpaceType::Network),
    )?)
}

fn inode(path: &Path) -> io::Result<u32> {
    small(&fs::metadata(path)?)
}

/// `ns.inum` is an `unsigned int`.
fn small(meta: &fs::Metadata) -> io::Result<u32> {
    u32::try_from(meta.ino()).map_err(io::Error::other)
}

/// Names in a directory, sorted; none where it cannot be read.
fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_is_there_and_comes_first() {
        let own = Namespace::own().unwrap();
        let all = Namespace::all().unwrap();
        assert_eq!(all[0].inode, own.inode);
        assert_eq!(all[0].name, "self");
        assert!(all.iter().skip(1).all(|other| other.inode != own.inode));
    }

    #[test]
    fn a_process_id_leads_to_its_namespace() {
        let me = Namespace::named(&std::process::id().to_string()).unwrap();
        assert_eq!(me.inode, Namespace::own().unwrap().inode);
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert!(
            Namespace::named("no-such-name")
                .unwrap_err()
                .contains("ip netns list")
        );
        assert!(
            Namespace::named("4294967294")
                .unwrap_err()
                .contains("no process")
        );
        assert!(
            Namespace::named("/no/such/path")
                .unwrap_err()
                .contains("/no/such/path")
        );
    }
}
