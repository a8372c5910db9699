//! The kernel's own counters, from procfs or from a directory laid out like it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use crate::{
    files,
    reading::{kernel::KernelReading, proc_stat::ParseError},
    source::{
        denied::{ANY_FILE, DeniedRemedy},
        nfnetlink::socket::NetlinkError,
    },
    text::{PlainPath, Text},
};

/// Where procfs is mounted.
pub const PROC: &str = "/proc";

/// The directory of the thread that reads it.
pub(super) const OWN_PROC: &str = "/proc/thread-self";

/// A file of the kernel's counters: its name, and that of the time of ip_conntrack (up to 2.6.19 without the other, RHEL 5
/// for one), whose contents are the same.
pub(super) type CounterFile = [&'static str; 2];

pub(super) const STAT: CounterFile = ["net/stat/nf_conntrack", "net/stat/ip_conntrack"];
const COUNT: CounterFile = [
    "sys/net/netfilter/nf_conntrack_count",
    "sys/net/ipv4/netfilter/ip_conntrack_count",
];
pub(super) const MAX: CounterFile = [
    "sys/net/netfilter/nf_conntrack_max",
    "sys/net/ipv4/netfilter/ip_conntrack_max",
];
const EXPECTATIONS: CounterFile = ["net/nf_conntrack_expect", "net/ip_conntrack_expect"];
const EXPECT_MAX: CounterFile = [
    "sys/net/netfilter/nf_conntrack_expect_max",
    "sys/net/ipv4/netfilter/ip_conntrack_expect_max",
];
const MOUNTS: &str = "self/mountinfo";
const OSRELEASE: &str = "sys/kernel/osrelease";

/// The most bytes of a file. The longest is that of the statistics: some 160 bytes for each possible CPU, of which no kernel has
/// more than 8192 (`NR_CPUS_RANGE_END` of arch/x86/Kconfig). A longer file is something else, and may be endless.
pub(super) const COUNTER_FILE_BYTES: usize = 4 << 20;

/// The most bytes of the other files, such as the list of expectations.
const MAX_BYTES: u64 = 16 << 20;

/// Why the kernel's own counters could not be read, in part or at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file does not exist.
    #[error("{} does not exist", PlainPath(.0))]
    NotFound(PathBuf),
    /// It is a procfs of processes only.
    #[error("{} is mounted with subset=pid, which hides the kernel's counters", PlainPath(.0))]
    Hidden(PathBuf),
    /// The file may not be read.
    #[error("{}: permission denied; {}", PlainPath(.0), .1)]
    PermissionDenied(PathBuf, DeniedRemedy),
    /// Reading the file failed otherwise.
    #[error("{path}: {source}", path = PlainPath(.0), source = .1)]
    Io(PathBuf, #[source] io::Error),
    /// The file does not hold conntrack statistics.
    #[error("{path}: {source}", path = PlainPath(.0), source = .1)]
    Stat(PathBuf, #[source] ParseError),
    /// The file does not hold a number.
    #[error("{path}:1: expected a number, found \"{found}\"", path = PlainPath(.0), found = .1)]
    Number(PathBuf, Text),
    /// The number of entries is asked of a process's directory: `sys` beside it is that of whoever reads.
    #[error("only within that namespace the number of entries can be read: take --netns {}/ns/net", PlainPath(.0))]
    CountOfProcess(PathBuf),
    /// nf_conntrack is not loaded, and asking ctnetlink would load it.
    #[error("ctnetlink is not asked while nf_conntrack is not loaded: that would load it")]
    NotLoaded,
    /// ctnetlink did not answer.
    #[error("ctnetlink: {0}")]
    Ctnetlink(#[source] NetlinkError),
}

impl SourceError {
    /// What opening or reading a file ended with.
    pub(super) fn of(path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Self::NotFound(path.to_owned())
            }
            io::ErrorKind::PermissionDenied => {
                Self::PermissionDenied(path.to_owned(), DeniedRemedy::after_denial(ANY_FILE))
            }
            _ => Self::Io(path.to_owned(), error),
        }
    }

    /// Whether the file does not exist, or not yet: nf_conntrack may be loaded later.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_) | Self::Hidden(_) | Self::NotLoaded)
    }
}

/// A directory laid out like procfs.
#[derive(Clone, Debug)]
pub struct ProcRoot {
    root: PathBuf,
}

