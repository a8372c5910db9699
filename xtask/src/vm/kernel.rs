//! Guest kernels: from apt, built from source, from a .deb, or from an unpacked tree.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::{built_in, debian};
use crate::apt;
use crate::process::say;

/// A bootable kernel.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// What `uname -r` prints in it.
    pub(crate) release: String,
    /// The compressed image that QEMU loads.
    pub(crate) image: PathBuf,
    /// The directory that contains `lib/modules/RELEASE`.
    pub(crate) base: PathBuf,
}

impl Kernel {
    /// Finds the kernel that a user has named: a series ("6.12" is a Debian cloud kernel from apt, "6.12-built-in" is built with
    /// nf_conntrack built in), the path of a .deb, or the path of a directory to which one was unpacked.
    ///
    /// # Errors
    /// When there is no such kernel, or it cannot be downloaded or unpacked.
    pub(crate) fn locate(spec: &str) -> Result<Self> {
        if is_series(spec) {
            return Self::in_tree(&from_apt(spec)?);
        }
        if let Some(series) = built_in::series(spec).filter(|series| is_series(series)) {
            return Self::in_tree(&built_in::tree(series)?);
        }
        let path = Path::new(spec);
        let metadata = fs::metadata(path).with_context(|| {
            format!(
                "--kernel {spec}: neither a series such as 6.12 (or 6.12-built-in) nor a .deb or its unpacked tree"
            )
        })?;
        if metadata.is_dir() {
            return Self::in_tree(path);
        }
        let stem = path
            .file_stem()
            .with_context(|| format!("--kernel {spec}: not the path of a .deb"))?;
        let tree = debian::trees().join(stem);
        let unpacked = fs::metadata(&tree).and_then(|tree| tree.modified()).ok();
        if unpacked.is_none() || unpacked < metadata.modified().ok() {
            debian::unpack(path, &tree)?;
        }
        Self::in_tree(&tree)
    }

    /// The kernel in an unpacked tree.
    fn in_tree(tree: &Path) -> Result<Self> {
        let modules = ["lib/modules", "usr/lib/modules"]
            .map(|dir| tree.join(dir))
            .into_iter()
            .find(|dir| dir.is_dir());
        let modules = modules.with_context(|| format!("no lib/modules in {}", tree.display()))?;
        let mut releases = Vec::new();
        for entry in
            fs::read_dir(&modules).with_context(|| format!("cannot read {}", modules.display()))?
        {
            releases.extend(
                entry
                    .with_context(|| format!("cannot read {}", modules.display()))?
                    .file_name()
                    .into_string(),
            );
        }
        let [release] = &releases[..] else {
            bail!(
                "{}: one kernel expected, found {}",
                modules.display(),
                releases.len()
            );
        };
        // Debian has the image in /boot, others next to the modules.
        let images = [
            tree.join("boot").join(format!("vmlinuz-{release}")),
            modules.join(release).join("vmlinuz"),
        ];
        let image = images.into_iter().find(|image| image.is_file());
        let image =
            image.with_context(|| format!("no boot/vmlinuz-{release} in {}", tree.display()))?;
        // depmod needs the directory above lib/modules.
        let base = modules.ancestors().nth(2).unwrap_or(tree).to_owned();
        Ok(Self {
            release: release.clone(),
            image,
            base,
        })
    }

    /// The directory with the kernel's modules.
    pub(crate) fn modules(&self) -> PathBuf {
        self.base.join("lib/modules").join(&self.release)
    }
}

/// Whether a kernel is named by its series, which is two numbers.
fn is_series(spec: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    spec.split_once('.')
        .is_some_and(|(major, minor)| number(major) && number(minor))
}

/// The unpacked tree of Debian's current cloud kernel of a series.
fn from_apt(series: &str) -> Result<PathBuf> {
    let package = match apt::kernel_package(series) {
        Ok(package) => package,
        // Without apt's lists an earlier download is good enough.
        Err(error) => match unpacked_of_series(series) {
            Some(tree) => return Ok(tree),
            None => {
                return Err(error).with_context(|| {
                    format!("no kernel {series}; --kernel also takes the path of a .deb")
                });
            }
        },
    };
    let tree = debian::trees().join(&package);
    if !tree.is_dir() {
        say(format_args!("downloading {package}"));
        debian::fetch(&package, &tree)?;
    }
    Ok(tree)
}

/// The newest unpacked tree of a series.
fn unpacked_of_series(series: &str) -> Option<PathBuf> {
    let trees = fs::read_dir(debian::trees()).ok()?.flatten();
    let ours = trees.filter(|tree| {
        tree.file_name()
            .to_str()
            .is_some_and(|name| apt::is_of_series(name, series))
    });
    ours.max_by_key(|tree| tree.metadata().and_then(|tree| tree.modified()).ok())
        .map(|tree| tree.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_two_numbers() {
        for series in ["6.1", "6.12", "10.0"] {
            assert!(is_series(series), "{series}");
        }
        for path in ["6", "6.1.0", "./6.1", "6.x", "k.deb", "6.", ".1", ""] {
            assert!(!is_series(path), "{path}");
        }
    }
}
