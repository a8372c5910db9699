//! Lines in a file, which others may move away at any time.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// A file that lines are appended to. A new one can be read by its owner and its group.
#[derive(Debug)]
pub(super) struct LineFile {
    path: PathBuf,
    file: File,
    /// Whether the last line was cut off.
    torn: bool,
}

impl LineFile {
    /// Opens a file, which is made if it does not exist.
    ///
    /// # Errors
    ///
    /// When it cannot be written to.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: appended(path)?,
            torn: false,
        })
    }

    /// Writes a line with its end, all or nothing as far as the disk has room.
    ///
    /// # Errors
    ///
    /// When it was not written, or not all of it.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        match self.file.write(line)? {
            written if written == line.len() => Ok(()),
            written => {
                self.torn = written > 0;
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }

    /// Whether the path leads elsewhere by now.
    pub(super) fn is_moved(&self) -> bool {
        let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let there = fs::metadata(&self.path).ok().map(id);
        self.file.metadata().ok().map(id) != there
    }

    /// Opens the path again. After an error the file is the one of before.
    ///
    /// # Errors
    ///
    /// When it cannot be written to.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.file = appended(&self.path)?;
        self.torn = false;
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where events are written"
)]
fn appended(path: &Path) -> io::Result<File> {
    // Opened for reading as well, so that a FIFO does not wait for its reader.
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}
