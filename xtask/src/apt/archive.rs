//! Debian's archive, of all suites that have kernels: an apt of our own beside the host's, with its own sources,
//! lists and caches, so that it does not matter which release the host is, and needs no root.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};

use super::progress;
use super::sources::{FORMAT, Mirrors};
use crate::{paths, process};

/// The age at which lists are fetched again: there may be newer kernels.
const OUTDATED: Duration = Duration::from_secs(7 * 24 * 3600);

/// The keys of Debian's archive, where the host has them: by the names of its releases.
const KEYS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// The packages of all suites for one architecture.
#[derive(Debug)]
pub(crate) struct Archive {
    architecture: &'static str,
    /// Where its sources, lists and caches are.
    dir: PathBuf,
    /// Whether the lists were fetched by this process: doing so again would bring nothing new.
    fresh: Cell<bool>,
}

impl Archive {
    /// Opens the archive for an architecture, as Debian names it. Lists are fetched when they are needed.
    ///
    /// # Errors
    /// When our directory for it cannot be created.
    pub(crate) fn open(architecture: &'static str) -> Result<Self> {
        let dir = paths::guest().join("apt").join(architecture);
        for needed in ["lists/partial", "cache/archives/partial", "sources.list.d"] {
            let needed = dir.join(needed);
            fs::create_dir_all(&needed)
                .with_context(|| format!("cannot create {}", needed.display()))?;
        }
        Ok(Self {
            architecture,
            dir,
            fresh: Cell::new(false),
        })
    }

    /// Finds something among the names of packages that start with a prefix; where it is not there, once more in
    /// fresh lists.
    ///
    /// # Errors
    /// When apt has no lists and cannot fetch them, or `find` fails for them.
    pub(crate) fn find<T>(&self, prefix: &str, find: impl Fn(&[&str]) -> Result<T>) -> Result<T> {
        self.with_fresh_lists(|| {
            let names = process::capture(self.apt_cache().args(["pkgnames", prefix]))?;
            find(&names.lines().collect::<Vec<_>>())
        })
    }

    /// The newest version of a package.
    ///
    /// # Errors
    /// When no suite has it.
    pub(crate) fn version(&self, package: &str) -> Result<String> {
        self.with_fresh_lists(|| {
            let policy = process::capture(self.apt_cache().args(["policy", package]))?;
            candidate(&policy)
                .map(str::to_owned)
                .with_context(|| format!("no suite of Debian has a package {package}"))
        })
    }

    /// Packages of a suite and all that they depend on, each as `NAME=VERSION`.
    ///
    /// # Errors
    /// When the suite does not have one.
    pub(crate) fn with_dependencies(&self, suite: &str, packages: &[&str]) -> Result<Vec<String>> {
        self.with_fresh_lists(|| {
            let mut simulate = self.apt_get();
            simulate
                .args(["-qq", "--simulate", "--no-install-recommends"])
                .arg("-o")
                .arg(format!("APT::Default-Release={suite}"))
                .arg("install")
                .args(packages);
            Ok(installed(&process::capture(&mut simulate)?))
        })
    }

    /// Downloads the files of packages into a directory.
    ///
    /// # Errors
    /// When they cannot be downloaded.
    pub(crate) fn download(&self, packages: &[String], into: &Path) -> Result<()> {
        self.with_fresh_lists(|| {
            let mut uris = self.apt_get();
            uris.args(["-qq", "download", "--print-uris"])
                .args(packages);
            let size = size(&process::capture(&mut uris)?);
            let mut download = self.apt_get();
            download.arg("download").args(packages).current_dir(into);
            let what = format!("downloading {} ({})", named(packages), megabytes(size));
            progress::run(&mut download, &what)
        })
    }

    /// Tries something with the lists there are, and once more with fresh ones.
    fn with_fresh_lists<T>(&self, attempt: impl Fn() -> Result<T>) -> Result<T> {
        let outdated = !self.fresh.get() && self.age().is_none_or(|age| age > OUTDATED);
        if !outdated {
            let first = attempt();
            if first.is_ok() || self.fresh.get() {
                return first;
            }
        }
        // One suite among many that has moved need not matter: the second attempt decides.
        let update = self.update();
        attempt().map_err(|error| match update {
            Ok(()) => error,
            Err(update) => update.context(error),
        })
    }

    /// How old the lists are, if there are any.
    fn age(&self) -> Option<Duration> {
        let updated = fs::metadata(self.stamp())
            .and_then(|stamp| stamp.modified())
            .ok()?;
        Some(
            SystemTime::now()
                .duration_since(updated)
                .unwrap_or_default(),
        )
    }

    /// The file whose age is that of the lists.
    fn stamp(&self) -> PathBuf {
        self.dir.join("updated")
    }

    /// Fetches the lists of all suites.
    fn update(&self) -> Result<()> {
        self.fresh.set(true);
        let keys = KEYS.into_iter().find(|keys| Path::new(keys).is_file());
        let list = mirrors()?.list(self.architecture, keys);
        let path = self.dir.join("sources.list");
        fs::write(&path, list).with_context(|| format!("cannot write {}", path.display()))?;
        let what = format!(
            "fetching Debian's package lists for {} (some 40 MB)",
            self.architecture
        );
        let updated = progress::run(self.apt_get().arg("update"), &what);
        // Those of the other suites are there even if one failed.
        let stamp = self.stamp();
        fs::write(&stamp, "").with_context(|| format!("cannot write {}", stamp.display()))?;
        updated
    }

    fn apt_get(&self) -> Command {
        self.configured(super::apt_get())
    }

    fn apt_cache(&self) -> Command {
        self.configured(Command::new("apt-cache"))
    }

