//! Reading files whose path or contents come from outside: never waiting for a writer, and never more
//! than a limit.

use std::{
    fmt,
    fs::{self, File, FileType, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;

/// Why a file is refused that exists and may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a regular file: opening or reading it could wait for ever, or have a side effect.
    #[error("is {0}; a regular file is expected")]
    NotRegular(&'static str),
    /// More bytes than the limit: no file of this purpose is so long.
    #[error("has more than {0} bytes, which no such file has; it was not read")]
    TooLong(u64),
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        let kind = match refused {
            Refused::NotRegular(_) => io::ErrorKind::InvalidInput,
            Refused::TooLong(_) => io::ErrorKind::FileTooLarge,
        };
        Self::new(kind, refused)
    }
}

/// Opens a regular file to read it.
///
/// # Errors
///
/// Those of [`File::open`]; [`Refused::NotRegular`] for a FIFO, a device, a socket or a directory.
#[expect(
    clippy::disallowed_methods,
    reason = "this is what others open files with"
)]
pub fn open(path: &Path) -> io::Result<File> {
    // Checked before it is opened, because opening a device may have a side effect.
    if let Some(other) = not_regular(fs::metadata(path)?.file_type()) {
        return Err(Refused::NotRegular(other).into());
    }
    // Should it have become a FIFO meanwhile, NONBLOCK keeps this from waiting for a writer.
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
}

/// Opens a file of procfs, where there are no devices: like [`open`], but its path is looked up once.
///
/// # Errors
///
/// Those of [`open`].
#[expect(
    clippy::disallowed_methods,
    reason = "this is what others open files with"
)]
pub fn open_in_procfs(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    match not_regular(file.metadata()?.file_type()) {
        Some(other) => Err(Refused::NotRegular(other).into()),
        None => Ok(file),
    }
}

fn not_regular(kind: FileType) -> Option<&'static str> {
    match kind {
        _ if kind.is_file() => None,
        _ if kind.is_dir() => Some("a directory"),
        _ if kind.is_fifo() => Some("a FIFO"),
        _ if kind.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}

/// The contents of a regular file that has at most `limit` bytes.
///
/// # Errors
///
/// Those of [`open`]; [`Refused::TooLong`] for a longer one.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    within_limit(open(path)?, limit)
}

/// Like [`read`], but of any kind of file, pipes included. It waits for a pipe's writer, so it is only for where a signal
/// ends the program.
///
/// # Errors
///
/// Those of [`File::open`]; [`Refused::TooLong`] for what has more bytes.
#[expect(
    clippy::disallowed_methods,
    reason = "this is what others open files with"
)]
pub fn read_or_wait(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    within_limit(File::open(path)?, limit)
}

