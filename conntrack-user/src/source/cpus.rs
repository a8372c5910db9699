//! The ids of the machine's CPUs, from sysfs.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    files,
    reading::cpus::{CpuIds, cpu_list},
    text::{PlainPath, Text},
};

/// The most bytes of a list: the kernel writes it into one page (`show_cpus_attr()`, drivers/base/cpu.c), of at most 64 KiB.
const MAX_BYTES: u64 = 64 << 10;

/// Why the ids of the CPUs are not known.
#[derive(Debug, thiserror::Error)]
pub enum CpuListError {
    /// The counters are from a directory laid out like /proc, which has no sysfs beside it.
    #[error("the ids of the CPUs are in /sys, which a directory like /proc does not have")]
    NoSysfs,
    /// The list cannot be read.
    #[error("{}: {source}", PlainPath(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file does not hold a list.
    #[error(
        "{}: expected a list such as 0-3,8, found \"{found}\"",
        PlainPath(path)
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Its contents.
        found: Text,
    },
}

/// The directory in which the kernel lists the CPUs; `None` where it is not available.
#[derive(Clone, Debug)]
pub struct CpuDir(Option<PathBuf>);

impl CpuDir {
    /// The directory of this machine.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self(Some("/sys/devices/system/cpu".into()))
    }

    /// For another machine, of which there is only a copy of /proc.
    #[must_use]
    pub fn unknown() -> Self {
        Self(None)
    }

    /// Reads the ids of the CPUs. CPUs may go offline and online at any time.
    ///
    /// # Errors
    ///
    /// When they are not known.
    pub fn read(&self) -> Result<CpuIds, CpuListError> {
        let dir = self.0.as_ref().ok_or(CpuListError::NoSysfs)?;
        Ok(CpuIds {
            possible: list(&dir.join("possible"))?,
            online: list(&dir.join("online"))?,
        })
    }
}

fn list(path: &Path) -> Result<Vec<u32>, CpuListError> {
    let bytes = files::read(path, MAX_BYTES).map_err(|source| CpuListError::Read {
        path: path.to_owned(),
        source,
    })?;
    let text = String::from_utf8_lossy(&bytes);
    cpu_list(&text).ok_or_else(|| CpuListError::Malformed {
        path: path.to_owned(),
        found: Text::excerpt(text.trim()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn this_machine_has_cpus() {
        let ids = CpuDir::of_this_machine().read().expect("/sys is there");
        assert!(!ids.online.is_empty());
        assert!(ids.online.iter().all(|id| ids.possible.contains(id)));
    }

    #[test]
    fn unknown_cpus_have_a_reason() {
        let missing = CpuDir(Some("/no/such".into()));
        assert!(
            missing
                .read()
                .is_err_and(|e| e.to_string().contains("/no/such/possible"))
        );
        assert!(CpuDir::unknown().read().is_err());
    }

    #[test]
    fn an_invalid_list_is_quoted() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("possible"), "three\n").unwrap();
        let error = CpuDir(Some(dir.path().into())).read().unwrap_err();
        let expected = "/possible: expected a list such as 0-3,8, found \"three\"";
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}