    /// Makes a command of apt's use our directories, and forget what the host has installed or prefers. All else
    /// is as the host is configured, proxies for example.
    fn configured(&self, mut command: Command) -> Command {
        let mut option = |name: &str, value: &dyn AsRef<Path>| {
            let mut argument = std::ffi::OsString::from(format!("{name}="));
            argument.push(value.as_ref());
            command.arg("-o").arg(argument);
        };
        option("Dir::Etc::sourcelist", &self.dir.join("sources.list"));
        // For sources of the user's own: a suite that the mirror has no more.
        option("Dir::Etc::sourceparts", &self.dir.join("sources.list.d"));
        option("Dir::State::lists", &self.dir.join("lists"));
        option("Dir::Cache", &self.dir.join("cache"));
        // Images for containers turn this one off, and reading all the lists takes seconds.
        option("Dir::Cache::pkgcache", &"pkgcache.bin");
        option("Dir::Cache::srcpkgcache", &"");
        for nothing in [
            "Dir::State::status",
            "Dir::Etc::preferences",
            "Dir::Etc::preferencesparts",
        ] {
            option(nothing, &"/dev/null");
        }
        option("APT::Default-Release", &"");
        option("APT::Architecture", &self.architecture);
        option("APT::Architectures", &self.architecture);
        command
    }
}

/// Where the host's apt has Debian from.
///
/// # Errors
/// When it has no such mirror.
pub(crate) fn main_mirror() -> Result<String> {
    let main = mirrors()?.main().map(str::to_owned);
    main.context(
        "this machine's apt has no mirror of Debian's main archive; add one to its sources",
    )
}

/// The host's mirrors of Debian.
fn mirrors() -> Result<Mirrors> {
    super::with_fresh_lists(|| {
        let mut targets = Command::new("apt-get");
        targets.args(["indextargets", "--format", FORMAT, "Created-By: Packages"]);
        let mirrors = Mirrors::parse(&process::capture(&mut targets)?);
        if !mirrors.is_usable() {
            bail!(
                "this machine's apt has no mirror of Debian to take guest kernels from; add one to its sources"
            );
        }
        Ok(mirrors)
    })
}

/// The candidate's version, from the output of `apt-cache policy`:
///
/// ```text
/// linux-source-6.12:
///   Installed: (none)
///   Candidate: 6.12.117-1~deb12u1
/// ```
fn candidate(policy: &str) -> Option<&str> {
    let mut lines = policy.lines();
    let version = lines.find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then_some(version)
}

/// The packages that would be installed, from the output of `apt-get --simulate`:
///
/// ```text
/// Inst libmnl0 (1.0.4-3 Debian:11.11/oldoldstable, Debian:12.15/oldstable [arm64])
/// ```
fn installed(simulation: &str) -> Vec<String> {
    let packages = simulation.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
        let version = rest.split_whitespace().next()?;
        Some(format!("{name}={version}"))
    });
    packages.collect()
}

/// The bytes of all files, from the output of `apt-get download --print-uris`:
///
/// ```text
/// 'http://mirror.example/debian/pool/x.deb' x.deb 21521796 SHA256:18d94781d1b3
/// ```
fn size(uris: &str) -> u64 {
    let sizes = uris.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        fields.nth(2)?.parse::<u64>().ok()
    });
    sizes.sum()
}

/// Packages in a few words: a line on a terminal has room for no more.
fn named(packages: &[String]) -> String {
    match packages {
        [] => "nothing".to_owned(),
        [package] => package.clone(),
        [first, more @ ..] => format!("{first} and {} more", more.len()),
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_would_be_installed() {
        let policy = "p:\n  Installed: (none)\n  Candidate: 6.12.117-1~deb12u1\n  Version table:\n";
        assert_eq!(candidate(policy), Some("6.12.117-1~deb12u1"));
        assert_eq!(candidate("p:\n  Candidate: (none)\n"), None);
        assert_eq!(candidate(""), None);
    }

    #[test]
    fn packages_come_with_what_they_depend_on() {
        let simulation = "Inst gcc-12-base (12.2.0-14+deb12u1 Debian:12.15/oldstable [arm64])\n\
            Conf gcc-12-base (12.2.0-14+deb12u1 Debian:12.15/oldstable [arm64])\n\
            Inst libc6 (2.36-9+deb12u14 Debian:12.15/oldstable [arm64]) []\n";
        let packages = ["gcc-12-base=12.2.0-14+deb12u1", "libc6=2.36-9+deb12u14"];
        assert_eq!(installed(simulation), packages);
    }

    #[test]
    fn what_is_downloaded_is_told_in_a_few_words() {
        let uris = "'http://m/a%7e1.deb' a~1.deb 22918420 SHA256:35\n'http://m/b.deb' b.deb 1928 SHA256:45\n";
        assert_eq!(size(uris), 22_920_348);
        assert_eq!(megabytes(22_920_348), "23 MB");
        assert_eq!(size(""), 0);
        let packages = ["linux-image-7.3.4", "linux-modules-7.3.4"].map(str::to_owned);
        assert_eq!(named(&packages), "linux-image-7.3.4 and 1 more");
        assert_eq!(named(&packages[..1]), "linux-image-7.3.4");
    }

    #[test]
    fn the_hosts_packages_and_preferences_do_not_matter() {
        let archive = Archive {
            architecture: "amd64",
            dir: "/a".into(),
            fresh: Cell::new(false),
        };
        let apt_cache = archive.apt_cache();
        let arguments: Vec<_> = apt_cache.get_args().collect();
        for option in [
            "Dir::Etc::sourcelist=/a/sources.list",
            "Dir::State::lists=/a/lists",
            "Dir::State::status=/dev/null",
            "APT::Architecture=amd64",
        ] {
            assert!(arguments.contains(&option.as_ref()), "{option}");
        }
    }
}
