//! The kernel's own counters, from procfs or from a directory laid out like it.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::{
    reading::{
        kernel::KernelReading,
        proc_stat::{ParseError, ProcStat},
    },
    source::nfnetlink::socket,
};

/// Where procfs is mounted.
pub const PROC: &str = "/proc";

const STAT: &str = "net/stat/nf_conntrack";
const COUNT: &str = "sys/net/netfilter/nf_conntrack_count";
const MAX: &str = "sys/net/netfilter/nf_conntrack_max";
const OSRELEASE: &str = "sys/kernel/osrelease";

/// Why a source gave nothing. Displayed with the file or the question, and with what to do where that
/// is known.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not there.
    #[error("{} does not exist", .0.display())]
    NotFound(PathBuf),
    /// It may not be read.
    #[error("{}: permission denied; run as root", .0.display())]
    PermissionDenied(PathBuf),
    /// Reading failed otherwise.
    #[error("{path}: {source}", path = .0.display(), source = .1)]
    Io(PathBuf, #[source] io::Error),
    /// The statistics are not what they should be.
    #[error("{path}: {source}", path = .0.display(), source = .1)]
    Stat(PathBuf, #[source] ParseError),
    /// A number was expected.
    #[error("{path}:1: expected a number, found {found:?}", path = .0.display(), found = .1)]
    Number(PathBuf, String),
    /// There is no nf_conntrack to ask.
    #[error("ctnetlink is not asked while nf_conntrack is not loaded: that would load it")]
    NotLoaded,
    /// ctnetlink did not answer.
    #[error("ctnetlink: {0}")]
    Ctnetlink(#[source] socket::Error),
}

impl ReadError {
    /// Whether the file is merely not there (yet).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_) | Self::NotLoaded)
    }
}

/// A directory laid out like procfs.
#[derive(Clone, Debug)]
pub struct ProcRoot {
    root: PathBuf,
}

/// What was read, and what could not be.
#[derive(Debug, Default)]
pub struct Reading {
    /// What was read.
    pub kernel: KernelReading,
    /// What could not be.
    pub errors: Vec<ReadError>,
    /// Whether the statistics are from ctnetlink, and not from procfs.
    pub via_ctnetlink: bool,
}

impl ProcRoot {
    /// Reads below `root`, normally [`PROC`].
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Whether this is procfs, and not a directory that is laid out like it.
    #[must_use]
    pub fn is_this_kernel(&self) -> bool {
        self.root == Path::new(PROC)
    }

    /// Reads all counters. What cannot be read is absent, and its error is told.
    #[must_use]
    pub fn read(&self) -> Reading {
        let mut errors = Vec::new();
        let mut keep = |error| errors.push(error);
        let stat = self.stat().map_err(&mut keep).ok();
        // One read less where the stat file has the number already.
        let count = match stat {
            Some(_) => None,
            None => self.count().map_err(&mut keep).ok(),
        };
        let max = self.max().map_err(&mut keep).ok();
        Reading {
            kernel: KernelReading { stat, count, max },
            errors,
            via_ctnetlink: false,
        }
    }

    /// Entries in this network namespace's table.
    pub fn count(&self) -> Result<u64, ReadError> {
        self.number(COUNT)
    }

    /// How many entries a table may have.
    pub fn max(&self) -> Result<u64, ReadError> {
        self.number(MAX)
    }

    fn stat(&self) -> Result<ProcStat, ReadError> {
        let path = self.stat_path();
        let text = read(&path)?;
        ProcStat::parse(&text).map_err(|error| ReadError::Stat(path, error))
    }

    /// The kernel's release, such as `6.12.117+deb12-cloud-amd64`.
    pub fn kernel_release(&self) -> Result<String, ReadError> {
        read(&self.root.join(OSRELEASE)).map(|text| text.trim().to_owned())
    }

    /// The path of the statistics.
    ///
    /// `/proc/net` is the namespace of the thread group's leader; `/proc/thread-self/net` is that
    /// of the thread that reads, as it is for `/proc/sys/net`.
    #[must_use]
    pub fn stat_path(&self) -> PathBuf {
        if self.is_this_kernel() {
            self.root.join("thread-self").join(STAT)
        } else {
            self.root.join(STAT)
        }
    }

    fn number(&self, path: &str) -> Result<u64, ReadError> {
        number(&self.root.join(path))
    }
}

/// Reads a file that holds one number.
fn number<T: FromStr>(path: &Path) -> Result<T, ReadError> {
    let text = read(path)?;
    let text = text.trim();
    text.parse()
        .map_err(|_| ReadError::Number(path.to_owned(), text.to_owned()))
}

fn read(path: &Path) -> Result<String, ReadError> {
    // Lossy: a malformed file is reported with what stands in it, by the parser.
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                ReadError::NotFound(path.to_owned())
            }
            io::ErrorKind::PermissionDenied => ReadError::PermissionDenied(path.to_owned()),
            _ => ReadError::Io(path.to_owned(), error),
        })
}

impl fmt::Display for ProcRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.display().fmt(f)
    }
}
