//! A directory that becomes a guest's file system, and its packing.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::apt::{self, Needed};

/// The tree that becomes the initramfs.
#[derive(Debug)]
pub(crate) struct Tree(PathBuf);

impl Tree {
    /// Starts with an empty directory.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(crate) fn create(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
        Ok(Self(root))
    }

    /// The directory.
    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    /// The path on the host of a path in the guest, which need not start with `/`.
    pub(crate) fn at(&self, guest: impl AsRef<Path>) -> PathBuf {
        let guest = guest.as_ref();
        self.0.join(guest.strip_prefix("/").unwrap_or(guest))
    }

    pub(crate) fn directory(&self, guest: impl AsRef<Path>) -> Result<()> {
        let path = self.at(guest);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))
    }

    pub(crate) fn link(&self, to: &str, guest: impl AsRef<Path>) -> Result<()> {
        let path = self.at(guest);
        symlink(to, &path).with_context(|| format!("cannot create {}", path.display()))
    }

    pub(crate) fn write(&self, guest: &str, content: &str, mode: u32) -> Result<()> {
        let path = self.at(guest);
        fs::write(&path, content)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    pub(crate) fn copy(&self, host: &Path, guest: &Path) -> Result<()> {
        if let Some(parent) = guest.parent() {
            self.directory(parent)?;
        }
        let to = self.at(guest);
        fs::copy(host, &to)
            .with_context(|| format!("cannot copy {} to {}", host.display(), to.display()))?;
        Ok(())
    }

    /// Copies a program (or any file) and its libraries, each from a path of the host to one of the guest.
    pub(crate) fn program(
        &self,
        host: &Path,
        guest: &Path,
        libraries: &[(PathBuf, PathBuf)],
    ) -> Result<()> {
        self.copy(host, guest)?;
        for (host, guest) in libraries {
            if !self.at(guest).exists() {
                self.copy(host, guest)?;
            }
        }
        Ok(())
    }

    /// Copies a kernel module. A compressed one is decompressed, as busybox cannot load it otherwise, and loses that extension.
    pub(crate) fn decompressed(&self, host: &Path, guest: &Path) -> Result<()> {
        let extension = host.extension().and_then(|extension| extension.to_str());
        let Some(needed) = extension.and_then(decompressor) else {
            return self.copy(host, guest);
        };
        apt::ensure(&[needed])?;
        if let Some(parent) = guest.parent() {
            self.directory(parent)?;
        }
        let path = self.at(guest.with_extension(""));
        let file =
            File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let program = needed.program;
        let status = Command::new(program)
            .arg("-dc")
            .arg(host)
            .stdout(file)
            .status();
        let status = status.with_context(|| format!("cannot run {program}"))?;
        if !status.success() {
            bail!("{program} cannot decompress {} ({status})", host.display());
        }
        Ok(())
    }

    /// Packs the tree without compression: an emulated CPU takes longer to decompress it than the host to read it.
    pub(crate) fn pack(&self, archive: &Path) -> Result<PathBuf> {
        let mut names = Vec::new();
        list(&self.0, Path::new(""), &mut names)
            .with_context(|| format!("cannot read {}", self.0.display()))?;
        let file = File::create(archive)
            .with_context(|| format!("cannot create {}", archive.display()))?;
        let mut cpio = Command::new("cpio");
        cpio.args([
            "--create",
            "--format=newc",
            "--null",
            "--quiet",
            "--owner=+0:+0",
        ])
        .current_dir(&self.0);
        let mut cpio = cpio
            .stdin(Stdio::piped())
            .stdout(file)
            .spawn()
            .context("cannot run cpio")?;
        if let Some(mut stdin) = cpio.stdin.take() {
            for name in names {
                stdin
                    .write_all(name.as_os_str().as_bytes())
                    .context("cannot write to cpio")?;
                stdin.write_all(b"\0").context("cannot write to cpio")?;
            }
        }
        let status = cpio.wait().context("cannot wait for cpio")?;
        if !status.success() {
            bail!("cpio failed ({status})");
        }
        // Everything is in the archive now.
        let _ = fs::remove_dir_all(&self.0);
        Ok(archive.to_owned())
    }
}

/// Lists what is below a directory, parents first, in an order that does not depend on the file
/// system.
fn list(root: &Path, below: &Path, names: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = fs::read_dir(root.join(below))?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = below.join(entry.file_name());
        names.push(name.clone());
        if entry.file_type()?.is_dir() {
            list(root, &name, names)?;
        }
    }
    Ok(())
}

/// The program that decompresses files with a file name extension.
fn decompressor(extension: &str) -> Option<Needed> {
    match extension {
        "xz" => Some(Needed {
            program: "xz",
            package: "xz-utils",
        }),
        "zst" => Some(Needed {
            program: "zstd",
            package: "zstd",
        }),
        "gz" => Some(Needed {
            program: "gzip",
            package: "gzip",
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_listed_parents_first() -> Result<()> {
        let dir = std::env::temp_dir().join(format!("xtask-list-{}", std::process::id()));
        fs::create_dir_all(dir.join("b/c"))?;
        fs::write(dir.join("b/c/d"), "")?;
        symlink("b", dir.join("a"))?;
        let mut names = Vec::new();
        list(&dir, Path::new(""), &mut names)?;
        fs::remove_dir_all(&dir)?;
        assert_eq!(names, ["a", "b", "b/c", "b/c/d"].map(PathBuf::from));
        Ok(())
    }
}
