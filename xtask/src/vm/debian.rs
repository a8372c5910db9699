//! Debian packages of guest kernels: the one that a series means, and where their unpacked trees are kept.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::apt::{self, Archive};
use crate::architecture::Architecture;
use crate::paths;

/// The package of a kernel: its name goes on with the kernel's release.
const IMAGE: &str = "linux-image-";

/// What a kernel may be in, one package each, named the same way: up to 6.18 all is in the first, later the
/// others have the image, the modules, and what depmod needs.
const PACKAGES: [&str; 4] = [IMAGE, "linux-binary-", "linux-modules-", "linux-base-"];

/// Kernels of Debian's: of a series, a flavour and an architecture.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// "6.12", or "7" for the newest of them.
    series: String,
    /// "cloud", "rt", or empty for the generic one.
    flavour: String,
    pub(super) architecture: Architecture,
}

impl Wanted {
    /// Reads `SERIES[-FLAVOUR][-ARCHITECTURE]`: for amd64, 6.12 and 6.12-cloud-amd64 are the same, 6.12-rt is 6.12-rt-amd64,
    /// and 6.12-amd64 has no flavour, as in the names of Debian's packages.
    pub(super) fn parse(spec: &str, default: Architecture) -> Option<Self> {
        let (series, suffix) = match spec.split_once('-') {
            Some((series, suffix)) => (series, Some(suffix)),
            None => (spec, None),
        };
        let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if series.split('.').count() > 3 || !series.split('.').all(number) {
            return None;
        }
        let (flavour, architecture) = match suffix {
            None => ("cloud", default),
            Some(suffix) => match suffix.rsplit_once('-') {
                Some((flavour, architecture)) => {
                    (flavour, Architecture::from_debian(architecture)?)
                }
                None => match Architecture::from_debian(suffix) {
                    Some(architecture) => ("", architecture),
                    None if suffix.is_empty() => return None,
                    None => (suffix, default),
                },
            },
        };
        matches!(flavour, "cloud" | "rt" | "").then(|| Self {
            series: series.to_owned(),
            flavour: flavour.to_owned(),
            architecture,
        })
    }

    /// The newest such kernel's release among the names of packages, or of trees.
    fn newest<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        let releases = names
            .into_iter()
            .filter_map(|name| name.strip_prefix(IMAGE));
        let ours = releases.filter_map(|release| Some((self.version(release)?, release)));
        ours.max().map(|(_, release)| release)
    }

    /// The numbers of a release, if it is such a kernel: 6.12.118.13 of `6.12.118+deb13-cloud-amd64`.
    fn version(&self, release: &str) -> Option<Vec<u64>> {
        let version = release
            .strip_suffix(self.architecture.debian())?
            .strip_suffix('-')?;
        let version = match self.flavour.as_str() {
            "" => version,
            flavour => version.strip_suffix(flavour)?.strip_suffix('-')?,
        };
        // Other flavours, release candidates and kernels that are not signed have words in it.
        let version: Vec<u64> = version
            .split(['.', '-', '+'])
            .map(|part| part.strip_prefix("deb").unwrap_or(part).parse().ok())
            .collect::<Option<_>>()?;
        let series = self.series.split('.').map(|part| part.parse().ok());
        let series: Vec<u64> = series.collect::<Option<_>>()?;
        version.starts_with(&series).then_some(version)
    }

    /// The unpacked tree of the newest such kernel.
    ///
    /// # Errors
    /// When no suite has one, or it cannot be downloaded.
    pub(super) fn tree(&self) -> Result<PathBuf> {
        let archive = Archive::open(self.architecture.debian())?;
        let packages = archive.find("linux-", |names| {
            let release = self
                .newest(names.iter().copied())
                .with_context(|| format!("no suite of Debian has a kernel {self}"))?;
            let packages = PACKAGES.map(|package| format!("{package}{release}"));
            let there = packages.into_iter();
            Ok(there
                .filter(|package| names.contains(&package.as_str()))
                .collect::<Vec<_>>())
        });
        let packages = match packages {
            Ok(packages) => packages,
            // Without apt's lists one that was downloaded before still serves.
            Err(error) => return self.unpacked().ok_or(error),
        };
        let tree = trees().join(packages.first().context("a kernel has no package")?);
        if !tree.is_dir() {
            apt::fetch(&archive, &packages, &tree)?;
        }
        Ok(tree)
    }

    /// The newest such kernel's tree among those that are there.
    fn unpacked(&self) -> Option<PathBuf> {
        let trees = fs::read_dir(trees()).ok()?.flatten();
        let names: Vec<String> = trees
            .filter_map(|tree| tree.file_name().into_string().ok())
            .collect();
        let release = self.newest(names.iter().map(String::as_str))?;
        Some(self::trees().join(format!("{IMAGE}{release}")))
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.series)?;
        if !self.flavour.is_empty() {
            write!(f, "-{}", self.flavour)?;
        }
        write!(f, "-{}", self.architecture.debian())
    }
}

