//! A directory laid out like `/proc`, which changes while the program reads it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// The statistics.
pub(crate) const STAT: &str = "net/stat/nf_conntrack";
/// The number of entries.
pub(crate) const COUNT: &str = "sys/net/netfilter/nf_conntrack_count";
/// The greatest number of entries.
pub(crate) const MAX: &str = "sys/net/netfilter/nf_conntrack_max";
/// The kernel's release.
const RELEASE: &str = "sys/kernel/osrelease";

/// A tree of its own for one test.
pub(crate) struct Tree {
    dir: TempDir,
}

/// A file of the fixtures, such as `6.1/t0/net/stat/nf_conntrack`.
pub(crate) fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/proc")
        .join(path)
}

impl Tree {
    /// A copy of a fixture, such as `6.1/t0`.
    pub(crate) fn of(snapshot: &str) -> Result<Self> {
        let tree = Self::absent()?;
        tree.become_snapshot(snapshot)?;
        Ok(tree)
    }

    /// Nothing yet, not even the directory.
    pub(crate) fn absent() -> Result<Self> {
        let dir = tempfile::tempdir().context("cannot make a temporary directory")?;
        Ok(Self { dir })
    }

    /// Its path, for `--proc-root`.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("proc")
    }

    /// A file's path.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.root().join(file)
    }

    /// Replaces a file in one step: a reader sees the old one or the new one.
    pub(crate) fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.path(file);
        let new = path.with_extension("new");
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
        }
        fs::write(&new, text).with_context(|| format!("write {}", new.display()))?;
        fs::rename(&new, &path).with_context(|| format!("replace {}", path.display()))
    }

    /// Becomes a fixture, one file after the other. The statistics come last: whoever has seen those
    /// has seen everything.
    pub(crate) fn become_snapshot(&self, snapshot: &str) -> Result<()> {
        for file in [RELEASE, COUNT, MAX, STAT] {
            self.copy(file, &format!("{snapshot}/{file}"))?;
        }
        Ok(())
    }

    /// Replaces a file by one of the fixtures.
    pub(crate) fn copy(&self, file: &str, from: &str) -> Result<()> {
        let from = fixture(from);
        let text = fs::read_to_string(&from).with_context(|| format!("read {}", from.display()))?;
        self.write(file, &text)
    }

    /// Sets the number of entries wherever it is printed: hexadecimal on every row of the
    /// statistics, and decimal in the file of its own.
    pub(crate) fn set_entries(&self, entries: u32) -> Result<()> {
        let stat = fs::read_to_string(self.path(STAT))?;
        let mut text = String::new();
        for (i, line) in stat.lines().enumerate() {
            match line.split_once(' ') {
                Some((_, rest)) if i > 0 => text.push_str(&format!("{entries:08x} {rest}\n")),
                _ => text.push_str(&format!("{line}\n")),
            }
        }
        self.write(COUNT, &format!("{entries}\n"))?;
        self.write(STAT, &text)
    }

    /// Takes a file away.
    pub(crate) fn remove(&self, file: &str) -> Result<()> {
        let path = self.path(file);
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))
    }

    /// Lets the first CPU count `more` in a column of the statistics.
    pub(crate) fn count(&self, column: &str, more: u32) -> Result<()> {
        let stat = fs::read_to_string(self.path(STAT))?;
        let mut lines: Vec<String> = stat.lines().map(str::to_owned).collect();
        let at = lines[0].split_whitespace().position(|name| name == column);
        let at = at.with_context(|| format!("no column {column}"))?;
        let mut cells: Vec<String> = lines[1].split_whitespace().map(str::to_owned).collect();
        let counted = u32::from_str_radix(&cells[at], 16)?;
        cells[at] = format!("{:08x}", counted.wrapping_add(more));
        lines[1] = cells.join(" ");
        self.write(STAT, &(lines.join("\n") + "\n"))
    }
}
