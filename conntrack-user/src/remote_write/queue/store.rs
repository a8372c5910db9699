//! Where segments are kept: in a directory, or in memory.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use crate::files;

/// The number of a segment.
pub(in crate::remote_write) type Segment = u64;

/// Named sequences of bytes that only grow, and one small value that is replaced.
pub(in crate::remote_write) trait SegmentStore {
    /// The segments there are, oldest first.
    fn list(&self) -> io::Result<Vec<Segment>>;

    /// The bytes of a segment from a position on, at most `limit`.
    fn read(&self, segment: Segment, from: u64, limit: u64) -> io::Result<Vec<u8>>;

    /// Appends to a segment, which need not exist. After an error it may have a part of the bytes.
    fn append(&mut self, segment: Segment, bytes: &[u8]) -> io::Result<()>;

    /// Removes a segment.
    fn remove(&mut self, segment: Segment) -> io::Result<()>;

    /// The small value; empty if there is none.
    fn mark(&self) -> io::Result<Vec<u8>>;

    /// Replaces it by one of the same length. If power is lost meanwhile, it may be neither of both.
    fn set_mark(&mut self, mark: &[u8]) -> io::Result<()>;
}

/// Segments that are lost with the process.
#[derive(Clone, Debug, Default)]
pub(in crate::remote_write) struct MemoryStore {
    pub(super) segments: BTreeMap<Segment, Vec<u8>>,
    mark: Vec<u8>,
}

impl SegmentStore for MemoryStore {
    fn list(&self) -> io::Result<Vec<Segment>> {
        Ok(self.segments.keys().copied().collect())
    }

    fn read(&self, segment: Segment, from: u64, limit: u64) -> io::Result<Vec<u8>> {
        let bytes = self.segments.get(&segment).ok_or(io::ErrorKind::NotFound)?;
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(bytes[from..].iter().take(limit).copied().collect())
    }

    fn append(&mut self, segment: Segment, bytes: &[u8]) -> io::Result<()> {
        let kept = self.segments.entry(segment).or_default();
        kept.extend_from_slice(bytes);
        Ok(())
    }

    fn remove(&mut self, segment: Segment) -> io::Result<()> {
        self.segments.remove(&segment);
        Ok(())
    }

    fn mark(&self) -> io::Result<Vec<u8>> {
        Ok(self.mark.clone())
    }

    fn set_mark(&mut self, mark: &[u8]) -> io::Result<()> {
        mark.clone_into(&mut self.mark);
        Ok(())
    }
}

/// The ending of the names of segments.
const ENDING: &str = ".segment";
/// The file with the small value. It is written in place: replacing a file takes a disk that is busy too long.
const MARK: &str = "sent";
/// The file that is locked while a directory is in use.
const LOCK: &str = "lock";
/// The most bytes of the small value.
const MARK_BYTES: usize = 200;

/// Segments in a directory.
#[derive(Debug)]
pub(in crate::remote_write) struct DirStore {
    dir: PathBuf,
    /// The segment that is appended to.
    open: Option<(Segment, File)>,
    mark: File,
    /// Locked as long as it is open.
    _lock: File,
}

impl DirStore {
    /// Uses a directory, which is made if it does not exist, and which only its owner may read then.
    ///
    /// # Errors
    ///
    /// When it cannot be made or written to; [`io::ErrorKind::WouldBlock`] when another process uses it.
    pub(in crate::remote_write) fn open(dir: &Path) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)?;
        let lock = writable(&dir.join(LOCK), true)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self {
            dir: dir.to_owned(),
            open: None,
            mark: writable(&dir.join(MARK), false)?,
            _lock: lock,
        })
    }

    fn path(&self, segment: Segment) -> PathBuf {
        self.dir.join(format!("{segment:016}{ENDING}"))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the queue is kept")]
fn writable(path: &Path, append: bool) -> io::Result<File> {
    // Opened for reading as well, so that a FIFO does not wait for its reader.
    OpenOptions::new()
        .read(true)
        .write(true)
        .append(append)
        .create(true)
        .mode(0o600)
        .open(path)
}

impl SegmentStore for DirStore {
    fn list(&self) -> io::Result<Vec<Segment>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(ENDING));
            segments.extend(number.and_then(|number| number.parse::<Segment>().ok()));
        }
        segments.sort_unstable();
        Ok(segments)
    }

    fn read(&self, segment: Segment, from: u64, limit: u64) -> io::Result<Vec<u8>> {
        let mut file = files::open(&self.path(segment))?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&mut self, segment: Segment, bytes: &[u8]) -> io::Result<()> {
        if let Some((_, full)) = self.open.take_if(|(open, _)| *open != segment) {
            // Against a loss of power. Without it, nothing is lost when the process ends.
            full.sync_data()?;
        }
        let file = match self.open.take() {
            Some((_, file)) => file,
            None => writable(&self.path(segment), true)?,
        };
        let (_, file) = self.open.insert((segment, file));
        file.write_all(bytes)
    }

    fn remove(&mut self, segment: Segment) -> io::Result<()> {
        self.open.take_if(|(open, _)| *open == segment);
        match fs::remove_file(self.path(segment)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn mark(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; MARK_BYTES];
        let length = self.mark.read_at(&mut bytes, 0)?;
        bytes.truncate(length);
        Ok(bytes)
    }

    fn set_mark(&mut self, mark: &[u8]) -> io::Result<()> {
        self.mark.write_all_at(mark, 0)
    }
}