/// The directory of the trees.
pub(super) fn trees() -> PathBuf {
    paths::guest().join("kernels")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(spec: &str) -> Wanted {
        Wanted::parse(spec, Architecture::Amd64)
            .unwrap_or_else(|| panic!("{spec} is no kernel of Debian's"))
    }

    #[test]
    fn kernels_are_named_as_debian_names_them() {
        for (spec, full) in [
            ("6.12", "6.12-cloud-amd64"),
            ("7", "7-cloud-amd64"),
            ("7.3.4", "7.3.4-cloud-amd64"),
            ("6.12-amd64", "6.12-amd64"),
            ("6.12-rt", "6.12-rt-amd64"),
            ("6.12-rt-amd64", "6.12-rt-amd64"),
            ("6.12-cloud", "6.12-cloud-amd64"),
        ] {
            assert_eq!(wanted(spec).to_string(), full, "{spec}");
        }
        for other in [
            "",
            ".",
            "6.",
            ".1",
            "6.x",
            "./6.1",
            "k.deb",
            "6.1.2.3",
            "6.12-",
            "6.12-built-in",
            "6.12-thinlto",
            "6.12-vax",
            "6.12-rt-vax",
            "6.12-pae",
            "6.12--amd64-",
        ] {
            assert_eq!(Wanted::parse(other, Architecture::Amd64), None, "{other}");
        }
    }

    #[test]
    fn another_processors_kernels_are_named_in_the_same_way() {
        for (spec, full) in [
            ("6.12", "6.12-cloud-arm64"),
            ("6.12-rt", "6.12-rt-arm64"),
            ("6.12-arm64", "6.12-arm64"),
            ("6.12-amd64", "6.12-amd64"),
        ] {
            let wanted = Wanted::parse(spec, Architecture::Arm64).map(|wanted| wanted.to_string());
            assert_eq!(wanted.as_deref(), Some(full), "{spec}");
        }
    }

    const NAMES: [&str; 12] = [
        "linux-image-5.10.0-9-cloud-amd64",
        "linux-image-5.10.0-46-cloud-amd64",
        "linux-image-5.10.0-46-cloud-amd64-unsigned",
        "linux-image-6.1.0-0.deb11.52-cloud-amd64",
        "linux-image-6.1.0-56-cloud-amd64",
        "linux-image-6.12.117+deb12-cloud-amd64",
        "linux-image-6.12.118+deb13-cloud-amd64",
        "linux-image-6.12.119+deb13-rt-amd64",
        "linux-image-6.12.9+deb12-amd64",
        "linux-image-7.4-rc2-cloud-amd64",
        "linux-image-7.3.4+deb13-cloud-amd64",
        "linux-image-cloud-amd64",
    ];

    #[test]
    fn the_newest_of_a_series_is_taken() {
        for (spec, release) in [
            ("5.10", "5.10.0-46-cloud-amd64"),
            ("6.1", "6.1.0-56-cloud-amd64"),
            ("6.12", "6.12.118+deb13-cloud-amd64"),
            ("6.12.117", "6.12.117+deb12-cloud-amd64"),
            ("6.12-rt", "6.12.119+deb13-rt-amd64"),
            ("6.12-amd64", "6.12.9+deb12-amd64"),
            ("7", "7.3.4+deb13-cloud-amd64"),
        ] {
            assert_eq!(wanted(spec).newest(NAMES), Some(release), "{spec}");
        }
        assert_eq!(wanted("5.1").newest(NAMES), None);
        assert_eq!(wanted("7-rt").newest(NAMES), None);
    }
}
