//! The file that a recording is read from, and how much of it was read.

use std::{
    cell::Cell,
    fs::File,
    io::{self, Read},
    os::fd::AsFd,
    path::Path,
    rc::Rc,
    time::Duration,
};

use crate::{
    clock::{Clock, SystemClock},
    commands::whole_file::FileId,
    engine::diagnostics::Diagnostics,
    recording::{self, RecordingError},
    text::PlainPath,
};

/// The file that stands for stdin.
pub(super) const STDIN: &str = "-";

/// Progress is shown of what takes longer than this.
const SHORT: Duration = Duration::from_millis(300);

/// An open recording, of which the bytes that were read are counted.
pub(super) struct RecordingInput {
    file: Box<dyn Read>,
    id: Option<FileId>,
    length: Option<u64>,
    read: Rc<Cell<u64>>,
}

impl RecordingInput {
    /// Opens a file, or stdin.
    pub(super) fn open(path: &Path) -> Result<Self, RecordingError> {
        if path != Path::new(STDIN) {
            let file = recording::open(path)?;
            let metadata = file.metadata().ok();
            return Ok(Self::new(Box::new(file), metadata.as_ref()));
        }
        // What cannot be asked is a pipe as far as this is concerned.
        let same = io::stdin().as_fd().try_clone_to_owned().map(File::from);
        let metadata = same.and_then(|file| file.metadata()).ok();
        Ok(Self::new(Box::new(io::stdin().lock()), metadata.as_ref()))
    }

    fn new(file: Box<dyn Read>, metadata: Option<&std::fs::Metadata>) -> Self {
        Self {
            file,
            id: metadata.map(FileId::from),
            length: metadata
                .filter(|metadata| metadata.is_file())
                .map(std::fs::Metadata::len),
            read: Rc::default(),
        }
    }

    /// Which file it is.
    pub(super) const fn id(&self) -> Option<FileId> {
        self.id
    }

    /// Its progress; `None` of what has no length.
    pub(super) fn progress(&self, path: &Path) -> Option<ReadProgress> {
        self.length.map(|length| ReadProgress {
            name: PlainPath(path).to_string(),
            length,
            read: self.read.clone(),
            start: SystemClock.now().monotonic,
            shown: None,
            diagnostics: None,
        })
    }
}

impl Read for RecordingInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.read.set(self.read.get().saturating_add(bytes as u64));
        Ok(bytes)
    }
}

/// A line on a terminal with the percentage of a file that was read.
pub(super) struct ReadProgress {
    name: String,
    length: u64,
    read: Rc<Cell<u64>>,
    start: Duration,
    /// The percentage that is on the terminal.
    shown: Option<u64>,
    /// Where it is shown.
    diagnostics: Option<Diagnostics>,
}

impl ReadProgress {
    /// Shows it from now on, if stderr is a terminal.
    pub(super) fn show_on(&mut self, diagnostics: &Diagnostics) {
        self.diagnostics = diagnostics.is_terminal().then(|| diagnostics.clone());
    }

    /// Updates the line, if it would change.
    pub(super) fn update(&mut self) {
        let Some(diagnostics) = &self.diagnostics else {
            return;
        };
        let percent = percent(self.read.get(), self.length);
        if self.shown == Some(percent) || SystemClock.now().monotonic < self.start + SHORT {
            return;
        }
        self.shown = Some(percent);
        diagnostics.progress(&format!("{}: {percent} % read", self.name));
    }
}

impl Drop for ReadProgress {
    fn drop(&mut self) {
        if let Some(diagnostics) = &self.diagnostics {
            diagnostics.end_progress();
        }
    }
}

/// A recording that still grows is read beyond the length that it had.
fn percent(read: u64, length: u64) -> u64 {
    let hundredth = (length / 100).max(1);
    (read / hundredth).min(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_of_the_length() {
        assert_eq!(percent(0, 1000), 0);
        assert_eq!(percent(499, 1000), 49);
        assert_eq!(percent(1000, 1000), 100);
        assert_eq!(percent(5000, 1000), 100);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
    }

    #[test]
    fn what_is_read_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ctp");
        std::fs::write(&path, [7; 5000]).unwrap();
        let mut input = RecordingInput::open(&path).unwrap();
        assert_eq!(input.length, Some(5000));
        assert_eq!(
            input.id(),
            Some(FileId::from(&std::fs::metadata(&path).unwrap()))
        );
        io::copy(&mut input, &mut io::sink()).unwrap();
        assert_eq!(input.read.get(), 5000);
    }
}
