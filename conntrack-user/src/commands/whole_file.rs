//! Writes a file that a user asked for: whole or not at all, never over something that should be kept.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
};

use rustix::io::Errno;
use thiserror::Error;

use crate::{files::Remedied, text::PlainPath};

/// Who may read what is written, and who may change it: its owner. It has addresses of the host's peers.
const MODE: u32 = 0o600;

/// How many names are tried for the file that becomes the wanted one.
const NAMES: u32 = 100;

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// Why a file was not written. What was there before is as it was.
#[derive(Debug, Error)]
pub(super) enum WholeFileError {
    /// There is such a file.
    #[error("{}: exists; --force overwrites it, -o names another file", PlainPath(.0))]
    Exists(PathBuf),
    /// It is what is read.
    #[error("{}: is the recording itself, which would be lost; -o names another file", PlainPath(.0))]
    IsInput(PathBuf),
    /// A file cannot be made or written there.
    #[error(
        "{}: cannot be written: {}; nothing was changed, -o names another file",
        PlainPath(path),
        Remedied(source)
    )]
    Io { path: PathBuf, source: io::Error },
}

/// Where something is to be written.
#[derive(Debug)]
pub(super) struct WholeFile {
    path: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A file that is not there yet.
    New,
    /// A file that is replaced.
    Replaced,
    /// A device or pipe, which has no contents to keep.
    Stream,
}

impl WholeFile {
    /// A file at `path`; it may be there already if `overwrite`. Never `input`, under whatever name.
    ///
    /// # Errors
    ///
    /// [`WholeFileError`].
    pub(super) fn new(
        path: &Path,
        overwrite: bool,
        input: Option<FileId>,
    ) -> Result<Self, WholeFileError> {
        let path = path.to_owned();
        let found = match fs::metadata(&path) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(WholeFileError::Io { path, source }),
        };
        let kind = match &found {
            Some(found) if input == Some(found.into()) => {
                return Err(WholeFileError::IsInput(path));
            }
            Some(found) if found.is_dir() => {
                let source = Errno::ISDIR.into();
                return Err(WholeFileError::Io { path, source });
            }
            Some(found) if !found.is_file() => Kind::Stream,
            // A symbolic link that leads nowhere is something, too.
            None if fs::symlink_metadata(&path).is_err() => Kind::New,
            _ if overwrite => Kind::Replaced,
            _ => return Err(WholeFileError::Exists(path)),
        };
        Ok(Self { path, kind })
    }

    /// What the user calls it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes it. A symbolic link is replaced, not what it leads to.
    ///
    /// # Errors
    ///
    /// [`WholeFileError`]; nothing is left of what was written, except in a device or pipe.
    pub(super) fn write(&self, contents: &[u8]) -> Result<(), WholeFileError> {
        let written = match self.kind {
            Kind::Stream => write_into(&self.path, contents),
            Kind::New | Kind::Replaced => self.write_beside(contents),
        };
        written.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists if self.kind == Kind::New => {
                WholeFileError::Exists(self.path.clone())
            }
            _ => WholeFileError::Io {
                path: self.path.clone(),
                source,
            },
        })
    }

    fn write_beside(&self, contents: &[u8]) -> io::Result<()> {
        let directory = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let (mut file, unfinished) = Unfinished::create(directory)?;
        file.write_all(contents)?;
        file.sync_all()?;
        unfinished.become_file(&self.path, self.kind == Kind::Replaced)?;
        // The file is there, and whole; whether its name outlives a crash of the host is all that is left.
        let _ = sync_directory(directory);
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a directory that a file was just made in"
)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the user named it; a pipe waits for its reader, and a signal ends that"
)]
fn write_into(path: &Path, contents: &[u8]) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(contents)
}

/// A file beside the wanted one that becomes it, or is removed.
struct Unfinished {
    path: PathBuf,
    is_wanted: bool,
}

impl Unfinished {
    #[expect(
        clippy::disallowed_methods,
        reason = "a new file, so it cannot be a pipe"
    )]
    fn create(directory: &Path) -> io::Result<(File, Self)> {
        let mut tried = 0;
        loop {
            let path = directory.join(format!(".ctpulse-{}-{tried}.part", process::id()));
            let mut options = OpenOptions::new();
            let created = options.write(true).create_new(true).mode(MODE).open(&path);
            match created {
                Ok(file) => {
                    let is_wanted = false;
                    return Ok((file, Self { path, is_wanted }));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tried < NAMES => {
                    tried += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn become_file(mut self, wanted: &Path, replaces: bool) -> io::Result<()> {
        if replaces {
            fs::rename(&self.path, wanted)?;
        } else {
            // A second name is refused where there is a file already; a rename would replace that.
            match fs::hard_link(&self.path, wanted) {
                // The first name goes with the rest of this.
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
                // Some file systems have no second names. What comes at this very moment is replaced there.
                Err(_) if fs::symlink_metadata(wanted).is_err() => fs::rename(&self.path, wanted)?,
                Err(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            }
        }
        self.is_wanted = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_wanted {
            // If this fails, there is nothing else to try.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn refused(path: &Path, overwrite: bool, input: Option<FileId>) -> String {
        WholeFile::new(path, overwrite, input)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_new_file_is_for_its_owner_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("page.html");
        WholeFile::new(&path, false, None)
            .unwrap()
            .write(b"page")
            .unwrap();
        assert_eq!(names(dir.path()), ["page.html"]);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            refused(&path, false, None)
                .ends_with("exists; --force overwrites it, -o names another file")
        );
        WholeFile::new(&path, true, None)
            .unwrap()
            .write(b"other")
            .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"other");
    }

    #[test]
    fn what_came_meanwhile_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("page.html");
        let file = WholeFile::new(&path, false, None).unwrap();
        fs::write(&path, "somebody else's").unwrap();
        let error = file.write(b"page").unwrap_err();
        assert!(matches!(error, WholeFileError::Exists(_)), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"somebody else's");
        assert_eq!(names(dir.path()), ["page.html"]);
    }

    #[test]
    fn the_input_is_never_written_whatever_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("a.ctp"), "recording").unwrap();
        symlink("a.ctp", at("symbolic")).unwrap();
        fs::hard_link(at("a.ctp"), at("hard")).unwrap();
        let input = Some(FileId::from(&fs::metadata(at("a.ctp")).unwrap()));
        for name in ["a.ctp", "symbolic", "hard", "./a.ctp"] {
            assert!(refused(&at(name), true, input).contains("is the recording itself"));
        }
    }

    #[test]
    fn links_that_lead_nowhere_and_directories_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let dangling = dir.path().join("dangling");
        symlink("nowhere", &dangling).unwrap();
        assert!(refused(&dangling, false, None).contains("exists"));
        assert!(refused(dir.path(), true, None).contains("Is a directory"));
        let missing = dir.path().join("no/such/page.html");
        let error = WholeFile::new(&missing, false, None)
            .unwrap()
            .write(b"page");
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("No such file or directory")
        );
    }

    #[test]
    fn an_unfinished_file_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (_, unfinished) = Unfinished::create(dir.path()).unwrap();
        assert_eq!(names(dir.path()).len(), 1);
        drop(unfinished);
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn a_device_is_written_into() {
        WholeFile::new(Path::new("/dev/null"), false, None)
            .unwrap()
            .write(b"page")
            .unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
