//! Guest kernels: from Debian's archive, built from source, from a .deb, or from an unpacked tree.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::{debian, from_source};
use crate::apt;
use crate::architecture::Architecture;

/// A bootable kernel.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// What `uname -r` prints in it.
    pub(crate) release: String,
    pub(crate) architecture: Architecture,
    /// The compressed image that QEMU loads.
    pub(crate) image: PathBuf,
    /// The directory that contains `lib/modules/RELEASE`.
    pub(crate) base: PathBuf,
}

impl Kernel {
    /// Finds the kernel that a user has named: a series ("6.12" is Debian's newest cloud kernel of it, "6.12-rt" the newest of
    /// another flavour, "6.12-built-in" and "6.12-thinlto" are built from its source), the path of a .deb, or the path of a
    /// directory to which one was unpacked. It is for this processor.
    ///
    /// # Errors
    /// When there is no such kernel, or it cannot be downloaded or unpacked.
    pub(crate) fn locate(spec: &str, architecture: Architecture) -> Result<Self> {
        if let Some(wanted) = debian::Wanted::parse(spec, architecture) {
            // What runs in the guest has been built for the other.
            if wanted.architecture != architecture {
                bail!(
                    "--kernel {spec} is for {}: add --arch {}",
                    wanted.architecture,
                    wanted.architecture
                );
            }
            let tree = wanted.tree().with_context(|| {
                format!("--kernel {spec}: cannot get it; the path of a .deb serves as well")
            })?;
            return Self::in_tree(&tree, architecture);
        }
        if let Some(wanted) = from_source::SourceKernel::parse(spec) {
            if architecture != Architecture::Amd64 {
                bail!(
                    "--kernel {spec}: kernels are built for {} only",
                    Architecture::Amd64
                );
            }
            return Self::in_tree(&wanted.tree()?, architecture);
        }
        let path = Path::new(spec);
        let metadata = fs::metadata(path).with_context(|| {
            format!(
                "--kernel {spec}: neither a series such as 6.12 (or 6.12-amd64, 6.12-rt, 6.12-built-in, 6.12-thinlto) nor a .deb or its unpacked tree"
            )
        })?;
        if metadata.is_dir() {
            return Self::in_tree(path, architecture);
        }
        let stem = path
            .file_stem()
            .with_context(|| format!("--kernel {spec}: not the path of a .deb"))?;
        let tree = debian::trees().join(stem);
        let unpacked = fs::metadata(&tree).and_then(|tree| tree.modified()).ok();
        if unpacked.is_none() || unpacked < metadata.modified().ok() {
            apt::unpack(&[path.to_owned()], &tree)?;
        }
        Self::in_tree(&tree, architecture)
    }

    /// The kernel in an unpacked tree.
    fn in_tree(tree: &Path, architecture: Architecture) -> Result<Self> {
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
        // Debian has the image in /boot, from 6.19 on next to the modules.
        let images = [
            tree.join("boot").join(format!("vmlinuz-{release}")),
            modules.join(release).join("vmlinuz"),
        ];
        let image = images.into_iter().find(|image| image.is_file());
        let image =
            image.with_context(|| format!("no image of {release} in {}", tree.display()))?;
        // depmod needs the directory above lib/modules.
        let base = modules.ancestors().nth(2).unwrap_or(tree).to_owned();
        Ok(Self {
            release: release.clone(),
            architecture,
            image,
            base,
        })
    }

    /// The directory with the kernel's modules.
    pub(crate) fn modules(&self) -> PathBuf {
        self.base.join("lib/modules").join(&self.release)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree_with(files: &[&str]) -> Result<(tempfile::TempDir, Result<Kernel>)> {
        let tree = tempfile::tempdir()?;
        for file in files {
            let path = tree.path().join(file);
            fs::create_dir_all(path.parent().unwrap())?;
            fs::write(path, "")?;
        }
        let kernel = Kernel::in_tree(tree.path(), Architecture::Amd64);
        Ok((tree, kernel))
    }

    #[test]
    fn an_image_is_in_boot_or_beside_the_modules() -> Result<()> {
        for (files, image, base) in [
            (
                [
                    "boot/vmlinuz-5.10.0-46",
                    "lib/modules/5.10.0-46/modules.order",
                ],
                "boot/vmlinuz-5.10.0-46",
                "",
            ),
            (
                [
                    "usr/lib/modules/7.3.4+deb13/vmlinuz",
                    "usr/lib/modules/7.3.4+deb13/kernel/x.ko.xz",
                ],
                "usr/lib/modules/7.3.4+deb13/vmlinuz",
                "usr",
            ),
        ] {
            let (tree, kernel) = tree_with(&files)?;
            let kernel = kernel?;
            assert_eq!(kernel.image, tree.path().join(image));
            assert_eq!(kernel.base, tree.path().join(base));
            assert!(kernel.modules().is_dir());
        }
        Ok(())
    }

    #[test]
    fn a_kernel_for_another_processor_is_refused() {
        for (spec, architecture, expected) in [
            (
                "6.12-arm64",
                Architecture::Amd64,
                "--kernel 6.12-arm64 is for aarch64: add --arch aarch64",
            ),
            (
                "6.12-built-in",
                Architecture::Arm64,
                "--kernel 6.12-built-in: kernels are built for x86_64 only",
            ),
        ] {
            let kernel = Kernel::locate(spec, architecture);
            let error = kernel.map(|_| ()).map_err(|error| error.to_string());
            assert_eq!(error, Err(expected.to_owned()));
        }
    }

    #[test]
    fn a_tree_without_an_image_is_refused() -> Result<()> {
        let (tree, kernel) = tree_with(&["usr/lib/modules/7.3/modules.order"])?;
        let error = kernel.map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(
            error,
            Err(format!("no image of 7.3 in {}", tree.path().display()))
        );
        Ok(())
    }
}
