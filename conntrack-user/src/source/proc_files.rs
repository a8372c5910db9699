//! The files of the kernel's counters that are read at every tick.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use crate::{
    files::{self, ReadBuffer},
    reading::{
        kernel::KernelReading,
        proc_stat::{ProcStat, RepeatedParser},
    },
    source::proc_fs::{
        self, COUNTER_FILE_BYTES, CounterFile, MAX, ProcRoot, ReadOutcome, STAT, SourceError,
    },
};

/// Reads the files of one instance again and again.
#[derive(Debug)]
pub struct ProcFiles {
    root: ProcRoot,
    /// Whether files stay open between two readings.
    keeps_open: bool,
    stat: TickFile,
    max: TickFile,
    rows: ReadBuffer,
    number: ReadBuffer,
    parser: RepeatedParser,
}

/// A file that is read at every tick.
#[derive(Debug)]
struct TickFile {
    names: CounterFile,
    open: Option<File>,
    /// Where it was read the last time.
    path: PathBuf,
}

impl ProcFiles {
    /// The files below `root`, which are opened for each reading.
    #[must_use]
    pub fn new(root: ProcRoot) -> Self {
        Self {
            root,
            keeps_open: false,
            stat: TickFile::new(STAT),
            max: TickFile::new(MAX),
            rows: ReadBuffer::default(),
            number: ReadBuffer::of_number(),
            parser: RepeatedParser::default(),
        }
    }

    /// Keeps the files open from now on, if they are this kernel's: those of a directory may be replaced by others at any time.
    ///
    /// An open file of a network namespace's counters keeps that namespace alive (`seq_open_net()`, fs/proc/proc_net.c), so this is
    /// for those that are to stay.
    pub fn keep_open(&mut self) {
        self.keeps_open = self.root.is_this_kernel();
    }

    /// The directory laid out like procfs.
    #[must_use]
    pub fn root(&self) -> &ProcRoot {
        &self.root
    }

    /// Reads all counters. What cannot be read is absent, and the outcome has an error for it.
    pub fn read(&mut self) -> ReadOutcome {
        let mut errors = Vec::new();
        let mut keep = |error| errors.push(error);
        let stat = self.read_stat().map_err(&mut keep).ok();
        // The statistics have this number too; reading it is needed only without them.
        let count = match stat {
            Some(_) => None,
            None => self.root.count().map_err(&mut keep).ok(),
        };
        let max = self.read_max().map_err(&mut keep).ok();
        let all_absent = errors
            .iter()
            .all(|error| matches!(error, SourceError::NotFound(_)));
        if !errors.is_empty() && all_absent && self.root.has_processes_only() {
            errors = vec![SourceError::Hidden(self.root.path().to_owned())];
        }
        ReadOutcome {
            kernel: KernelReading { stat, count, max },
            errors,
            via_ctnetlink: false,
        }
    }

    fn read_stat(&mut self) -> Result<ProcStat, SourceError> {
        let net = || self.root.net();
        self.stat.read(net, self.keeps_open, &mut self.rows)?;
        let parsed = self.parser.parse(self.rows.bytes());
        parsed.map_err(|error| SourceError::Stat(self.stat.path.clone(), error))
    }

    fn read_max(&mut self) -> Result<u64, SourceError> {
        let sys = || self.root.sys();
        self.max.read(sys, self.keeps_open, &mut self.number)?;
        let number = proc_fs::parse_number(self.number.bytes(), &self.max.path)?;
        Ok(proc_fs::limit_of_sysctl(number).into())
    }
}

impl TickFile {
    fn new(names: CounterFile) -> Self {
        Self {
            names,
            open: None,
            path: PathBuf::new(),
        }
    }

    /// Reads all of it, by its name below `root`, or else by its old one. The error is about the former.
    fn read(
        &mut self,
        root: impl FnOnce() -> PathBuf,
        keep_open: bool,
        buffer: &mut ReadBuffer,
    ) -> Result<(), SourceError> {
        if let Some(file) = &self.open
            && buffer.fill(file, COUNTER_FILE_BYTES).is_ok()
        {
            return Ok(());
        }
        // Once the module was unloaded, what is open is no file any more, and that of a module loaded again is another.
        self.open = None;
        let root = root();
        let [name, old] = self.names;
        let file = match self.read_named(&root, name, buffer) {
            Err(error @ SourceError::NotFound(_)) => {
                self.read_named(&root, old, buffer).map_err(|_| error)?
            }
            read => read?,
        };
        self.open = keep_open.then_some(file);
        Ok(())
    }

