//! The file of a recording: created or appended to, and locked against other recorders.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use crate::{
    files::Remedied,
    recording::{
        reader::{BlockReader, ReadError},
        writer::Medium,
    },
    text::PlainPath,
};

/// Only the owner may read a recording, as it holds addresses and names of processes.
const MODE: u32 = 0o600;

/// What to do with a file that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Fail, and leave the file as it is.
    Refuse,
    /// Add a new segment at its end.
    Append,
    /// Replace its contents.
    Overwrite,
}

/// Why a file cannot be recorded to.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It exists, and neither appending nor overwriting was asked for.
    #[error(
        "{}: exists; --append records at its end, --force overwrites it",
        PlainPath(.0)
    )]
    Exists(PathBuf),
    /// Another process records to it.
    #[error("{}: another ctpulse records to it", PlainPath(.0))]
    Busy(PathBuf),
    /// It is not a recording, or one of a newer version.
    #[error("{}: {source}; nothing was appended to it", PlainPath(path))]
    Other {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ReadError,
    },
    /// It cannot be opened.
    #[error("{}: {}", PlainPath(path), Remedied(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A file that blocks are appended to.
#[derive(Debug)]
pub struct RecordingFile {
    file: File,
    /// Its length in bytes before this recording.
    before: u64,
}

impl RecordingFile {
    /// Opens a file, and locks it against other recorders. A new one can be read by its owner only.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; the file is then as it was.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where recordings are made"
    )]
    pub fn open(path: &Path, existing: Existing) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        // Opened for reading as well, so that a FIFO does not wait for its reader.
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(existing != Existing::Refuse)
            .create_new(existing == Existing::Refuse)
            .mode(MODE)
            .open(path)
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => OpenError::Exists(path.to_owned()),
                _ => failed(error),
            })?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(OpenError::Busy(path.to_owned()));
        }
        let metadata = file.metadata().map_err(failed)?;
        let mut before = metadata.len();
        if existing == Existing::Overwrite {
            // A device or pipe has nothing to overwrite.
            if metadata.is_file() {
                file.set_len(0).map_err(failed)?;
            }
            before = 0;
        }
        if existing == Existing::Append && before > 0 {
            BlockReader::new(&file)
                .next(|_| true)
                .map_err(|source| OpenError::Other {
                    path: path.to_owned(),
                    source,
                })?;
        }
        Ok(Self { file, before })
    }

    /// Records to a file that is open already, such as stdout.
    ///
    /// # Errors
    ///
    /// When its metadata cannot be read.
    pub fn from_open(fd: OwnedFd) -> io::Result<Self> {
        let file = File::from(fd);
        let before = file.metadata()?.len();
        Ok(Self { file, before })
    }
}

impl Write for RecordingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Medium for RecordingFile {
    fn sync(&mut self) -> io::Result<()> {
        match self.file.sync_data() {
            // A pipe or device has nothing to sync.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }

    fn truncate(&mut self, bytes: u64) {
        // If this fails, readers will report the incomplete block as damage.
        let _ = self.file.set_len(self.before + bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_new_file_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        for existing in [Existing::Refuse, Existing::Append, Existing::Overwrite] {
            let path = dir.path().join(format!("{existing:?}"));
            RecordingFile::open(&path, existing).unwrap();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_refused_file_is_not_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes");
        fs::write(&path, "dear diary\n").unwrap();
        let refused = |existing| {
            RecordingFile::open(&path, existing)
                .unwrap_err()
                .to_string()
        };
        assert!(
            refused(Existing::Refuse)
                .ends_with("notes: exists; --append records at its end, --force overwrites it")
        );
        assert!(
            refused(Existing::Append)
                .ends_with("notes: is not a recording of ctpulse; nothing was appended to it")
        );
        let held = RecordingFile::open(&path, Existing::Overwrite).unwrap();
        assert!(refused(Existing::Append).ends_with("notes: another ctpulse records to it"));
        drop(held);
        let missing = RecordingFile::open(&dir.path().join("no/such"), Existing::Append);
        assert!(missing.unwrap_err().to_string().contains("No such file"));
    }

    #[test]
    fn a_fifo_is_opened_without_a_reader() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = crate::files::testing::fifo(dir.path());
        RecordingFile::open(&fifo, Existing::Append).unwrap();
    }
}