/// The kernel's own counters as far as they could be read.
#[derive(Debug, Default)]
pub struct ReadOutcome {
    /// What was read.
    pub kernel: KernelReading,
    /// Why the rest was not.
    pub errors: Vec<SourceError>,
    /// Whether the statistics are from ctnetlink, and not from procfs.
    pub via_ctnetlink: bool,
}

impl ProcRoot {
    /// Reads below `root`, normally [`PROC`].
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        &self.root
    }

    /// Whether this is procfs, and not a directory that is laid out like it.
    #[must_use]
    pub fn is_this_kernel(&self) -> bool {
        self.root == Path::new(PROC)
    }

    /// Whether it is procfs with the option subset=pid, which has the files of processes and no others.
    #[must_use]
    pub fn has_processes_only(&self) -> bool {
        // Mounts can be many; usually there is no need to read them.
        !self.root.join("sys").exists()
            && read(&self.root.join(MOUNTS)).is_ok_and(|mounts| subset_pid(&mounts, &self.root))
    }

    /// Entries in this network namespace's table.
    pub fn count(&self) -> Result<u64, SourceError> {
        if self.is_of_a_process() {
            return Err(SourceError::CountOfProcess(self.root.clone()));
        }
        self.number(COUNT).map(u64::from)
    }

    /// The most entries that the table may have; 0 without a limit.
    pub fn max(&self) -> Result<u64, SourceError> {
        self.number(MAX).map(|max| u64::from(limit_of_sysctl(max)))
    }

    /// The most expectations that a network namespace may hold.
    pub fn expect_max(&self) -> Result<u64, SourceError> {
        self.number(EXPECT_MAX).map(u64::from)
    }

    /// The expectations that this network namespace holds: the file has a line of each. It is root's.
    pub fn expectations(&self) -> Result<u64, SourceError> {
        let (_, text) = self.read_either(&self.net(), EXPECTATIONS)?;
        Ok(text.lines().count() as u64)
    }

    /// The file by its name, or else by its old one. The error is about the former.
    fn read_either(
        &self,
        root: &Path,
        [name, old]: CounterFile,
    ) -> Result<(PathBuf, String), SourceError> {
        let at = |name| {
            let path = root.join(name);
            read(&path).map(|text| (path, text))
        };
        match at(name) {
            Err(error @ SourceError::NotFound(_)) => at(old).map_err(|_| error),
            other => other,
        }
    }

    /// The kernel's release, such as `6.12.117+deb12-cloud-amd64`.
    pub fn kernel_release(&self) -> Result<String, SourceError> {
        read(&self.sys().join(OSRELEASE)).map(|text| text.trim().to_owned())
    }

    /// The path of the statistics.
    ///
    /// `/proc/net` is the namespace of the thread group's leader; `/proc/thread-self/net` is that
    /// of the thread that reads, as it is for `/proc/sys/net`.
    #[must_use]
    pub fn stat_path(&self) -> PathBuf {
        self.net().join(STAT[0])
    }

    /// The directory that has `net`.
    pub(super) fn net(&self) -> PathBuf {
        if self.is_this_kernel() {
            OWN_PROC.into()
        } else {
            self.root.clone()
        }
    }

    /// Whether it is a process's own directory in procfs.
    fn is_of_a_process(&self) -> bool {
        self.root.join("ns").exists() && !self.root.join("sys").exists()
    }

    /// Where `sys` is: beside the processes, where this is the directory of one. The limit that is read there is one of all
    /// network namespaces.
    pub(super) fn sys(&self) -> PathBuf {
        if self.is_this_kernel() {
            return self.root.clone();
        }
        let beside = self.root.join("..");
        match self.is_of_a_process() {
            true if beside.join("sys").exists() => beside,
            true => PROC.into(),
            false => self.root.clone(),
        }
    }

    fn number(&self, file: CounterFile) -> Result<u32, SourceError> {
        let (path, text) = self.read_either(&self.sys(), file)?;
        parse_number(text.as_bytes(), &path)
    }
}

/// An unsigned number as sysctl prints it: older kernels print it as a signed one.
pub(super) fn parse_number(text: &[u8], path: &Path) -> Result<u32, SourceError> {
    let number = |text: &str| {
        let signed = || text.parse().map(i32::cast_unsigned);
        text.parse().or_else(|_| signed()).ok()
    };
    let parsed = str::from_utf8(text)
        .ok()
        .and_then(|text| number(text.trim()));
    parsed.ok_or_else(|| {
        let text = String::from_utf8_lossy(text);
        SourceError::Number(path.to_owned(), Text::excerpt(text.trim()))
    })
}

