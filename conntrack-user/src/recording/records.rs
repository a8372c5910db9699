//! A recording as an iterator of records: the public interface for other programs.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use crate::{
    files::Remedied,
    model::record::Record,
    recording::{
        player::{Player, PlayerItem},
        position::Position,
        reader::{Damage, Ending, ReadError},
    },
    text::PlainPath,
};

/// Why a record cannot be read, with the file's path.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be opened.
    #[error("{}: {}", PlainPath(path), Remedied(source))]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A part of the file cannot be read. More records may follow.
    #[error("{}: {damage}", PlainPath(path))]
    Damage {
        /// The file.
        path: PathBuf,
        /// The place, length and cause.
        damage: Damage,
    },
    /// The file, or the rest of it, cannot be read: it is not a recording, or of a newer version, or reading failed.
    #[error("{}: {source}", PlainPath(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ReadError,
    },
}

/// A recording, record by record, in the order in which they were written.
///
/// Records are read when they are asked for; one block, of about a second, is in memory at a time. A damaged part of the file
/// yields [`RecordingError::Damage`], and the records after it follow. After any other error the iterator ends.
///
/// ```no_run
/// # use conntrack_user::{record::Record, recording::{Recording, RecordingError}};
/// # fn main() -> Result<(), RecordingError> {
/// for record in Recording::open("incident.ctp")? {
///     match record {
///         Ok(Record::Burst(burst)) => println!("{}: {} in {} ms", burst.counter, burst.count, burst.duration_ms),
///         Ok(_) => {}
///         Err(error @ RecordingError::Damage { .. }) => eprintln!("{error}"),
///         Err(error) => return Err(error),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Recording<R = File> {
    path: PathBuf,
    player: Player<R>,
    over: bool,
}

impl Recording {
    /// Opens a file. Whether it is a recording is checked when the first record is read.
    ///
    /// # Errors
    ///
    /// [`RecordingError::Open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RecordingError> {
        let path = path.as_ref();
        open(path).map(|file| Self::new(path, file))
    }
}

/// Opens a file that holds a recording. It may be a FIFO, whose writer is then waited for.
///
/// # Errors
///
/// [`RecordingError::Open`].
#[expect(
    clippy::disallowed_methods,
    reason = "it is read a block at a time, and may be a pipe"
)]
pub fn open(path: &Path) -> Result<File, RecordingError> {
    File::open(path).map_err(|source| RecordingError::Open {
        path: path.to_owned(),
        source,
    })
}

impl<R: Read> Recording<R> {
    /// Reads a recording from any input; `path` is its name in errors.
    pub fn new(path: impl Into<PathBuf>, input: R) -> Self {
        Self::part(path, input, None, None)
    }

    /// Reads what was recorded between two positions. The `hello` comes first, even if it was recorded earlier; a part has no
    /// `summary`.
    pub fn part(
        path: impl Into<PathBuf>,
        input: R,
        from: Option<Position>,
        to: Option<Position>,
    ) -> Self {
        Self {
            path: path.into(),
            player: Player::new(input, from, to),
            over: false,
        }
    }

    /// How the recording ends; only known after the last record.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.player.ending()
    }

    /// When the recording starts; only known after a record with a time.
    #[must_use]
    pub fn start(&self) -> Option<Timestamp> {
        self.player.start()
    }

    /// The latest time that was read so far.
    #[must_use]
    pub fn latest(&self) -> Option<Timestamp> {
        self.player.latest()
    }

    /// How many lines were skipped so far because this version does not know their records.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.player.unknown()
    }
}

impl<R: Read> Iterator for Recording<R> {
    type Item = Result<Record, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.over {
            match self.player.next_item() {
                Ok(Some(PlayerItem::Line(line))) => {
                    if let Some(record) = line.record {
                        return Some(Ok(record));
                    }
                }
                Ok(Some(PlayerItem::Damage(damage))) => {
                    return Some(Err(RecordingError::Damage {
                        path: self.path.clone(),
                        damage,
                    }));
                }
                Ok(None) => self.over = true,
                Err(source) => {
                    self.over = true;
                    return Some(Err(RecordingError::Read {
                        path: self.path.clone(),
                        source,
                    }));
                }
            }
        }
        None
    }
}
