//! The records of a recording, for programs that use them.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use crate::{
    model::record::Record,
    recording::{
        player::{Player, PlayerItem},
        position::Position,
        reader::{Damage, Ending, ReadError},
    },
    text::PlainPath,
};

/// Why a record cannot be read, and of which file.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be opened.
    #[error("{}: {source}", PlainPath(path))]
    Open {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A part of the file cannot be read. More records may follow.
    #[error("{}: {damage}", PlainPath(path))]
    Damage {
        /// The file.
        path: PathBuf,
        /// Where and how long the part is, and what is wrong with it.
        damage: Damage,
    },
    /// Nothing (more) of the file can be read: it is no recording, or of a newer version, or reading failed.
    #[error("{}: {source}", PlainPath(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: ReadError,
    },
}

/// A recording, record by record, in the order in which they were written.
///
/// Records are read as they are asked for; one block, of a second or so, is in memory. For a part of the file that is
/// damaged there is [`RecordingError::Damage`] among the records, and the records behind it follow. After any other
/// error there is nothing more.
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
    /// Opens a file. Whether it is a recording shows when its first record is asked for.
    ///
    /// # Errors
    ///
    /// [`RecordingError::Open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RecordingError> {
        let path = path.as_ref();
        open(path).map(|file| Self::new(path, file))
    }
}

/// Opens a file with a recording. A FIFO is as good: it is waited for.
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
    /// Reads a recording from anywhere; `path` is what errors call it.
    pub fn new(path: impl Into<PathBuf>, input: R) -> Self {
        Self::part(path, input, None, None)
    }

    /// Reads what was recorded between two moments. A hello that was recorded earlier comes first; a part has no summary.
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

    /// How the recording ends: known once there are no more records.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.player.ending()
    }

    /// When the recording starts: known once a record with a time was read.
    #[must_use]
    pub fn start(&self) -> Option<Timestamp> {
        self.player.start()
    }

    /// The latest time in what was read.
    #[must_use]
    pub fn latest(&self) -> Option<Timestamp> {
        self.player.latest()
    }

    /// Lines skipped so far, because they are no records that this version knows.
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