    fn read_named(
        &mut self,
        root: &Path,
        name: &str,
        buffer: &mut ReadBuffer,
    ) -> Result<File, SourceError> {
        let path = root.join(name);
        // Each network namespace has its own sys/net/netfilter, and the kernel finds it by looking at those of all: once is enough.
        let open = match [proc_fs::PROC, proc_fs::OWN_PROC]
            .map(Path::new)
            .contains(&root)
        {
            true => files::open_in_procfs,
            false => files::open,
        };
        let read = open(&path).and_then(|file| {
            buffer.fill(&file, COUNTER_FILE_BYTES)?;
            Ok(file)
        });
        self.path = path;
        read.map_err(|error| SourceError::of(&self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::source::proc_fs::PROC;

    fn write(dir: &Path, [name, _]: CounterFile, text: &str) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        // Another file in its place, as a module that is loaded again makes one.
        let new = path.with_extension("new");
        fs::write(&new, text).expect("written");
        fs::rename(new, path).expect("renamed");
    }

    /// Statistics of so many CPUs.
    fn statistics(entries: u32, cpus: usize) -> String {
        "entries found\n".to_owned() + &format!("{entries:08x}  00000002\n").repeat(cpus)
    }

    fn directory() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), STAT, &statistics(1, 512));
        write(dir.path(), MAX, "65536\n");
        dir
    }

    fn read(files: &mut ProcFiles) -> (Option<u64>, Option<u64>) {
        let read = files.read();
        assert!(read.errors.is_empty(), "{:?}", read.errors);
        (read.kernel.entries(), read.kernel.max)
    }

    #[test]
    fn files_of_a_directory_may_be_replaced() {
        let dir = directory();
        let mut files = ProcFiles::new(ProcRoot::new(dir.path()));
        files.keep_open();
        assert_eq!(read(&mut files), (Some(1), Some(65_536)));
        write(dir.path(), STAT, &statistics(2, 512));
        write(dir.path(), MAX, "4096\n");
        assert_eq!(read(&mut files), (Some(2), Some(4096)));
        fs::remove_file(dir.path().join(STAT[0])).expect("removed");
        assert!(files.read().kernel.stat.is_none());
    }

    #[test]
    fn those_of_this_kernel_stay_open() {
        let mut files = ProcFiles::new(ProcRoot::new(PROC));
        files.keep_open();
        let reading = files.read();
        assert_eq!(reading.kernel.stat.is_some(), files.stat.open.is_some());
        assert_eq!(reading.kernel.max.is_some(), files.max.open.is_some());
        assert_eq!(files.read().kernel.max, reading.kernel.max);
    }

    #[test]
    fn what_is_open_and_cannot_be_read_any_more_is_opened_again() {
        let dir = directory();
        let mut files = ProcFiles::new(ProcRoot::new(dir.path()));
        files.keeps_open = true;
        assert_eq!(read(&mut files), (Some(1), Some(65_536)));
        write(dir.path(), STAT, &statistics(2, 512));
        assert_eq!(read(&mut files), (Some(1), Some(65_536)));
        // Reading a directory fails, as reading a file of a module that was unloaded does.
        files.stat.open = Some(fs::File::open(dir.path()).expect("a directory"));
        assert_eq!(read(&mut files), (Some(2), Some(65_536)));
    }

    #[test]
    fn reading_again_takes_no_memory() {
        let dir = directory();
        let mut files = ProcFiles::new(ProcRoot::new(dir.path()));
        files.keeps_open = true;
        // What is in use at a time: the last two readings.
        let mut last = files.read();
        let mut again = |times| {
            for _ in 0..times {
                last = files.read();
            }
        };
        again(3);
        let taken = allocation_counter::measure(|| again(20));
        assert_eq!((taken.count_total, taken.bytes_current), (0, 0));
    }
}