/// The first `limit` bytes of a file, for display: what is not UTF-8 is replaced.
///
/// # Errors
///
/// Those of [`open`].
pub fn read_start(path: &Path, limit: u64) -> io::Result<String> {
    first_bytes(open(path)?, limit).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn within_limit(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let bytes = first_bytes(file, limit.saturating_add(1))?;
    if bytes.len() as u64 > limit {
        return Err(Refused::TooLong(limit).into());
    }
    Ok(bytes)
}

/// Bytes of a file that are read at once where its length is not known.
const SHORT: u64 = 1024;

fn first_bytes(file: File, limit: u64) -> io::Result<Vec<u8>> {
    // Files of procfs do not say how long they are: most are short.
    let length = file.metadata()?.len().saturating_add(1).max(SHORT);
    let mut bytes = Vec::new();
    bytes.try_reserve(usize::try_from(length.min(limit)).unwrap_or_default())?;
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Memory that files are read into, one after another: it grows to the longest of them, and is then used again.
#[derive(Debug)]
pub struct ReadBuffer {
    memory: Vec<u8>,
    length: usize,
    /// The least memory.
    least: usize,
}

impl Default for ReadBuffer {
    /// Has at least a page, of which the files of procfs give one at a time.
    fn default() -> Self {
        Self::of(4096)
    }
}

impl ReadBuffer {
    /// For the number that a file of sysctl has: the kernel takes, and clears, as much memory as there is room for
    /// (`proc_sys_call_handler()`, fs/proc/proc_sysctl.c).
    #[must_use]
    pub fn of_number() -> Self {
        Self::of(32)
    }

    fn of(least: usize) -> Self {
        Self {
            memory: Vec::new(),
            length: 0,
            least,
        }
    }

    /// Reads a file from its start to its end, wherever it was read to before.
    ///
    /// # Errors
    ///
    /// Those of reading; [`Refused::TooLong`] for a longer file than `limit`.
    pub fn fill(&mut self, file: &File, limit: usize) -> io::Result<()> {
        self.length = 0;
        loop {
            if self.length > limit {
                *self = Self::of(self.least);
                return Err(Refused::TooLong(limit as u64).into());
            }
            if self.length == self.memory.len() {
                let more = (2 * self.length).max(self.least).min(limit + 1);
                self.memory.try_reserve_exact(more - self.length)?;
                self.memory.resize(more, 0);
            }
            let end = self.memory.len().min(limit + 1);
            match file.read_at(&mut self.memory[self.length..end], self.length as u64) {
                Ok(0) => return Ok(()),
                Ok(read) => self.length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What the last file had.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

/// What the kernel said; where that is a limit, with how to raise it.
#[derive(Clone, Copy)]
pub struct Remedied<'a>(pub &'a io::Error);

impl fmt::Display for Remedied<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        match self.0.raw_os_error() {
            Some(libc::EMFILE) => f.write_str("; raise the limit of open files (`ulimit -n`)"),
            Some(libc::ENFILE) => f.write_str("; raise fs.file-max, or end what has files open"),
            Some(libc::EAGAIN) => {
                f.write_str("; raise the limit of threads (`ulimit -u`, or pids.max of the cgroup)")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(result: io::Result<Vec<u8>>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, b"12345\xff").unwrap();
        assert_eq!(read(&path, 6).unwrap(), b"12345\xff");
        assert_eq!(
            message(read(&path, 5)),
            "has more than 5 bytes, which no such file has; it was not read"
        );
        assert_eq!(read_start(&path, 3).unwrap(), "123");
        assert_eq!(read_start(&path, 9).unwrap(), "12345\u{fffd}");
    }

    #[test]
    fn memory_for_files_is_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut buffer = ReadBuffer::default();
        for length in [0, 1, 4095, 4096, 4097, 70_000, 3] {
            let text: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            fs::write(&path, &text).unwrap();
            let file = open(&path).unwrap();
            for _ in 0..2 {
                buffer.fill(&file, 70_000).unwrap();
                assert_eq!(buffer.bytes(), text);
            }
            if length > 3 {
                assert!(
                    message(buffer.fill(&file, length - 1).map(|()| Vec::new()))
                        .contains("more than")
                );
                assert_eq!((buffer.bytes().len(), buffer.memory.capacity()), (0, 0));
            }
        }
    }

    #[test]
    fn endless_files_are_not_read_to_their_end() {
        assert!(
            message(read_or_wait(Path::new("/dev/zero"), 1000))
                .starts_with("has more than 1000 bytes")
        );
        assert_eq!(read_or_wait(Path::new("/dev/null"), 10).unwrap(), b"");
    }

    #[test]
    fn nobody_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = crate::files::testing::fifo(dir.path());
        assert_eq!(
            message(read(&fifo, 10)),
            "is a FIFO; a regular file is expected"
        );
        assert_eq!(
            message(read(Path::new("/dev/zero"), 10)),
            "is a device; a regular file is expected"
        );
        assert!(message(read(dir.path(), 10)).starts_with("is a directory"));
        let missing = read(&dir.path().join("missing"), 10);
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}

/// For tests of this and other rooms.
#[cfg(test)]
pub(crate) mod testing {
    use std::path::PathBuf;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::Path;

    /// A FIFO that nobody writes to.
    pub(crate) fn fifo(dir: &Path) -> PathBuf {
        let path = dir.join("fifo");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
        path
    }
}
