//! Which CPUs there are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::reading::cpus::{CpuIds, cpu_list};

/// Where the kernel lists them.
#[derive(Clone, Debug)]
pub struct CpuDir(Option<PathBuf>);

impl CpuDir {
    /// Those of this machine.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self(Some("/sys/devices/system/cpu".into()))
    }

    /// Those of a machine whose /proc alone is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self(None)
    }

    /// The CPUs now: they may go offline and online at any time.
    ///
    /// # Errors
    ///
    /// What is not known, and why.
    pub fn read(&self) -> Result<CpuIds, String> {
        let Some(dir) = &self.0 else {
            return Err(
                "the ids of the CPUs are in /sys, which a directory like /proc does not have"
                    .to_owned(),
            );
        };
        Ok(CpuIds {
            possible: list(&dir.join("possible"))?,
            online: list(&dir.join("online"))?,
        })
    }
}

fn list(path: &Path) -> Result<Vec<u32>, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    cpu_list(&text).ok_or_else(|| format!("{}: cannot read {text:?}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cpus() {
        let ids = CpuDir::of_this_machine().read().expect("/sys is there");
        assert!(!ids.online.is_empty());
        assert!(ids.online.iter().all(|id| ids.possible.contains(id)));
    }

    #[test]
    fn what_is_unknown_is_said() {
        let missing = CpuDir(Some("/no/such".into()));
        assert!(
            missing
                .read()
                .is_err_and(|e| e.contains("/no/such/possible"))
        );
        assert!(CpuDir::unknown().read().is_err());
    }
}
