//! The kernel's own counters, from procfs or through ctnetlink.

use std::path::Path;

use crate::{
    reading::{expectations::Expectations, kernel::KernelReading},
    source::{
        ctnetlink::{Counters, Ctnetlink},
        proc_files::ProcFiles,
        proc_fs::{ProcRoot, ReadOutcome, SourceError, limit_of_sysctl},
    },
};

/// Where to read the kernel's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelSource {
    /// From procfs, or from ctnetlink where procfs does not have them.
    Auto,
    /// From procfs.
    Procfs,
    /// From ctnetlink.
    Ctnetlink,
}

/// Reads the kernel's own counters.
#[derive(Debug)]
pub struct KernelCounters {
    files: ProcFiles,
    source: KernelSource,
    ctnetlink: Ctnetlink,
}

impl KernelCounters {
    /// Reads counters below `proc`, or from ctnetlink. With another directory than procfs only
    /// [`KernelSource::Procfs`] makes sense: ctnetlink is always of this kernel.
    #[must_use]
    pub fn new(proc: ProcRoot, source: KernelSource) -> Self {
        Self {
            files: ProcFiles::new(proc),
            source,
            ctnetlink: Ctnetlink::default(),
        }
    }

    /// Keeps files open between readings, where [`ProcFiles::keep_open`] can.
    pub fn keep_files_open(&mut self) {
        self.files.keep_open();
    }

    /// The directory laid out like procfs.
    #[must_use]
    pub fn proc(&self) -> &ProcRoot {
        self.files.root()
    }

    /// Reads all counters. What cannot be read is absent, and the outcome has an error for it.
    pub fn read(&mut self) -> ReadOutcome {
        match self.source {
            KernelSource::Procfs => self.files.read(),
            KernelSource::Ctnetlink => self.through_ctnetlink(),
            KernelSource::Auto => {
                let reading = self.files.read();
                // Where nf_conntrack is not loaded other files are missing too.
                match &reading.errors[..] {
                    [SourceError::NotFound(path)] if *path == self.proc().stat_path() => {
                        self.instead_of_procfs(reading)
                    }
                    [SourceError::Hidden(_)]
                        if self.proc().is_this_kernel() && self.conntrack_is_loaded() =>
                    {
                        self.instead_of_procfs(reading)
                    }
                    _ => reading,
                }
            }
        }
    }

    /// Whether nf_conntrack is known to be absent, where its files are: the rest of procfs is there, and of this kernel its module
    /// is not.
    #[must_use]
    pub fn lacks_conntrack(&self) -> bool {
        if self.proc().kernel_release().is_err() {
            return false;
        }
        let modules = Path::new("/sys/module");
        !self.proc().is_this_kernel()
            || (modules.exists() && !modules.join("nf_conntrack").exists())
    }

    /// The expectations of the network namespace. Where nf_conntrack is not loaded, ctnetlink is not asked.
    ///
    /// # Errors
    ///
    /// When they, or their limit, cannot be read.
    pub fn expectations(&mut self) -> Result<Expectations, SourceError> {
        let max = self.proc().expect_max()?;
        let held = match self.proc().expectations() {
            Err(SourceError::NotFound(_)) if self.source != KernelSource::Procfs => self
                .ctnetlink
                .expectations()
                .map_err(SourceError::Ctnetlink)?,
            read => read?,
        };
        Ok(Expectations { held, max })
    }

    fn instead_of_procfs(&mut self, mut reading: ReadOutcome) -> ReadOutcome {
        match self.ctnetlink.read() {
            Ok(counters) => {
                let kernel = &mut reading.kernel;
                kernel.stat = Some(counters.stat);
                kernel.max = kernel.max.or(counters.max.map(limit));
                reading.errors.clear();
                reading.via_ctnetlink = true;
            }
            Err(error) => reading.errors.push(SourceError::Ctnetlink(error)),
        }
        reading
    }

    fn through_ctnetlink(&mut self) -> ReadOutcome {
        if !self.conntrack_is_loaded() {
            return ReadOutcome {
                errors: vec![SourceError::NotLoaded],
                ..ReadOutcome::default()
            };
        }
        match self.ctnetlink.read() {
            Ok(Counters { stat, max }) => ReadOutcome {
                kernel: KernelReading {
                    stat: Some(stat),
                    count: None,
                    max: max.map(limit).or_else(|| self.proc().max().ok()),
                },
                errors: Vec::new(),
                via_ctnetlink: true,
            },
            Err(error) => {
                // The number of entries is useful even without the counters.
                let kernel = KernelReading {
                    stat: None,
                    count: self.proc().count().ok(),
                    max: self.proc().max().ok(),
                };
                ReadOutcome {
                    kernel,
                    errors: vec![SourceError::Ctnetlink(error)],
                    via_ctnetlink: false,
                }
            }
        }
    }

    /// Whether ctnetlink may be asked: where nf_conntrack is not loaded, asking would load it.
    fn conntrack_is_loaded(&self) -> bool {
        self.proc().count().is_ok() || Path::new("/sys/module/nf_conntrack").exists()
    }
}

fn limit(max: u32) -> u64 {
    u64::from(limit_of_sysctl(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tree: &str, source: KernelSource) -> ReadOutcome {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../tests/fixtures")
            .join(tree);
        KernelCounters::new(ProcRoot::new(root), source).read()
    }

    #[test]
    fn procfs_comes_first() {
        for source in [KernelSource::Auto, KernelSource::Procfs] {
            let reading = read("proc/6.18/t1", source);
            assert!(reading.kernel.stat.is_some() && reading.errors.is_empty());
            assert!(!reading.via_ctnetlink);
        }
    }

    #[test]
    fn ctnetlink_is_used_if_only_the_statistics_are_missing() {
        const TREE: &str = "ctnetlink/proc-without-stat";
        let reading = read(TREE, KernelSource::Auto);
        assert_eq!(reading.kernel.max, Some(262_144));
        // Whether ctnetlink answers depends on this machine, and on our privileges.
        if reading.via_ctnetlink {
            assert!(reading.kernel.stat.is_some() && reading.errors.is_empty());
        } else {
            assert_eq!(reading.kernel.entries(), Some(7));
            assert!(matches!(
                reading.errors[..],
                [SourceError::NotFound(_), SourceError::Ctnetlink(_)]
            ));
        }
        let reading = read(TREE, KernelSource::Procfs);
        assert!(matches!(reading.errors[..], [SourceError::NotFound(_)]));
        assert_eq!(reading.kernel.entries(), Some(7));
    }

    #[test]
    fn ctnetlink_is_not_used_if_everything_is_missing() {
        let reading = read("no/such/tree", KernelSource::Auto);
        assert_eq!(reading.errors.len(), 3);
        assert!(reading.errors.iter().all(SourceError::is_not_found));
        assert_eq!(reading.kernel.entries(), None);
    }
}
