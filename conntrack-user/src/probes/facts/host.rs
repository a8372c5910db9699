//! The host that facts are about: this one, or a directory laid out like one with a kernel that answers as tests want.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{FactError, NoFentry};
use crate::{
    files,
    probes::{
        bpf, cast,
        fentry::{self, NoTrampolines},
        offsets::{FentryTarget, FieldOffset},
        perf_event,
    },
    source::proc_fs::ProcRoot,
};

/// The most bytes that are read of a file. They are short, but for /proc/kallsyms, which has some 10 MB.
pub(super) const LARGEST_FILE: u64 = 256 << 20;

/// Where files are looked for, and the kernel that is asked.
pub struct Host<'a> {
    root: &'a Path,
    kernel: &'a dyn KernelAnswers,
}

/// What a kernel answers to what no file says.
pub trait KernelAnswers {
    /// Its release, as `uname -r` prints it.
    fn release(&self) -> String;

    /// Whether it makes a map for this process.
    ///
    /// # Errors
    ///
    /// When it refuses.
    fn map(&self) -> io::Result<()>;

    /// Whether it opens a performance event of all processes on one CPU, as a kprobe is, for this process.
    ///
    /// # Errors
    ///
    /// When it refuses.
    fn perf_event(&self) -> io::Result<()>;

    /// Whether it runs programs by trampolines, on the function of vmlinux that it has for tests: some kernels have the
    /// functions in their type information and refuse nevertheless.
    ///
    /// # Errors
    ///
    /// When it does not.
    fn trampolines(&self, test: u32) -> Result<(), NoFentry>;

    /// Whether it finds a function by the name in its type information, as it must to put a trampoline on it.
    fn finds(&self, target: FentryTarget) -> bool;

    /// Whether programs may call the function with this number, which casts addresses to types, and load a field of 4 bytes.
    ///
    /// # Errors
    ///
    /// When it refuses such a program.
    fn cast(&self, function: u32, field: FieldOffset) -> io::Result<()>;
}

/// The release of the kernel that runs, as `uname -r` prints it.
#[must_use]
pub fn running_release() -> String {
    let uname = rustix::system::uname();
    uname.release().to_string_lossy().into_owned()
}

/// The kernel that runs.
struct ThisKernel;

impl KernelAnswers for ThisKernel {
    fn release(&self) -> String {
        running_release()
    }

    fn map(&self) -> io::Result<()> {
        bpf::make_map()
    }

    fn perf_event(&self) -> io::Result<()> {
        perf_event::open()
    }

    fn trampolines(&self, test: u32) -> Result<(), NoFentry> {
        fentry::try_out(test).map_err(|error| match error {
            NoTrampolines::Unsupported => NoFentry::NoTrampolines,
            NoTrampolines::Refused(answer) => NoFentry::Refused(answer),
        })
    }

    fn finds(&self, target: FentryTarget) -> bool {
        fentry::try_load(target)
            .inspect_err(|error| log::debug!("{}: {error}", target.function))
            .is_ok()
    }

    fn cast(&self, function: u32, field: FieldOffset) -> io::Result<()> {
        cast::try_to_load(function, field)
    }
}

impl Host<'static> {
    /// The host that we run on.
    #[must_use]
    pub fn this() -> Self {
        Self {
            root: Path::new("/"),
            kernel: &ThisKernel,
        }
    }
}

impl<'a> Host<'a> {
    /// A host whose `proc` and `sys` are below a directory.
    #[cfg(test)]
    pub(crate) fn simulated(root: &'a Path, kernel: &'a dyn KernelAnswers) -> Self {
        Self { root, kernel }
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    /// The kernel's release.
    pub(super) fn release(&self) -> String {
        self.kernel.release()
    }

    pub(super) fn kernel(&self) -> &dyn KernelAnswers {
        self.kernel
    }

    pub(super) fn proc(&self) -> ProcRoot {
        ProcRoot::new(self.path("proc"))
    }

    pub(super) fn read(&self, file: &str) -> Result<String, FactError> {
        self.read_by(file, |file| {
            let mut text = String::new();
            file.take(LARGEST_FILE).read_to_string(&mut text)?;
            Ok(text)
        })
    }

    /// Reads a file that is too long to be kept.
    pub(super) fn read_by<T>(
        &self,
        file: &str,
        read: impl FnOnce(File) -> io::Result<T>,
    ) -> Result<T, FactError> {
        let path = self.path(file);
        files::open(&path).and_then(read).map_err(|cause| {
            let cause = match cause.kind() {
                io::ErrorKind::InvalidData => io::Error::new(cause.kind(), "is not text"),
                _ => cause,
            };
            FactError::Read {
                path,
                cause: Arc::new(cause),
            }
        })
    }
}
