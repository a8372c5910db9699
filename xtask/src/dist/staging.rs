//! What all packages are made of, in one directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{VERSION, copy_file, empty, pack, write_file};
use crate::architecture::Architecture;
use crate::{paths, process};

/// The files of a processor's packages.
pub(super) struct Staged {
    pub(super) architecture: Architecture,
    /// Where they are. The packages' descriptions in `conntrack-user/Cargo.toml` name it as `target/release/package`.
    pub(super) dir: PathBuf,
    /// Seconds since 1970 of everything in packages: when the newest commit was made, or `SOURCE_DATE_EPOCH`.
    pub(super) time: u64,
}

impl Staged {
    /// Collects the files: of `dist` what was built, of the repository what is written by hand, and what the program itself prints.
    ///
    /// # Errors
    /// When a file cannot be read, made or written.
    pub(super) fn make(architecture: Architecture, dist: &Path, program: &Path) -> Result<Self> {
        let release = paths::target().join(architecture.musl()).join("release");
        let dir = release.join("package");
        empty(&dir)?;
        empty(&dir.join("completions"))?;
        for file in entries(&dist.join("completions"))? {
            copy_file(&file, &dir.join("completions").join(file_name(&file)?))?;
        }
        empty(&dir.join("man"))?;
        for file in entries(&dist.join("man"))? {
            let packed = dir.join("man").join(format!("{}.gz", file_name(&file)?));
            write_file(&packed, pack::compressed(&read(&file)?)?)?;
        }
        copy_file(&dist.join("ctpulse"), &dir.join("ctpulse"))?;
        for file in entries(&paths::workspace().join("conntrack-user/packaging"))? {
            if file.is_file() {
                copy_file(&file, &dir.join(file_name(&file)?))?;
            }
        }
        for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "CHANGELOG.md"] {
            copy_file(&paths::workspace().join(file), &dir.join(file))?;
        }
        // Of an empty file it prints all that there is, with what it is without being set.
        let config = dir.join("ctpulse.toml");
        write_file(&config, "")?;
        let defaults = process::capture(
            Command::new(program)
                .args(["config", "--config"])
                .arg(&config),
        )?;
        write_file(&config, defaults)?;
        let staged = Self {
            architecture,
            dir,
            time: time()?,
        };
        let date = process::capture(Command::new("date").args([
            "--utc",
            "--rfc-email",
            &format!("--date=@{}", staged.time),
        ]))?;
        let changelog = debian_changelog(VERSION, date.trim_end());
        write_file(&staged.dir.join("changelog.Debian"), changelog)?;
        Ok(staged)
    }

    /// Each file's path in the directory, and its bytes and mode, in order.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(super) fn files(&self) -> Result<BTreeMap<String, (Vec<u8>, u32)>> {
        let mut files = BTreeMap::new();
        for path in entries(&self.dir)? {
            let name = file_name(&path)?;
            if path.is_dir() {
                for inner in entries(&path)? {
                    let bytes = read(&inner)?;
                    files.insert(format!("{name}/{}", file_name(&inner)?), (bytes, 0o644));
                }
            } else {
                let mode = match name {
                    "ctpulse" | "install.sh" => 0o755,
                    _ => 0o644,
                };
                files.insert(name.to_owned(), (read(&path)?, mode));
            }
        }
        Ok(files)
    }

    /// `ctpulse-0.1.0-x86_64`
    pub(super) fn name(&self) -> String {
        format!("ctpulse-{VERSION}-{}", self.architecture.name())
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read the directory {}", dir.display());
    let entries = fs::read_dir(dir).with_context(cannot)?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()
        .with_context(cannot)?;
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> Result<&str> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.with_context(|| format!("{} has no plain name", path.display()))
}

/// The time of the newest commit, unless `SOURCE_DATE_EPOCH` says another.
fn time() -> Result<u64> {
    let seconds = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(seconds) => seconds,
        Err(_) => process::capture(
            Command::new("git")
                .args(["log", "-1", "--format=%ct"])
                .current_dir(paths::workspace()),
        )
        .context(
            "packages have the time of the newest commit: build them in a clone of the repository, or set SOURCE_DATE_EPOCH",
        )?,
    };
    let seconds = seconds.trim();
    seconds
        .parse()
        .with_context(|| format!("{seconds:?} are no seconds since 1970"))
}

/// Debian's own form of a changelog, which says where ours is.
fn debian_changelog(version: &str, date: &str) -> String {
    format!(
        "ctpulse ({version}-1) unstable; urgency=medium\n\n  * Version {version}: see CHANGELOG.md.\n\n -- ctpulse maintainers \
         <maintainers@ctpulse.example>  {date}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changelog_is_as_debian_has_it() {
        assert_eq!(
            debian_changelog("0.1.0", "Fri, 27 Nov 2026 15:00:00 +0000"),
            "ctpulse (0.1.0-1) unstable; urgency=medium\n\n  * Version 0.1.0: see CHANGELOG.md.\n\n \
             -- ctpulse maintainers <maintainers@ctpulse.example>  Fri, 27 Nov 2026 15:00:00 +0000\n"
        );
    }
}