/// The limit that a value of nf_conntrack_max is. The greatest, which older kernels take and print as -1, is none, as 0 is: the
/// memory ends first.
#[must_use]
pub fn limit_of_sysctl(max: u32) -> u32 {
    match max {
        u32::MAX => 0,
        max => max,
    }
}

/// Whether the procfs at `root` has the option, by lines like
/// `36 35 0:33 / /proc rw,nosuid - proc proc rw,hidepid=invisible,subset=pid`, of which the last for a place is in force.
fn subset_pid(mounts: &str, root: &Path) -> bool {
    let mut mounts = mounts.lines().filter_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let place = mount.split(' ').nth(4)?;
        let mut words = file_system.split(' ');
        let (kind, options) = (words.next()?, words.nth(1)?);
        (Path::new(place) == root).then_some((kind, options))
    });
    mounts.next_back().is_some_and(|(kind, options)| {
        kind == "proc" && options.split(',').any(|option| option == "subset=pid")
    })
}

fn read(path: &Path) -> Result<String, SourceError> {
    // Lossy: the parser refuses what is malformed, and quotes it.
    files::read(path, MAX_BYTES)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .map_err(|error| SourceError::of(path, error))
}

impl fmt::Display for ProcRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        PlainPath(&self.root).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::source::proc_files::ProcFiles;

    /// A directory laid out like procfs in which the statistics are what `make` makes at the path it is given.
    fn with_statistics(make: impl FnOnce(&Path)) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let stat = dir.path().join(STAT[0]);
        fs::create_dir_all(stat.parent().unwrap()).unwrap();
        make(&stat);
        dir
    }

    #[test]
    fn a_procfs_of_processes_only_is_known_by_its_mount() {
        let mounts = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
36 35 0:33 / /run/proc rw shared:7 - proc proc rw,subset=pid
37 36 0:34 / /proc/sys rw - tmpfs none rw
";
        let only = |mounts: &str, root: &str| subset_pid(mounts, Path::new(root));
        assert!(!only(mounts, "/proc"));
        assert!(only(mounts, "/run/proc"));
        assert!(!only(mounts, "/run"));
        let covered =
            format!("{mounts}40 22 0:40 / /proc rw - proc proc rw,hidepid=invisible,subset=pid\n");
        assert!(only(&covered, "/proc"));
        assert!(!only("odd\n - \n", "/proc"));
    }

    fn stat_error(dir: &tempfile::TempDir) -> String {
        let outcome = ProcFiles::new(ProcRoot::new(dir.path())).read();
        assert!(outcome.kernel.stat.is_none());
        let at = |error: &&SourceError| error.to_string().contains("net/stat/nf_conntrack");
        outcome.errors.iter().find(at).unwrap().to_string()
    }

    #[test]
    fn a_fifo_in_place_of_a_file_is_not_waited_for() {
        let dir = with_statistics(|stat| {
            fs::rename(files::testing::fifo(stat.parent().unwrap()), stat).unwrap();
        });
        assert!(stat_error(&dir).ends_with("nf_conntrack: is a FIFO; a regular file is expected"));
    }

    #[test]
    fn a_file_that_never_ends_is_refused() {
        let dir = with_statistics(|stat| {
            // Sparse: it takes no room.
            fs::File::create(stat).unwrap().set_len(1 << 40).unwrap();
        });
        assert!(stat_error(&dir).contains("has more than 4194304 bytes"));
        let dir = with_statistics(|stat| {
            std::os::unix::fs::symlink("/dev/zero", stat).unwrap();
        });
        assert!(stat_error(&dir).contains("is a device"));
    }

    #[test]
    fn quoted_text_in_errors_is_short_and_escaped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(MAX[0]);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "\u{1b}]0;owned".repeat(100_000)).unwrap();
        let error = ProcRoot::new(dir.path()).max().unwrap_err().to_string();
        assert!(
            error.contains("expected a number, found \"\\u{1b}]0;owned"),
            "{error}"
        );
        assert!(error.len() < 10_000 && !error.contains('\u{1b}'));
    }
}
